//! `pack`: packs data into a plugin.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;

use super::exit::DONE;
use crate::config::HostLimits;
use crate::logging::shown;
use crate::regular_file;
use crate::units::Bytes;

/// The largest file that is read: more than fits into the memory of a plugin is certainly no model.
const MOST: Bytes = Bytes::mib(4096);

/// What is packed into what.
#[derive(Args)]
pub struct Options {
    /// Plugin as it was built: a `.wasm` file.
    plugin: PathBuf,
    /// File whose bytes are packed, such as a `.kwf` file of the converter for tree ensembles.
    data: PathBuf,
    /// File for the plugin with the data; its name is that of the plugin.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Writes the plugin with the data in it.
pub fn pack(options: &Options) -> Result<ExitCode> {
    check_output(options)?;
    let read = |path: &Path| {
        if fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() > MOST.0) {
            return Err(anyhow!("{} has more than {MOST}: no plugin has room for it", shown(path)));
        }
        regular_file::read(path, MOST).map_err(|e| anyhow!("{} {e}", shown(path)))
    };
    let (plugin, data) = (read(&options.plugin)?, read(&options.data)?);
    let packed =
        kapacitor_wasm_pack::pack(&plugin, &data).map_err(|e| anyhow!("{} {e}", shown(&options.plugin)))?;
    write(&options.output, &packed)
        .with_context(|| format!("{} can't be written", shown(&options.output)))?;
    println!("{}: {} bytes, of which {} are packed data", shown(&options.output), packed.len(), data.len());
    let usual = HostLimits::default().module;
    if packed.len() as u64 > usual.0 {
        println!(
            "note: hosts refuse plugins of more than {usual}: raise host.module and limits.memory in udf.toml"
        );
    }
    Ok(DONE)
}

/// Checks that the output takes the place of nothing that is still needed.
fn check_output(options: &Options) -> Result<()> {
    let output = shown(&options.output);
    let Ok(found) = fs::metadata(&options.output) else { return Ok(()) };
    if !found.is_file() {
        bail!("{output} is there, and is no file: choose another name for --output");
    }
    let is_output = |path: &Path| {
        fs::metadata(path).is_ok_and(|input| (input.dev(), input.ino()) == (found.dev(), found.ino()))
    };
    if is_output(&options.plugin) || is_output(&options.data) {
        bail!(
            "{output} is one of the files that are read, and would be lost: choose another name for --output"
        );
    }
    Ok(())
}

/// Writes a file that exists as a whole or not at all: the host may be watching its folder.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // As for any new file, the umask takes away what it has to.
    let permissions = Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new()
        .prefix(".")
        .suffix(".partial")
        .permissions(permissions)
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
