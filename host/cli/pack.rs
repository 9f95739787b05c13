//! `pack`: packs data into a plugin.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;

use super::exit::DONE;
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
    let read = |path: &Path| regular_file::read(path, MOST).map_err(|e| anyhow!("{} {e}", shown(path)));
    let (plugin, data) = (read(&options.plugin)?, read(&options.data)?);
    let packed =
        kapacitor_wasm_pack::pack(&plugin, &data).map_err(|e| anyhow!("{} {e}", shown(&options.plugin)))?;
    write(&options.output, &packed)
        .with_context(|| format!("{} can't be written", shown(&options.output)))?;
    println!("{}: {} bytes, of which {} are packed data", shown(&options.output), packed.len(), data.len());
    Ok(DONE)
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
