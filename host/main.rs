//! The `kapacitor-wasm` command.

#![forbid(unsafe_code)]

/// The allocator of musl has one lock for all threads.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    kapacitor_wasm::cli::main()
}
