//! A folder of the store, held open so that nobody can put another one in its place.
//!
//! Root runs `pull`, and the store may be in a folder of the host's user, who could put symbolic links there. So no link of
//! another user is followed, what is done is done relative to the open folder, and nothing is deleted but files with
//! names of the store's own.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fchmod, mkdirat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;
use rustix::process::geteuid;

/// Mode of a folder. Everybody may read the store, whatever the umask is: the host runs as another user than `pull`.
const FOLDER: Mode = Mode::from_raw_mode(0o755);

/// Mode of a file.
const FILE: Mode = Mode::from_raw_mode(0o644);

const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// First part of the name of a file that is being written.
const PARTIAL: &str = ".partial";

/// Number of names that are tried for a file that is being written.
const TRIES: u32 = 1000;

/// A folder that is open.
pub struct Folder(OwnedFd);

impl Folder {
    /// Opens the folder `below` (such as `blobs/sha256`) in `root`; `None` if it is not there.
    pub fn open(root: &Path, below: &str) -> io::Result<Option<Self>> {
        let opened = open_root(root)
            .and_then(|root| below.split('/').try_fold(root, |folder, name| open_in(&folder, name)));
        match opened {
            Ok(folder) => Ok(Some(Self(folder))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The same, and makes what is not there.
    pub fn create(root: &Path, below: &str) -> io::Result<Self> {
        let root = match open_root(root) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                if let Some(parent) = root.parent() {
                    fs::create_dir_all(parent)?;
                }
                create_in(rustix::fs::CWD, root)?
            }
            opened => opened?,
        };
        let folder = below.split('/').try_fold(root, |folder, name| match open_in(&folder, name) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => create_in(folder.as_fd(), Path::new(name)),
            opened => opened,
        })?;
        Ok(Self(folder))
    }

    /// The names of the files of the store, with their sizes in bytes; without those that a process is writing.
    pub fn files(&self) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let Some(name) =
                entry.file_name().to_str().ok().filter(|name| is_own(name) && !is_being_written(name))
            else {
                continue;
            };
            // One that was deleted meanwhile has no size.
            let Ok(file) = statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if FileType::from_raw_mode(file.st_mode) != FileType::Directory {
                files.push((name.to_owned(), u64::try_from(file.st_size).unwrap_or_default()));
            }
        }
        Ok(files)
    }

    /// Deletes a file, if it is there.
    pub fn delete(&self, name: &str) -> io::Result<()> {
        match unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Writes a file as a whole or not at all.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (partial, mut file) = self.partial()?;
        let written = fchmod(&file, FILE)
            .map_err(io::Error::from)
            .and_then(|()| file.write_all(bytes))
            .and_then(|()| file.sync_all())
            // In the place of a folder or the like, there would be none.
            .and_then(|()| Ok(renameat(&self.0, &partial, &self.0, name)?));
        if written.is_err() {
            let _ = self.delete(&partial);
        }
        written
    }

    /// A new file that is to be renamed.
    fn partial(&self) -> io::Result<(String, File)> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for number in 0..TRIES {
            let name = format!("{PARTIAL}-{}-{number}", std::process::id());
            match openat(&self.0, &name, flags, FILE) {
                Ok(file) => return Ok((name, File::from(file))),
                Err(Errno::EXIST) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(io::Error::other("there are too many files that were not written to their end"))
    }
}

/// Whether a file may be one of the store: a digest, with or without `.json`, or one that is being written.
fn is_own(name: &str) -> bool {
    let digest = name.strip_suffix(".json").unwrap_or(name);
    name.starts_with(PARTIAL) || (digest.len() == 64 && digest.bytes().all(|c| c.is_ascii_hexdigit()))
}

/// Whether the process that has begun a file still runs.
fn is_being_written(name: &str) -> bool {
    let process = name.strip_prefix(PARTIAL).and_then(|rest| rest.split('-').nth(1));
    process.and_then(|id| id.parse::<u32>().ok()).is_some_and(|id| Path::new(&format!("/proc/{id}")).exists())
}

fn open_root(root: &Path) -> io::Result<OwnedFd> {
    match openat(rustix::fs::CWD, root, OPEN | OFlags::NOFOLLOW, Mode::empty()) {
        Err(Errno::LOOP | Errno::NOTDIR) => {
            let link = fs::symlink_metadata(root)?;
            if link.is_symlink() && link.uid() != 0 && link.uid() != geteuid().as_raw() {
                return Err(foreign_link());
            }
            Ok(openat(rustix::fs::CWD, root, OPEN, Mode::empty())?)
        }
        opened => Ok(opened?),
    }
}

fn open_in(folder: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    match openat(folder, name, OPEN | OFlags::NOFOLLOW, Mode::empty()) {
        Err(Errno::LOOP | Errno::NOTDIR) if is_link(folder, name) => Err(foreign_link()),
        opened => Ok(opened?),
    }
}

fn is_link(folder: &OwnedFd, name: &str) -> bool {
    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|file| FileType::from_raw_mode(file.st_mode) == FileType::Symlink)
}

fn foreign_link() -> io::Error {
    io::Error::other(
        "it is a symbolic link, which is not followed: delete it, or name the folder as registry.store-dir",
    )
}

/// Makes a folder and opens it.
fn create_in(folder: impl std::os::fd::AsFd, name: &Path) -> io::Result<OwnedFd> {
    let name = CString::new(name.as_os_str().as_encoded_bytes())?;
    match mkdirat(&folder, &name, FOLDER) {
        Ok(()) => {}
        // Another one was faster, and chose the mode.
        Err(Errno::EXIST) => return Ok(openat(&folder, &name, OPEN | OFlags::NOFOLLOW, Mode::empty())?),
        Err(e) => return Err(e.into()),
    }
    let made = openat(&folder, &name, OPEN | OFlags::NOFOLLOW, Mode::empty())?;
    // What is there now may have been put there by another user, whose folder keeps its mode.
    if rustix::fs::fstat(&made)?.st_uid == geteuid().as_raw() {
        fchmod(&made, FOLDER)?;
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn links_are_not_followed_and_foreign_files_stay() {
        let home = tempfile::tempdir().unwrap();
        let (root, private) = (home.path().join("registry"), home.path().join("private"));
        fs::create_dir(&private).unwrap();
        fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(private.join("shadow"), "x").unwrap();
        fs::create_dir(&root).unwrap();
        symlink(&private, root.join("signatures")).unwrap();
        for failed in [
            Folder::open(&root, "signatures").err().unwrap(),
            Folder::create(&root, "signatures").err().unwrap(),
        ] {
            assert!(failed.to_string().contains("symbolic link"), "{failed}");
        }
        // Own files, and nothing else, in a folder with both.
        let folder = Folder::create(&root, "blobs/sha256").unwrap();
        let digest = "a".repeat(64);
        folder.write(&digest, b"12").unwrap();
        fs::write(root.join("blobs/sha256/shadow"), "x").unwrap();
        assert_eq!(folder.files().unwrap(), [(digest, 2)]);
        assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn root_of_another_user_is_no_link() {
        if !geteuid().is_root() {
            return;
        }
        let home = tempfile::tempdir().unwrap();
        let (root, private) = (home.path().join("registry"), home.path().join("private"));
        fs::create_dir(&private).unwrap();
        symlink(&private, &root).unwrap();
        // One of the user who runs the command is followed.
        assert!(Folder::create(&root, "blobs").is_ok());
        std::os::unix::fs::lchown(&root, Some(65_534), None).unwrap();
        let failed = Folder::create(&root, "blobs").err().unwrap().to_string();
        assert!(failed.contains("symbolic link"), "{failed}");
    }
}
