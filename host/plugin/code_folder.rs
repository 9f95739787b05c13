//! The folder of machine code.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use thiserror::Error;

/// Why a folder is not used for machine code.
#[derive(Debug, Error)]
pub enum CodeFolderError {
    /// The system says so.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Other users could write machine code that the host would run.
    #[error("must be a folder of this user that nobody else can write to")]
    NotPrivate,
}

/// The folder that machine code is stored in. A user that can write there can make the host run anything.
#[derive(Debug)]
pub struct CodeFolder {
    path: PathBuf,
    /// Deleted at the end, where there is no lasting folder.
    _temporary: Option<TempDir>,
}

impl CodeFolder {
    /// `<state-dir>/compiled`, or a temporary folder and the reason why the other one can't be used. The folder is
    /// created only if `make` says so: a process that only looks at plugins may belong to another user than the
    /// host.
    ///
    /// # Errors
    ///
    /// When there is not even a temporary folder.
    pub fn open(state_dir: &Path, make: bool) -> io::Result<(Self, Option<String>)> {
        let folder = std::path::absolute(state_dir)?.join("compiled");
        let made = if make { make_private(&folder) } else { Ok(()) };
        match made.map_err(CodeFolderError::from).and_then(|()| check_private(&folder)) {
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

/// Creates a folder that nobody else can write to, if it is not there.
pub(super) fn make_private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Checks that nobody else can write to a folder, and that this process can.
fn check_private(folder: &Path) -> Result<(), CodeFolderError> {
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o022 != 0 {
        return Err(CodeFolderError::NotPrivate);
    }
    tempfile::tempfile_in(folder)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn folder_that_others_can_write_to_is_not_used() {
        let state = tempfile::tempdir().unwrap();
        let (folder, problem) = CodeFolder::open(state.path(), true).unwrap();
        assert_eq!((folder.path(), problem), (&*state.path().join("compiled"), None));

        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let (temporary, problem) = CodeFolder::open(state.path(), true).unwrap();
        assert!(problem.unwrap().ends_with("that nobody else can write to"));
        let path = temporary.path().to_owned();
        assert!(path.is_dir() && path != folder.path());
        drop(temporary);
        assert!(!path.exists());
    }

    #[test]
    fn folder_is_not_created_by_a_process_that_only_looks() {
        let state = tempfile::tempdir().unwrap();
        let (_temporary, problem) = CodeFolder::open(state.path(), false).unwrap();
        assert!(problem.is_some() && !state.path().join("compiled").exists());
    }
}
