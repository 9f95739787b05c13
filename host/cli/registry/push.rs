//! `push`: puts a plugin into a registry.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Args;
use kapacitor_wasm_registry::{PrivateKey, Source, push as push_one};

use super::super::exit::DONE;
use super::super::settings::{CONFIG, CONFIG_ENV};
use super::access;
use crate::config::Config;
use crate::logging::shown;
use crate::regular_file;

/// What is put where.
#[derive(Args)]
pub struct PushOptions {
    /// Plugin: a `.wasm` file.
    plugin: PathBuf,
    /// Where it is put: `oci://HOST/REPOSITORY:TAG`.
    reference: Source,
    /// Private key to sign it with: a PEM file in the format PKCS #8.
    #[arg(long, value_name = "FILE")]
    sign: Option<PathBuf>,
    /// Configuration file, of which `[registry]` is used; needed only if it is not the usual one.
    #[arg(short, long, value_name = "FILE", env = CONFIG_ENV)]
    config: Option<PathBuf>,
}

/// Puts the plugin into the registry, and prints its reference with the digest.
pub fn push(options: &PushOptions) -> Result<ExitCode> {
    let config = match &options.config {
        Some(path) => Config::from_file(path)?,
        // Those who publish plugins need not run any.
        None if Path::new(CONFIG).exists() => Config::from_file(Path::new(CONFIG))?,
        None => Config::from_text("", Path::new(CONFIG))?,
    };
    let PushOptions { plugin, reference, .. } = options;
    let key = options.sign.as_deref().map(PrivateKey::read).transpose()?;
    let module =
        regular_file::read(plugin, config.host.module).map_err(|e| anyhow!("{} {e}", shown(plugin)))?;
    let title = plugin.file_name().map(|name| shown(Path::new(name))).unwrap_or_default();
    let digest = push_one(&access(&config.registry), reference, &module, &title, key.as_ref())?;
    println!("{}", reference.at(digest));
    Ok(DONE)
}
