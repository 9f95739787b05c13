//! The lock of the state folder: one host at a time serves with it.

use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process;

use rustix::fs::{FlockOperation, flock};
use thiserror::Error;

use super::files::open_lock;
use crate::regular_file;

/// Name of the file that is locked. It holds the number of the process that has the lock for itself.
const NAME: &str = "lock";

/// Maximum length of that number in bytes.
const MAX_NUMBER: u64 = 20;

/// Why this process can't have the lock.
#[derive(Debug, Error)]
pub enum FolderLockError {
    /// Another process has it.
    #[error("{}: {by} uses this state folder: stop it, or set another state-dir", .folder.display())]
    Taken {
        /// The state folder.
        folder: PathBuf,
        /// The other process.
        by: String,
    },
    /// The folder, or its file system, can't be locked.
    #[error("{}: the state folder can't be locked, see to it that only one host uses it: {source}", .folder.display())]
    Unsupported {
        /// The state folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The lock of the state folder, until it is dropped.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Locks `folder`: for this process alone or, if it is `shared`, beside others that share it.
    ///
    /// # Errors
    ///
    /// Who has the lock, or why there can be none.
    pub fn take(folder: &Path, shared: bool) -> Result<Self, FolderLockError> {
        let unsupported = |source| FolderLockError::Unsupported { folder: folder.to_owned(), source };
        let path = folder.join(NAME);
        let mut file = open(folder, &path).map_err(unsupported)?;
        let operation = if shared {
            FlockOperation::NonBlockingLockShared
        } else {
            FlockOperation::NonBlockingLockExclusive
        };
        match flock(&file, operation) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut number = String::new();
                // Without a number, processes share the lock.
                let _ = file.take(MAX_NUMBER).read_to_string(&mut number);
                let by = match number.trim() {
                    "" => "a `kapacitor-wasm stdio`".to_owned(),
                    number => format!("another host, process {number},"),
                };
                return Err(FolderLockError::Taken { folder: folder.to_owned(), by });
            }
            Err(e) => return Err(unsupported(e.into())),
        }
        // The number is for people, and the folder may be read-only.
        let number = if shared { String::new() } else { process::id().to_string() };
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(number.as_bytes()));
        Ok(Self { _file: file })
    }
}

fn open(folder: &Path, path: &Path) -> io::Result<File> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let opened = made.and_then(|()| open_lock(folder, path));
    // A file that is there can be locked also where it can't be written.
    opened.or_else(|e| regular_file::open_unlinked(path).map_err(|_| e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_or_several_child_processes_have_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("state");
        let host = FolderLock::take(&folder, false).unwrap();
        for shared in [false, true] {
            let error = FolderLock::take(&folder, shared).unwrap_err().to_string();
            assert!(error.contains(&format!("another host, process {},", process::id())), "{error}");
        }
        drop(host);
        let children = [(); 2].map(|()| FolderLock::take(&folder, true).unwrap());
        let error = FolderLock::take(&folder, false).unwrap_err().to_string();
        assert!(error.contains("a `kapacitor-wasm stdio` uses this state folder: stop it"), "{error}");
        drop(children);
        FolderLock::take(&folder, false).unwrap();
    }
}
