//! Whether this process can make files in a folder.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::{fs, path};

use rustix::fs::{Access, AtFlags, CWD, accessat, statvfs};
use rustix::io::Errno;
use thiserror::Error;

use crate::units::Bytes;

/// Minimum space in a folder that can be used.
const MIN_SPACE: Bytes = Bytes::mib(1);

/// Why no files can be made in a folder: a sentence that begins with the folder.
#[derive(Debug, Error)]
pub enum FolderError {
    /// There is something else.
    #[error("{}: is not a folder: move it away, or choose another folder", .0.display())]
    NotAFolder(PathBuf),
    /// The file system lets nobody write.
    #[error("{}: is on a read-only file system: mount it writable, or choose another folder", .0.display())]
    ReadOnly(PathBuf),
    /// Another user may write there, and this one may not.
    #[error("{}: belongs to user {owner}, and user {user} can't write to it: run this as the user of the host, or change its owner", .folder.display())]
    NotPermitted {
        /// The folder, or the one in which it would have to be made.
        folder: PathBuf,
        /// Number of the owner.
        owner: u32,
        /// Number of the user of this process.
        user: u32,
    },
    /// The disk is full.
    #[error("{}: its disk has less than {MIN_SPACE} or no files left: free some", .0.display())]
    Full(PathBuf),
    /// The system says something else.
    #[error("{}: can't be used: {source}", .folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Checks that files can be made in `folder`, or that it can be made itself, without writing anything.
///
/// # Errors
///
/// What is wrong, and what to do.
pub fn check_writable(folder: &Path) -> Result<(), FolderError> {
    let io = |source| FolderError::Io { folder: folder.to_owned(), source };
    let absolute = path::absolute(folder).map_err(io)?;
    let mut existing = absolute.as_path();
    let found = loop {
        match fs::metadata(existing) {
            Ok(found) => break found,
            Err(e) if e.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(existing).is_err() => {
                existing =
                    existing.parent().ok_or(io::ErrorKind::NotFound).map_err(|kind| io(kind.into()))?;
            }
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => {
                existing =
                    existing.parent().ok_or(io::ErrorKind::NotADirectory).map_err(|kind| io(kind.into()))?;
            }
            Err(e) => return Err(io(e)),
        }
    };
    let folder = existing.to_owned();
    if !found.is_dir() {
        return Err(FolderError::NotAFolder(folder));
    }
    match accessat(CWD, existing, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
        Ok(()) => {}
        Err(Errno::ROFS) => return Err(FolderError::ReadOnly(folder)),
        Err(Errno::ACCESS) => {
            let user = rustix::process::geteuid().as_raw();
            return Err(FolderError::NotPermitted { folder, owner: found.uid(), user });
        }
        Err(e) => return Err(FolderError::Io { folder, source: e.into() }),
    }
    let space = statvfs(existing).map_err(|e| io(e.into()))?;
    // Some file systems have no fixed number of files, and say zero.
    let no_files = space.f_files > 0 && space.f_favail == 0;
    if no_files || space.f_bavail.saturating_mul(space.f_frsize) < MIN_SPACE.0 {
        return Err(FolderError::Full(folder));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_must_be_one_that_can_be_written_to_or_made() {
        let parent = tempfile::tempdir().unwrap();
        let of = |path: &str| check_writable(&parent.path().join(path)).map_err(|e| e.to_string());
        assert_eq!((of("."), of("not/there/yet")), (Ok(()), Ok(())));
        fs::write(parent.path().join("file"), "").unwrap();
        for path in ["file", "file/below"] {
            let error = of(path).unwrap_err();
            assert!(error.contains("/file: is not a folder: move it away"), "{error}");
        }
        std::os::unix::fs::symlink("nowhere", parent.path().join("dangling")).unwrap();
        assert!(of("dangling").unwrap_err().contains("dangling: can't be used"));
        // Nobody can write there.
        assert!(check_writable(Path::new("/proc/self")).is_err());
    }
}
