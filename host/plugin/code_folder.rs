//! The folder of machine code.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Where machine code is kept. Whoever can write there can make the host run anything.
#[derive(Debug)]
pub struct CodeFolder {
    path: PathBuf,
    /// Deleted at the end, where there is no lasting folder.
    _temporary: Option<TempDir>,
}

impl CodeFolder {
    /// `<state-dir>/compiled`, or a temporary folder where that can't be used; then with the reason. It
    /// is not made unless `make` says so: whoever only looks at plugins may be another user than the
    /// one that runs them.
    ///
    /// # Errors
    ///
    /// When there is not even a temporary folder.
    pub fn open(state_dir: &Path, make: bool) -> io::Result<(Self, Option<String>)> {
        let folder = std::path::absolute(state_dir)?.join("compiled");
        let made = if make { make_private(&folder) } else { Ok(()) };
        match made.and_then(|()| check_private(&folder)) {
            Ok(()) => Ok((Self { path: folder, _temporary: None }, None)),
            Err(reason) => {
                let temporary = tempfile::Builder::new().prefix("kapacitor-wasm-").tempdir()?;
                let path = temporary.path().to_owned();
                let reason = format!("{}: {reason}", folder.display());
                Ok((Self { path, _temporary: Some(temporary) }, Some(reason)))
            }
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes a folder that nobody else can write to, if it is not there.
fn make_private(folder: &Path) -> Result<(), String> {
    make_private_folder(folder).map_err(|e| e.to_string())
}

pub(super) fn make_private_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Whether nobody else can write to a folder.
fn check_private(folder: &Path) -> Result<(), String> {
    let found = fs::symlink_metadata(folder).map_err(|e| e.to_string())?;
    if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o022 != 0 {
        return Err("must be a folder of this user that nobody else can write to".to_owned());
    }
    tempfile::tempfile_in(folder).map(drop).map_err(|e| e.to_string())
}
