//! `compile`: what the host runs to compile a plugin within limits. Not for operators.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::plugin;
use crate::sandbox::Engine;
use crate::units::{Bytes, Span};
use anyhow::Result;
use clap::Args;

use super::exit::{DONE, FAILED};

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
    plugin::limit_this_process(options.compile_deadline, options.compile_memory)?;
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    let engine = Engine::new(options.stack, Some(&options.folder))?;
    Ok(if plugin::compile_into_folder(&engine, &bytes) { DONE } else { FAILED })
}
