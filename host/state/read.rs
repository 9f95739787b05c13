//! Reads checkpoints.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use rustix::io::Errno;
use thiserror::Error;

use super::checkpoints::Checkpoints;
use super::disk::{DiskError, PATIENCE};
use super::known::Known;
use super::names::former_checkpoint_name;
use super::snapshot::Snapshot;
use crate::regular_file::{self, FileError};
use crate::udf_node::UdfNode;
use crate::units::Bytes;

/// Maximum size of a state: more than that of any plugin with memory for 32-bit addresses.
pub(super) const MOST_OF_STATE: Bytes = Bytes(5 << 30);

/// Interval at which a checkpoint is read again that could not be read.
const READ_AGAIN: Duration = Duration::from_millis(100);

/// The checkpoint of a task that starts.
#[derive(Debug)]
pub struct Found {
    /// The snapshot, if there is one.
    pub bytes: Option<Vec<u8>>,
    /// Which state is in the file.
    pub known: Known,
}

/// Why a file of the state folder can't be read or written.
#[derive(Debug, Error)]
pub enum StateFileError {
    /// What the system says.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The disk gives no answer.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl Checkpoints {
    /// The state that the task of `key` goes on with: the one that still waits to be written or, without one, that
    /// of the file, which has `most` bytes at most. `count` counts the bytes before they are read. What can't be read
    /// is tried again for as long as a disk that hangs is waited for.
    pub(super) async fn find(
        &self,
        key: &UdfNode,
        most: Bytes,
        count: impl Fn(u64) -> io::Result<()> + Clone + Send + 'static,
    ) -> Result<Found, StateFileError> {
        let what = format!("checkpoint of {}/{}", key.task, key.node);
        let path = self.path(key);
        if let Some((mine, bytes, known)) = self.pending.get(key) {
            let there = self.disk.reads.ask(what.as_str(), move || began(&path)).await;
            // An operator may have imported or dropped a state meanwhile.
            let other = matches!(there, Ok(Ok(there)) if known.is_own(there, mine) == Some(false));
            if !other {
                return Ok(Found { bytes: Some(bytes.to_vec()), known });
            }
        }
        let since = Instant::now();
        let bytes = loop {
            let (path, count) = (self.path(key), count.clone());
            let (former, key) = (self.folder.join(former_checkpoint_name(key)), key.clone());
            let read = move || {
                take_former(&former, &path, &key);
                read_checkpoint(&path, most, count)
            };
            match self.disk.reads.ask(what.as_str(), read).await? {
                Ok(bytes) => break Some(bytes),
                Err(e) if e.kind() == io::ErrorKind::NotFound => break None,
                Err(e) if passes(&e) && since.elapsed() < PATIENCE => tokio::time::sleep(READ_AGAIN).await,
                Err(e) => return Err(e.into()),
            }
        };
        let header = bytes.as_ref().and_then(|bytes| Snapshot::peek(&bytes[..]).ok());
        Ok(Found { bytes, known: Known::state(header.map(|header| header.started_at)) })
    }
}

/// Gives a checkpoint of `key` that has its former name the name that it would get now.
fn take_former(former: &Path, path: &Path, key: &UdfNode) {
    if fs::symlink_metadata(path).is_ok() {
        return;
    }
    let header = regular_file::open(former).ok().and_then(|file| Snapshot::peek(file).ok());
    if header.is_some_and(|header| UdfNode::from(&header) == *key) {
        // Without it the task starts clean, and the file stays for an operator.
        let _ = fs::rename(former, path);
    }
}

/// When the state of the checkpoint at `path` began. `None` without one, or if something else is there.
pub(super) fn began(path: &Path) -> io::Result<Option<i64>> {
    match regular_file::open(path) {
        Ok(file) => Ok(Snapshot::peek(file).ok().map(|header| header.started_at)),
        Err(FileError::Io(e)) if e.kind() != io::ErrorKind::NotFound => Err(e),
        Err(_) => Ok(None),
    }
}

/// Whether what the system says of a file may be over soon.
fn passes(e: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, InvalidInput, NotADirectory};
    !matches!(e.kind(), InvalidInput | FileTooLarge | NotADirectory)
        && e.raw_os_error() != Some(Errno::LOOP.raw_os_error())
}

/// Reads a checkpoint of at most `most` bytes, which are counted before, and notes that it is in use.
pub(super) fn read_checkpoint(
    path: &Path,
    most: Bytes,
    count: impl Fn(u64) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    let file = regular_file::open(path)?;
    let length = file.metadata()?.len();
    if length > most.0 {
        return Err(FileError::TooLarge(most).into());
    }
    count(length)?;
    // Only its age depends on it.
    let _ = file.set_modified(SystemTime::now());
    let mut bytes = Vec::with_capacity(length as usize);
    // It may grow meanwhile.
    io::Read::read_to_end(&mut io::Read::take(file, length), &mut bytes)?;
    Ok(bytes)
}
