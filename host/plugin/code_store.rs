//! The store of machine code, which saves the next start from compiling again.
//!
//! An entry is a file `<state-dir>/compiled/KEY.code`: SHA-256 of its key and its code, and then the code. The key
//! stands for the module, the build, the processor and the limits of compilation. An entry that is not exactly what
//! was written is deleted, and its module compiled again: the processor would run whatever the file says.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use thiserror::Error;
use tracing::warn;

use crate::digest::hex;
use crate::logging::shown;
use crate::regular_file::{self, FileError};
use crate::units::Bytes;

/// Maximum number of entries. Beyond it, those that were not used for longest are deleted.
const MAX_ENTRIES: usize = 10_000;

/// Maximum size of all entries together.
const MAX_SIZE: Bytes = Bytes::mib(4096);

/// Number of new entries after which the store is trimmed. It is also trimmed when it is opened.
const TRIM_AFTER: usize = 100;

/// Age at which a file that was begun and not finished is deleted. Another process may be writing a younger one.
const UNFINISHED: Duration = Duration::from_secs(60 * 60);

/// Length of the hash that an entry begins with.
const SUM: usize = 32;

/// Extension of the entries.
const EXTENSION: &str = "code";

/// Folders in which earlier versions kept machine code without its hash.
const OLD_FOLDERS: [&str; 2] = ["modules", "within-limits"];

/// The key of an entry.
pub type CodeKey = [u8; 32];

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

/// The store of machine code. A user that can write to its folder can make the host run anything.
#[derive(Clone, Debug, Default)]
pub struct CodeStore {
    /// `None` keeps nothing.
    folder: Option<PathBuf>,
    /// Whether entries may be written and deleted.
    writable: bool,
    /// Number of entries that were written since the store was trimmed.
    written: Arc<AtomicUsize>,
}

impl CodeStore {
    /// The store in `<state-dir>/compiled`, or one that keeps nothing and the reason why the folder can't be used.
    /// The store is written to only if `writable`: a process that only looks at plugins may belong to another user
    /// than the host.
    pub fn open(state_dir: &Path, writable: bool) -> (Self, Option<String>) {
        let folder = state_dir.join("compiled");
        match Self::at(&folder, writable) {
            Ok(store) => (store, None),
            Err(reason) => (Self::default(), Some(format!("{}: {reason}", shown(&folder)))),
        }
    }

    /// The store in `folder`, which is made if it is not there and the store is `writable`.
    ///
    /// # Errors
    ///
    /// When the folder can't be made, or others can write to it.
    pub fn at(folder: &Path, writable: bool) -> Result<Self, CodeFolderError> {
        let folder = std::path::absolute(folder)?;
        if writable {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        }
        check_private(&folder, writable)?;
        if writable {
            for old in OLD_FOLDERS {
                // It takes room and does nothing else, so it may stay where it can't be deleted.
                let _ = fs::remove_dir_all(folder.join(old));
            }
            trim(&folder);
        }
        Ok(Self { folder: Some(folder), writable, written: Arc::default() })
    }

    /// Whether there can be entries.
    pub fn is_used(&self) -> bool {
        self.folder.is_some()
    }

    /// The code of the entry `key`, at most `most` bytes. `None` if there is none, or if it is not what was
    /// written.
    pub fn load(&self, key: &CodeKey, most: Bytes) -> Option<Vec<u8>> {
        let path = self.path(key)?;
        let error = match read(&path, key, most) {
            Ok(Some(code)) => return Some(code),
            Ok(None) => "it is not what was written".to_owned(),
            Err(e) if e.is_not_found() => return None,
            Err(e) => e.to_string(),
        };
        let file = shown(&path);
        warn!(file, err = error, "stored machine code is not used, the plugin is compiled again");
        self.forget(key);
        None
    }

    /// Writes the entry `key`. Where that is not possible, the next start compiles again.
    pub fn keep(&self, key: &CodeKey, code: &[u8]) {
        let Some((folder, path)) = self.folder.as_deref().zip(self.path(key)).filter(|_| self.writable)
        else {
            return;
        };
        if let Err(e) = write(folder, &path, key, code) {
            let file = shown(&path);
            warn!(file, err = e.to_string(), "machine code is not kept for the next start");
        } else if self.written.fetch_add(1, Relaxed) % TRIM_AFTER == TRIM_AFTER - 1 {
            trim(folder);
        }
    }

    /// Deletes the entry `key`.
    pub fn forget(&self, key: &CodeKey) {
        if let Some(path) = self.path(key).filter(|_| self.writable) {
            // What stays is checked again at the next start.
            let _ = fs::remove_file(path);
        }
    }

    fn path(&self, key: &CodeKey) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(hex(key)).with_extension(EXTENSION))
    }
}

