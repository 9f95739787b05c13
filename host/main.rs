//! The `kapacitor-wasm` command.

#![forbid(unsafe_code)]

mod cli;
mod commands;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("kapacitor-wasm: {error:#}");
            cli::FAILED
        }
    }
}
