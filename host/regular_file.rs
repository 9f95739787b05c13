//! Opens and reads files that must be regular ones, without ever waiting for one that is not.
//!
//! A FIFO, a device or a file of the kernel may block whoever opens or reads it, for ever. The folders that the host
//! reads belong to the operator, who can put one there by mistake.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use thiserror::Error;

use crate::units::Bytes;

/// Why a file is not read. The message continues a sentence that begins with the file.
#[derive(Debug, Error)]
pub enum FileError {
    /// The system does not let it be read.
    #[error("can't be read: {0}")]
    Io(#[source] io::Error),
    /// It is a symbolic link whose target does not exist.
    #[error("is a symbolic link to a file that does not exist")]
    DanglingLink,
    /// It is a symbolic link that leads to itself.
    #[error("is a symbolic link that leads in a circle")]
    CircularLink,
    /// It is something else than a regular file.
    #[error("is {0}, not a regular file")]
    NotRegular(FileKind),
    /// It is larger than it may be.
    #[error("is larger than {0}")]
    TooLarge(Bytes),
}

impl FileError {
    /// Whether there is no file.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io(e) if e.kind() == io::ErrorKind::NotFound)
    }
}

/// For code that reports what the system says of a file.
impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        let kind = match error {
            FileError::Io(source) => return source,
            FileError::CircularLink => return Errno::LOOP.into(),
            FileError::DanglingLink => io::ErrorKind::NotFound,
            FileError::NotRegular(_) => io::ErrorKind::InvalidInput,
            FileError::TooLarge(_) => io::ErrorKind::FileTooLarge,
        };
        Self::new(kind, format!("it {error}"))
    }
}

/// What a path leads to, if not to a regular file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A folder.
    Folder,
    /// A FIFO.
    NamedPipe,
    /// A unix socket.
    Socket,
    /// A character or block device.
    Device,
    /// A file that looks regular and gives data as the kernel has them, as in `/proc`.
    Kernel,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folder => "a folder",
            Self::NamedPipe => "a named pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
            Self::Kernel => "a file of the kernel",
        })
    }
}

/// Opens the regular file that `path` is or links to, for reading.
///
/// # Errors
///
/// When there is none, or it can't be opened.
pub fn open(path: &Path) -> Result<File, FileError> {
    let failed = |e: io::Error| of_link(path, e);
    // To open some devices has effects, so the kind is looked at first, and then again.
    check(&fs::metadata(path).map_err(failed)?)?;
    let options = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(options).open(path).map_err(failed)?;
    check(&file.metadata().map_err(FileError::Io)?)?;
    Ok(file)
}

/// Reads the regular file that `path` is or links to.
///
/// # Errors
///
/// As [`open`], and when it is larger than `most`.
pub fn read(path: &Path, most: Bytes) -> Result<Vec<u8>, FileError> {
    let file = open(path)?;
    let length = file.metadata().map_err(FileError::Io)?.len();
    let mut bytes = Vec::new();
    // The length may change while the file is read, so it is not relied on.
    file.take(most.0.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock => FileError::NotRegular(FileKind::Kernel),
        _ => FileError::Io(e),
    })?;
    if length == 0 && !bytes.is_empty() {
        return Err(FileError::NotRegular(FileKind::Kernel));
    }
    if bytes.len() as u64 > most.0 {
        return Err(FileError::TooLarge(most));
    }
    Ok(bytes)
}

fn check(metadata: &fs::Metadata) -> Result<(), FileError> {
    let kind = metadata.file_type();
    Err(FileError::NotRegular(if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        FileKind::Folder
    } else if kind.is_fifo() {
        FileKind::NamedPipe
    } else if kind.is_socket() {
        FileKind::Socket
    } else {
        FileKind::Device
    }))
}

/// The error `e` of the system, or what is wrong with the link that `path` is.
fn of_link(path: &Path, e: io::Error) -> FileError {
    if e.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
        FileError::CircularLink
    } else if e.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_ok() {
        FileError::DanglingLink
    } else {
        FileError::Io(e)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn only_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), b"bytes").unwrap();
        mknodat(CWD, path("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let _listener = UnixListener::bind(path("socket")).unwrap();
        for (link, target) in [
            ("good", "file"),
            ("dangling", "nothing"),
            ("circle", "circle"),
            ("zero", "/dev/zero"),
            ("mounts", "/proc/self/mounts"),
            ("memory", "/proc/self/mem"),
            ("folder", "/"),
        ] {
            symlink(target, path(link)).unwrap();
        }
        let read = |name: &str, most| read(&path(name), Bytes(most)).map_err(|e| e.to_string());
        assert_eq!(read("good", 5), Ok(b"bytes".to_vec()));
        assert_eq!(read("file", 4), Err("is larger than 4B".to_owned()));
        for (name, error) in [
            ("fifo", "is a named pipe, not a regular file"),
            ("socket", "is a socket, not a regular file"),
            ("dangling", "is a symbolic link to a file that does not exist"),
            ("circle", "is a symbolic link that leads in a circle"),
            ("zero", "is a device, not a regular file"),
            ("mounts", "is a file of the kernel, not a regular file"),
            ("folder", "is a folder, not a regular file"),
        ] {
            assert_eq!(read(name, 1 << 20), Err(error.to_owned()), "{name}");
        }
        assert!(read("memory", 1 << 20).is_err());
        assert!(open(&path("missing")).unwrap_err().is_not_found());
    }
}