/// The hash that an entry begins with.
fn checksum(key: &CodeKey, code: &[u8]) -> [u8; SUM] {
    Sha256::new().chain_update(key).chain_update(code).finalize().into()
}

/// The code in the file of an entry, if it is what was written.
fn read(path: &Path, key: &CodeKey, most: Bytes) -> Result<Option<Vec<u8>>, FileError> {
    let file = regular_file::open(path)?;
    // What is used stays when the store is trimmed.
    let _ = file.set_modified(SystemTime::now());
    let mut entry = Vec::new();
    file.take(most.0.saturating_add(SUM as u64)).read_to_end(&mut entry).map_err(FileError::Io)?;
    let Some((sum, code)) = entry.split_at_checked(SUM) else { return Ok(None) };
    if checksum(key, code) != sum {
        return Ok(None);
    }
    entry.drain(..SUM);
    Ok(Some(entry))
}

fn write(folder: &Path, path: &Path, key: &CodeKey, code: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&checksum(key, code))?;
    file.write_all(code)?;
    file.persist(path)?;
    Ok(())
}

/// Deletes what was begun long ago and, beyond the limits, the entries that were not used for longest.
fn trim(folder: &Path) {
    let mut entries = Vec::new();
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let Ok(used) = metadata.modified() else { continue };
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            entries.push((used, metadata.len(), path));
        } else if metadata.is_file() && used.elapsed().is_ok_and(|age| age > UNFINISHED) {
            let _ = fs::remove_file(path);
        }
    }
    // The youngest first.
    entries.sort_unstable_by(|a, b| b.cmp(a));
    let mut size = 0;
    for (index, (_, length, path)) in entries.into_iter().enumerate() {
        size += length;
        if index >= MAX_ENTRIES || size > MAX_SIZE.0 {
            let _ = fs::remove_file(path);
        }
    }
}

/// Checks that nobody else can write to a folder and, if it is to be written to, that this process can.
fn check_private(folder: &Path, writable: bool) -> Result<(), CodeFolderError> {
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o022 != 0 {
        return Err(CodeFolderError::NotPrivate);
    }
    if writable {
        tempfile::tempfile_in(folder)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const KEY: CodeKey = [7; 32];
    const MOST: Bytes = Bytes::mib(1);

    #[test]
    fn folder_that_others_can_write_to_is_not_used() {
        let state = tempfile::tempdir().unwrap();
        let (store, problem) = CodeStore::open(state.path(), true);
        store.keep(&KEY, b"code");
        assert_eq!((store.load(&KEY, MOST).as_deref(), problem), (Some(&b"code"[..]), None));

        let folder = state.path().join("compiled");
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
        let (store, problem) = CodeStore::open(state.path(), true);
        assert!(problem.unwrap().ends_with("that nobody else can write to"));
        assert_eq!(store.load(&KEY, MOST), None);
    }

    #[test]
    fn folder_is_not_made_by_a_process_that_only_looks() {
        let state = tempfile::tempdir().unwrap();
        let (store, problem) = CodeStore::open(state.path(), false);
        store.keep(&KEY, b"code");
        assert!(problem.is_some() && !state.path().join("compiled").exists());
    }

    #[test]
    fn entry_that_differs_in_any_bit_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let store = CodeStore::at(folder.path(), true).unwrap();
        store.keep(&KEY, b"code");
        let path = store.path(&KEY).unwrap();
        let whole = fs::read(&path).unwrap();
        let mut wrong: Vec<Vec<u8>> = (0..whole.len()).map(|length| whole[..length].to_vec()).collect();
        wrong.extend((0..8 * whole.len()).map(|bit| {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            flipped
        }));
        wrong.push([&whole[..], b"more"].concat());
        for wrong in wrong {
            fs::write(&path, wrong).unwrap();
            assert_eq!(store.load(&KEY, MOST), None);
            assert!(!path.exists());
        }
        // The entry of another key is no better.
        fs::write(store.path(&[8; 32]).unwrap(), whole).unwrap();
        assert_eq!(store.load(&[8; 32], MOST), None);
    }

    #[test]
    fn trimmed_store_keeps_what_was_used_last() {
        let folder = tempfile::tempdir().unwrap();
        let entry = |index: u32, seconds: u64| {
            let path = folder.path().join(format!("{index}.code"));
            let file = File::create(&path).unwrap();
            file.set_len(MAX_SIZE.0 / 4).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
            path
        };
        let entries: Vec<_> = [(1, 60), (2, 10), (3, 50), (4, 20), (5, 30)].map(|(i, s)| entry(i, s)).into();
        trim(folder.path());
        let kept: Vec<bool> = entries.iter().map(|path| path.exists()).collect();
        assert_eq!(kept, [false, true, true, true, true]);
    }
}
