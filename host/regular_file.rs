//! Opens and reads files that must be regular ones, without ever waiting for one that is not.
//!
//! A FIFO, a device or a file of the kernel may block whoever opens or reads it, for ever. The folders that the host
//! reads belong to the operator, who can put one there by mistake.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
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
    /// A symbolic link, where the host follows none.
    Link,
    /// A regular file that has another name, too, where the host writes to none.
    HardLink,
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
            Self::Link => "a symbolic link",
            Self::HardLink => "a file with a second name",
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

/// Opens the regular file at `path` for reading and writing, or creates it. Follows no link, waits for nothing, and
/// keeps other users from the file: whoever can open a file can lock it.
///
/// # Errors
///
/// When there is something else, or it can't be opened or created.
pub fn open_own(path: &Path) -> Result<File, FileError> {
    // To open some devices has effects.
    if let Ok(there) = fs::symlink_metadata(path) {
        check(&there)?;
    }
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
    let file = options.open(path).map_err(FileError::Io)?;
    let there = file.metadata().map_err(FileError::Io)?;
    check(&there)?;
    if there.nlink() > 1 {
        return Err(FileError::NotRegular(FileKind::HardLink));
    }
    if there.mode() & 0o077 != 0 {
        // Fails for the file of another user only, who keeps it as it is.
        let _ = file.set_permissions(fs::Permissions::from_mode(0o600));
    }
    Ok(file)
}

/// Opens the regular file at `path` for reading, and follows no link.
///
/// # Errors
///
/// As [`open`].
pub fn open_unlinked(path: &Path) -> Result<File, FileError> {
    check(&fs::symlink_metadata(path).map_err(FileError::Io)?)?;
    open(path)
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
    } else if kind.is_symlink() {
        FileKind::Link
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

/// Whether an open file or folder is the one that is at `path`, and not through a link.
pub fn is_at(open: &File, path: &Path) -> bool {
    let there = fs::symlink_metadata(path).map(|data| (data.dev(), data.ino()));
    there.is_ok_and(|there| open.metadata().is_ok_and(|data| (data.dev(), data.ino()) == there))
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

    #[test]
    fn own_files_are_no_links_and_of_this_user_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("precious"), "bytes").unwrap();
        symlink("precious", path("link")).unwrap();
        fs::write(path("two"), "bytes").unwrap();
        fs::hard_link(path("two"), path("second")).unwrap();
        mknodat(CWD, path("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        for (name, error) in [
            ("link", "is a symbolic link, not a regular file"),
            ("second", "is a file with a second name, not a regular file"),
            ("fifo", "is a named pipe, not a regular file"),
        ] {
            assert_eq!(open_own(&path(name)).unwrap_err().to_string(), error);
        }
        fs::set_permissions(path("precious"), fs::Permissions::from_mode(0o644)).unwrap();
        for name in ["precious", "new"] {
            let mode = open_own(&path(name)).unwrap().metadata().unwrap().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        assert_eq!(fs::read(path("precious")).unwrap(), b"bytes");
    }
}
