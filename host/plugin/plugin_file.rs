//! The files of the plugins folder: which of them are plugins, their bytes, and whether they have changed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::admission_error::AdmissionErrorKind;
use super::stamp::FileStamp;
use crate::logging::shown;
use crate::regular_file::{self, FileError};
use crate::units::{Bytes, Span};

/// Maximum time for reading one file. A disk that hangs for longer delays nothing else.
pub(super) const READ_DEADLINE: Span = Span(Duration::from_secs(10));

/// Where the file of a plugin is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginPath {
    /// The file.
    pub path: PathBuf,
    /// The SHA-256 that its bytes must have, if it is known.
    pub sha256: Option<[u8; 32]>,
}

impl From<PathBuf> for PluginPath {
    fn from(path: PathBuf) -> Self {
        Self { path, sha256: None }
    }
}

/// The files of a folder.
#[derive(Debug, Default)]
pub struct Listing {
    /// The plugin files by the name of the plugin.
    pub plugins: BTreeMap<String, PluginPath>,
    /// What else is there that looks like a plugin, and why it is none: a sentence each.
    pub others: Vec<String>,
}

/// Lists `folder`. A plugin file is one whose name ends with `.wasm` and is not hidden.
///
/// # Errors
///
/// When the folder can't be read.
pub fn list(folder: &Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension().unwrap_or_default().as_bytes();
        let hidden = path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."));
        if extension == b"wasm" && !hidden {
            listing.plugins.insert(name_of(&path), path.into());
        } else if extension.eq_ignore_ascii_case(b"wasm") {
            let reason = if hidden {
                "is hidden, so it is no plugin: rename it, or delete it"
            } else {
                "is no plugin: rename it so that it ends with .wasm in small letters"
            };
            listing.others.push(format!("{}: {reason}", shown(&path)));
        }
    }
    listing.others.sort();
    Ok(listing)
}

/// The plugin's name: the file's, without `.wasm`. Bytes that are not UTF-8 are escaped, so that no two files have
/// the same name; [`check_name`] refuses them.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_str().map_or_else(|| shown(Path::new(stem)), str::to_owned)
}

fn check_name(path: &Path) -> Result<(), AdmissionErrorKind> {
    match path.file_stem().unwrap_or_default().to_str() {
        None => Err(AdmissionErrorKind::Name("is not UTF-8")),
        Some(name) if shown(Path::new(name)) != name => {
            Err(AdmissionErrorKind::Name("has characters that control a terminal"))
        }
        Some(_) => Ok(()),
    }
}

/// A plugin file that was read.
pub struct PluginFile {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Their SHA-256.
    pub sha256: [u8; 32],
}

impl PluginFile {
    /// Reads a file, on a thread that may wait for a disk.
    ///
    /// # Errors
    ///
    /// What is wrong with the file or its name.
    pub async fn read(file: &PluginPath, most: Bytes) -> Result<Self, AdmissionErrorKind> {
        let read = Self::read_path(&file.path, most).await?;
        if file.sha256.is_some_and(|sha256| sha256 != read.sha256) {
            return Err(AdmissionErrorKind::Digest);
        }
        Ok(read)
    }

    async fn read_path(path: &Path, most: Bytes) -> Result<Self, AdmissionErrorKind> {
        check_name(path)?;
        let path = path.to_owned();
        let reading = tokio::task::spawn_blocking(move || regular_file::read(&path, most).map(Self::from));
        match tokio::time::timeout(READ_DEADLINE.0, reading).await {
            Ok(Ok(Ok(file))) if file.bytes.is_empty() => Err(AdmissionErrorKind::Empty),
            Ok(Ok(Err(FileError::TooLarge(most)))) => Err(AdmissionErrorKind::TooLarge(most)),
            Ok(Ok(Err(FileError::Io(e)))) => Err(AdmissionErrorKind::Read(e)),
            Ok(Ok(read)) => read.map_err(AdmissionErrorKind::File),
            Ok(Err(e)) => Err(AdmissionErrorKind::Read(io::Error::other(e))),
            Err(_) => Err(AdmissionErrorKind::SlowDisk(READ_DEADLINE)),
        }
    }
}

impl From<Vec<u8>> for PluginFile {
    fn from(bytes: Vec<u8>) -> Self {
        let sha256 = Sha256::digest(&bytes).into();
        Self { bytes, sha256 }
    }
}

/// A plugin file as it was when it was loaded or refused.
#[derive(Clone, Copy, Debug)]
pub struct SeenFile {
    /// Its stamp.
    pub stamp: FileStamp,
    /// Whether a later change must have given it another stamp.
    pub settled: bool,
    /// The SHA-256 of its bytes, if it was read.
    pub sha256: Option<[u8; 32]>,
}

impl SeenFile {
    /// The file with this stamp, and with bytes that have this hash.
    pub fn new(stamp: FileStamp, sha256: Option<[u8; 32]>) -> Self {
        Self { stamp, settled: stamp.is_settled(), sha256 }
    }

    /// Whether the file with `stamp` may have other contents than this one.
    pub fn may_differ(&self, stamp: &FileStamp) -> bool {
        self.stamp != *stamp || (!self.settled && stamp.is_settled())
    }
}
