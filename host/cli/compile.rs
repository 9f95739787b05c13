//! `compile`: what the host runs to compile a plugin within limits. Not for operators.

use std::process::ExitCode;

use crate::plugin::{self, CompileLimits};
use crate::units::{Bytes, Span};
use anyhow::Result;
use clap::Args;

use super::exit::DONE;

/// As the host says.
#[derive(Args)]
pub struct Options {
    /// `limits.stack`.
    #[arg(long)]
    stack: Bytes,
    /// Maximum computing time.
    #[arg(long)]
    compile_deadline: Span,
    /// `host.compile-memory`.
    #[arg(long)]
    compile_memory: Bytes,
}

/// Compiles the module that comes on stdin, and says on stdout what came of it.
pub fn compile(options: &Options) -> Result<ExitCode> {
    let &Options { stack, compile_deadline: time, compile_memory: memory } = options;
    plugin::compile_stdin(&CompileLimits { stack, time, memory })?;
    Ok(DONE)
}
