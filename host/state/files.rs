//! Files of the state folder.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

use crate::regular_file;

/// End of the name of a file that is not whole yet.
const PARTIAL: &str = ".partial";

/// Age above which a partial file was left behind by a crash.
const STALE: Duration = Duration::from_secs(3600);

/// Writes a file that exists as a whole or not at all, even after a loss of power. Only this user can read it.
///
/// # Errors
///
/// What the system says; nothing is left behind then.
pub(crate) fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    let path = put(prepare(folder, name, bytes)?, folder, name)?;
    // Without this, a loss of power may bring the old contents back.
    sync_folder(folder)?;
    Ok(path)
}

/// Writes a file under a temporary name; it is deleted when it is dropped.
pub(crate) fn prepare(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<NamedTempFile> {
    make_folder(folder)?;
    // Two processes may write the same file at the same time.
    let mut file =
        tempfile::Builder::new().prefix(&format!("{name}.")).suffix(PARTIAL).tempfile_in(folder)?;
    file.write_all(bytes)?;
    give_to_owner_of(folder, file.as_file())?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Gives a prepared file its name.
pub(crate) fn put(file: NamedTempFile, folder: &Path, name: &str) -> io::Result<PathBuf> {
    let path = folder.join(name);
    file.persist(&path).map_err(|e| e.error)?;
    Ok(path)
}

/// Makes the names of the files in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Creates a folder for this user only, if it is not there.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let made = File::open(folder)?;
    give_to_owner_of(parent, &made)
}

/// Opens the file `path` in `folder`, which is for locks, or creates it.
pub(crate) fn open_lock(folder: &Path, path: &Path) -> io::Result<File> {
    let file = regular_file::open_own(path).map_err(|e| {
        let e = io::Error::from(e);
        io::Error::new(e.kind(), format!("{}: {e}", path.display()))
    })?;
    give_to_owner_of(folder, &file)?;
    Ok(file)
}

/// Gives `made`, a file that root creates, to the owner of the state folder.
pub(crate) fn give_to_owner_of(folder: &Path, made: &File) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = fs::metadata(folder)?;
    // By its descriptor, since something else may have its name by now.
    std::os::unix::fs::fchown(made, Some(owner.uid()), Some(owner.gid()))
}

/// Removes the partial files that a crash has left behind in `folder`.
pub(crate) fn remove_stale(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let old = |time: SystemTime| time.elapsed().is_ok_and(|age| age > STALE);
        if path.to_string_lossy().ends_with(PARTIAL)
            && entry.metadata().and_then(|data| data.modified()).is_ok_and(old)
        {
            let _ = fs::remove_file(path);
        }
    }
}

/// An id as part of a file name.
pub(crate) fn file_name(id: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }
    };
    id.chars().take(80).map(plain).collect()
}
