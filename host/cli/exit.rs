//! The exit codes of `kapacitor-wasm`.

use std::process::ExitCode;

/// Something is wrong with what was asked for: a file, a plugin, a flag.
pub const FAILED: ExitCode = ExitCode::FAILURE;
