//! The folder through which machine code is handed over to wasmtime.
//!
//! A process that is killed leaves its folder behind. So each process locks its own folder, and deletes at its start
//! those that nobody locks any more.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use tempfile::TempDir;

use crate::regular_file::is_at;

/// Beginning of the name of each folder.
const PREFIX: &str = "kapacitor-wasm-code-";

/// Name of the folder in it that wasmtime's cache reads. There is nothing else in it.
const CONTENTS: &str = "modules";

/// Maximum number of folders that are made until nobody takes one for left behind.
const ATTEMPTS: usize = 16;

/// A private folder, which is deleted when it is dropped.
#[derive(Debug)]
pub struct HandoverFolder {
    folder: TempDir,
    /// The folder, locked. It is unlocked after it was deleted.
    _lock: File,
}

impl HandoverFolder {
    /// Makes a folder where there is a place for it. Those that other processes have left behind are deleted.
    ///
    /// # Errors
    ///
    /// When there is no place for it.
    pub fn new(state_dir: &Path) -> io::Result<Self> {
        let places = [std::env::temp_dir(), PathBuf::from("/dev/shm"), state_dir.join("compiled")];
        places.iter().for_each(|place| remove_abandoned(place));
        let [first, others @ ..] = &places;
        Self::make_in(first).or_else(|e| others.iter().find_map(|place| Self::make_in(place).ok()).ok_or(e))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn make_in(place: &Path) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let private = Permissions::from_mode(0o700);
            let folder = tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir_in(place)?;
            // Until it is locked, another process that starts may delete it.
            let lock = match open_folder(folder.path()) {
                Ok(lock) => lock,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            // Where folders can't be locked, other processes can't lock this one either, and let it be.
            let locked = flock(&lock, FlockOperation::NonBlockingLockExclusive) != Err(Errno::WOULDBLOCK);
            if locked && is_at(&lock, folder.path()) {
                return Ok(Self { folder, _lock: lock });
            }
        }
        Err(io::Error::other("folders in it are deleted as soon as they are made"))
    }
}

/// Deletes the folders in `place` that processes of this user have left behind.
fn remove_abandoned(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            // What stays is looked at again at the next start.
            let _ = remove_if_abandoned(&entry.path());
        }
    }
}

fn remove_if_abandoned(path: &Path) -> io::Result<()> {
    let folder = open_folder(path)?;
    let found = folder.metadata()?;
    if found.uid() != rustix::process::geteuid().as_raw() || found.mode() & 0o077 != 0 {
        return Ok(());
    }
    flock(&folder, FlockOperation::NonBlockingLockExclusive)?;
    // By the descriptor, since something else may have its name by now.
    let contents = format!("/proc/self/fd/{}/{CONTENTS}", folder.as_raw_fd());
    match fs::remove_dir_all(contents) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    // This deletes an empty folder only.
    fs::remove_dir(path)
}

/// Opens a folder, and no link to one.
fn open_folder(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn folders_without_an_owner_are_deleted_and_no_others() {
        let place = tempfile::tempdir().unwrap();
        let make = |name: &str, mode| {
            let folder = place.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
            folder
        };
        let module = |folder: &Path| {
            fs::create_dir_all(folder.join("modules/wasmtime-1")).unwrap();
            fs::write(folder.join("modules/wasmtime-1/code"), "code").unwrap();
        };
        let used = HandoverFolder::make_in(place.path()).unwrap();
        let abandoned = make("kapacitor-wasm-code-1", 0o700);
        let of_an_operator = make("kapacitor-wasm-code-2", 0o700);
        fs::write(of_an_operator.join("note"), "mine").unwrap();
        let open_to_others = make("kapacitor-wasm-code-3", 0o755);
        let other = make("other", 0o700);
        [used.path(), &abandoned, &open_to_others, &other].into_iter().for_each(module);
        let link = place.path().join("kapacitor-wasm-code-4");
        symlink(&other, &link).unwrap();

        remove_abandoned(place.path());
        assert!(!abandoned.exists());
        for kept in [used.path(), &open_to_others, &other] {
            assert!(kept.join("modules/wasmtime-1/code").exists(), "{}", kept.display());
        }
        assert!(of_an_operator.join("note").exists() && link.is_symlink());

        let path = used.path().to_owned();
        drop(used);
        assert!(!path.exists());
    }

    #[test]
    fn folder_that_was_deleted_before_it_was_locked_is_known() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("kapacitor-wasm-code-1");
        fs::create_dir(&path).unwrap();
        let open = open_folder(&path).unwrap();
        assert!(is_at(&open, &path));
        fs::remove_dir(&path).unwrap();
        assert!(!is_at(&open, &path));
        fs::create_dir(&path).unwrap();
        assert!(!is_at(&open, &path));
    }
}
