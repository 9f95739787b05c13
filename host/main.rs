//! The `kapacitor-wasm` command.

#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    kapacitor_wasm::cli::main()
}
