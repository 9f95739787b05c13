//! The command line: it parses what the operator asks for, calls the other rooms, and prints.
//!
//! No other room uses it.

mod check;
mod check_diff;
mod commands;
mod compile;
mod completions;
mod doctor;
mod exit;
mod flink;
mod host_client;
mod man;
mod pack;
mod registry;
mod reload;
mod running;
mod serve;
mod settings;
mod signals;
mod skipped;
mod state;
mod status;
mod systemd;
mod table;
mod tap;
mod tell;
mod threads;
mod top;
mod workbench;

use std::process::ExitCode;

/// Runs the command that the process's arguments name.
pub fn main() -> ExitCode {
    commands::run().unwrap_or_else(|error| {
        // It may name what others have written.
        tell::tell(&format!("{error:#}"));
        exit::FAILED
    })
}
