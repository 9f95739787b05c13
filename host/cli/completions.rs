//! `completions`: scripts with which a shell completes the command line.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::Command;
use clap_complete::Shell;

use super::exit::DONE;

/// Name of the program whose arguments are completed.
const NAME: &str = env!("CARGO_PKG_NAME");

/// Prints the script for one shell.
pub fn completions(command: &Command, shell: Shell) -> Result<ExitCode> {
    // clap_complete does not leave out hidden commands by itself.
    let listed = command.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let mut command = Command::new(NAME).version(env!("CARGO_PKG_VERSION")).subcommands(listed);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, NAME, &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(DONE)
}
