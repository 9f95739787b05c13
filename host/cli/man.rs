//! `man`: writes the man pages. For packagers, who call it through `cargo xtask man`.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Command};

use super::exit::DONE;

/// Where the pages go.
#[derive(Args)]
pub struct Options {
    /// Folder for the pages; it is created if it does not exist.
    folder: PathBuf,
}

/// Writes one page for the program and one for each subcommand that `--help` lists.
pub fn man(command: Command, options: &Options) -> Result<ExitCode> {
    let folder = &options.folder;
    // The long version does not fit into the footer of a page.
    let command = command.version(env!("CARGO_PKG_VERSION"));
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(command, folder))
        .with_context(|| format!("{}: the man pages can't be written", folder.display()))?;
    Ok(DONE)
}
