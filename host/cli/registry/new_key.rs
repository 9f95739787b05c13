//! `new-key`: makes a pair of keys.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Args;
use kapacitor_wasm_registry::generate;

use super::super::exit::DONE;
use crate::logging::shown;

/// Where the keys are written.
#[derive(Args)]
pub struct NewKeyOptions {
    /// Name of the files, without `.key` and `.pub`.
    name: PathBuf,
}

/// Writes the private key, which only this user may read, and the public one.
pub fn new_key(options: &NewKeyOptions) -> Result<ExitCode> {
    let file = |extension: &str| {
        let mut name = options.name.clone().into_os_string();
        name.push(extension);
        PathBuf::from(name)
    };
    let (private, public) = (file(".key"), file(".pub"));
    let (private_text, public_text) = generate()?;
    write(&private, &private_text, 0o600)?;
    write(&public, &public_text, 0o644)?;
    println!(
        "{} is the private key: keep it secret. {} is the public key: give it to those who verify.",
        shown(&private),
        shown(&public)
    );
    Ok(DONE)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(mode).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => {
            anyhow!("{} is there, and keys are not overwritten: choose another name", shown(path))
        }
        _ => anyhow!("{} can't be written: {e}", shown(path)),
    })
}
