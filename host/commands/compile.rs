//! `compile`: what the host runs to compile a plugin within limits. Not for operators.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use kapacitor_wasm::compile;
use kapacitor_wasm::engine::Engine;
use kapacitor_wasm::units::{Bytes, Span};

use crate::cli::FAILED;

/// As the host says.
#[derive(Args)]
pub struct Options {
    /// `limits.stack`.
    #[arg(long)]
    stack: Bytes,
    /// `host.compile-deadline`.
    #[arg(long)]
    compile_deadline: Span,
    /// `host.compile-memory`.
    #[arg(long)]
    compile_memory: Bytes,
    /// Where the machine code goes.
    folder: PathBuf,
}

/// Compiles the module that comes on stdin; exit code 1 if it is none.
pub fn compile(options: &Options) -> Result<ExitCode> {
    compile::limit_this_process(options.compile_deadline, options.compile_memory)?;
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    let engine = Engine::new(options.stack, Some(&options.folder))?;
    Ok(if compile::compile_into_folder(&engine, &bytes) { ExitCode::SUCCESS } else { FAILED })
}
