//! Checkpoints: the states of tasks that the host stores itself, in `<state-dir>/checkpoints`.
//!
//! Each is a snapshot of one node of one task. Kapacitor takes no snapshot when a task ends, and its last one may
//! be a minute old.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio::sync::oneshot;

use super::claims::Claims;
use super::disk::{Disk, DiskError, PATIENCE, Reservation};
use super::files::{file_name, make_folder, open_lock, prepare, put, sync_folder, write_whole};
use super::format::SnapshotHeader;
use super::known::Known;
use super::pending::PendingStates;
use super::retention::Retention;
use super::snapshot::{self, Snapshot};
use crate::digest::hex;
use crate::logging::{Labels, log_for};
use crate::regular_file::{self, FileError};
use crate::udf_node::UdfNode;
use crate::units::Bytes;

/// Extension of the file of a snapshot.
pub const EXTENSION: &str = "snapshot";

/// Maximum number of states that are set aside; beyond it, the oldest are deleted.
const MOST_ASIDE: usize = 1000;

/// Maximum number of states of one UDF node that are set aside, so that one task can't push out the states of
/// others.
const MOST_ASIDE_OF_ONE: usize = 8;

/// Maximum size of a state: more than that of any plugin with memory for 32-bit addresses.
const MOST_OF_STATE: Bytes = Bytes(5 << 30);

/// Interval at which a checkpoint is read again that could not be read.
const READ_AGAIN: Duration = Duration::from_millis(100);

/// Interval at which a thread looks whether another process still locks the folder.
const LOOK_AT_FOLDER: Duration = Duration::from_millis(10);

/// Name of the checkpoint file of `key`: readable, and different for each key.
fn checkpoint_name(key: &UdfNode) -> String {
    format!("{}.{EXTENSION}", checkpoint_stem(key))
}

fn checkpoint_stem(key: &UdfNode) -> String {
    let mut hash = Sha256::new();
    for part in [&key.task, &key.node, &key.function] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    format!("{}.{}-{}", file_name(&key.task), file_name(&key.node), hex(&hash.finalize()[..4]))
}

impl From<&SnapshotHeader> for UdfNode {
    fn from(header: &SnapshotHeader) -> Self {
        Self { task: header.task.clone(), node: header.node.clone(), function: header.function.clone() }
    }
}

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

/// The folder of the checkpoints, and the sessions that have one.
#[derive(Debug)]
pub struct Checkpoints {
    pub(super) folder: PathBuf,
    pub(super) aside: PathBuf,
    /// Whether other processes may have sessions of the same tasks.
    pub(crate) shared: bool,
    retention: Mutex<Retention>,
    pub(crate) disk: Arc<Disk>,
    /// The sessions that have a checkpoint, or wait for it.
    pub(super) claims: Claims,
    /// The states that are not written yet.
    pub(super) pending: PendingStates,
    /// Whether the log says already that writing fails.
    warned: AtomicBool,
}

impl Checkpoints {
    /// The checkpoints in `state_dir`. `shared`: other processes use it too, for the same functions.
    pub fn new(state_dir: &Path, shared: bool, retention: Retention, disk: Arc<Disk>) -> Self {
        Self {
            folder: state_dir.join("checkpoints"),
            aside: state_dir.join("set-aside"),
            shared,
            retention: Mutex::new(retention),
            disk,
            claims: Claims::default(),
            pending: PendingStates::default(),
            warned: AtomicBool::new(false),
        }
    }

    /// The path of the checkpoint of `key`, which need not exist.
    pub fn path(&self, key: &UdfNode) -> PathBuf {
        self.folder.join(checkpoint_name(key))
    }

    /// The files of all checkpoints, sorted.
    ///
    /// # Errors
    ///
    /// When the folder can't be read; without one there are none.
    pub fn files(&self) -> io::Result<Vec<PathBuf>> {
        snapshots_in(&self.folder)
    }

    /// The files of the states that were set aside, sorted.
    ///
    /// # Errors
    ///
    /// As [`Checkpoints::files`].
    pub fn files_aside(&self) -> io::Result<Vec<PathBuf>> {
        snapshots_in(&self.aside)
    }

    /// How long, and how much, the folder keeps.
    pub fn retention(&self) -> Retention {
        *self.retention.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how long, and how much, the folder keeps.
    pub fn set_retention(&self, retention: Retention) {
        *self.retention.lock().unwrap_or_else(PoisonError::into_inner) = retention;
    }

    /// The states that are not on the disk yet, as task and node.
    pub fn unwritten(&self) -> Vec<String> {
        self.pending.names()
    }

    /// Room for a state of `length` bytes that waits for the disk. States that can't be written, and whose sessions
    /// have ended, make room.
    pub(super) fn room_for(&self, length: usize) -> Option<Reservation> {
        loop {
            let room = self.disk.reserve(length);
            if room.is_some() || !self.pending.give_up_one() {
                return room;
            }
        }
    }

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
            match self.disk.reads.ask(what.as_str(), move || read_checkpoint(&path, most, count)).await? {
                Ok(bytes) => break Some(bytes),
                Err(e) if e.kind() == io::ErrorKind::NotFound => break None,
                Err(e) if passes(&e) && since.elapsed() < PATIENCE => tokio::time::sleep(READ_AGAIN).await,
                Err(e) => return Err(e.into()),
            }
        };
        let header = bytes.as_ref().and_then(|bytes| Snapshot::peek(&bytes[..]).ok());
        Ok(Found { bytes, known: Known::state(header.map(|header| header.started_at)) })
    }

    /// Writes the checkpoint of `key` in the place of the one that is `known`. Returns false if there is another
    /// one: it was imported or dropped in the meantime, and stays.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn replace(&self, key: &UdfNode, bytes: &[u8], known: &Known, labels: &Labels) -> io::Result<bool> {
        let name = checkpoint_name(key);
        let prepared = prepare(&self.folder, &name, bytes)?;
        let _lock = self.lock_folder()?;
        let path = self.path(key);
        let (there, mine) = (began(&path)?, Snapshot::peek(bytes).ok().map(|header| header.started_at));
        match known.is_own(there, mine) {
            Some(true) => {}
            Some(false) => return Ok(false),
            // What was imported or dropped since then began later.
            None if there > mine => return Ok(false),
            None if there == mine && there.is_some() => {}
            None => self.put_aside_unread(key, &path, labels)?,
        }
        put(prepared, &self.folder, &name)?;
        known.set(mine);
        // Without this, a loss of power may bring the old contents back.
        sync_folder(&self.folder)?;
        Ok(true)
    }

    /// Moves a checkpoint that the task could not read when it began to the states that were set aside.
    fn put_aside_unread(&self, key: &UdfNode, path: &Path, labels: &Labels) -> io::Result<()> {
        // A link that leads nowhere is moved away, too.
        if fs::symlink_metadata(path).is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
            return Ok(());
        }
        make_folder(&self.aside)?;
        let file = self.aside.join(format!("{}-{}.{EXTENSION}", aside_stem(key), snapshot::now()));
        fs::rename(path, &file)?;
        // The state is kept, even if there is one file too many now.
        let _ = self.bound_aside(key);
        let file = file.display().to_string();
        log_for!(
            warn,
            labels,
            file,
            "checkpoint that could not be read when the task began was set aside: `kapacitor-wasm state import` brings it back"
        );
        Ok(())
    }

    /// Makes a snapshot the checkpoint of `key`. It is stamped with the current time, so that it wins over the
    /// checkpoint that there was and over any snapshot of Kapacitor. The old checkpoint is set aside; returns its
    /// file.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn impose(&self, key: &UdfNode, snapshot: &Snapshot) -> io::Result<Option<PathBuf>> {
        make_folder(&self.folder)?;
        let _lock = self.lock_folder()?;
        // A clock can go back.
        let there = began(&self.path(key))?;
        let started_at = there.map_or(0, |there| there.saturating_add(1)).max(snapshot::now());
        let header = SnapshotHeader {
            started_at,
            given: false,
            replay: false,
            task: key.task.clone(),
            node: key.node.clone(),
            function: key.function.clone(),
            ..snapshot.header.clone()
        };
        let before = read_checkpoint(&self.path(key), MOST_OF_STATE, |_| Ok(())).ok();
        let before = before.filter(|bytes| Snapshot::parse(bytes).is_ok_and(|before| !before.is_none()));
        let aside = before.map(|bytes| self.set_aside(key, &bytes)).transpose()?;
        write_whole(&self.folder, &checkpoint_name(key), &snapshot.with_header(&header))?;
        Ok(aside)
    }

    /// Locks the folder while the host or an operator reads a checkpoint and replaces it. Waits for the lock, but not
    /// for ever: a process that has it may have been stopped.
    fn lock_folder(&self) -> io::Result<File> {
        let path = self.folder.join(".lock");
        let lock = open_lock(&self.folder, &path)?;
        let since = Instant::now();
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(lock),
                Err(Errno::WOULDBLOCK) if since.elapsed() < PATIENCE => thread::sleep(LOOK_AT_FOLDER),
                Err(Errno::WOULDBLOCK) => {
                    return Err(io::Error::other(format!(
                        "{}: another process has had the lock for {}s",
                        path.display(),
                        PATIENCE.as_secs()
                    )));
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Stores a state that a task does not go on with; returns the file. The same state is stored once.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_aside(&self, key: &UdfNode, bytes: &[u8]) -> io::Result<PathBuf> {
        let hash = hex(&Sha256::digest(bytes)[..4]);
        let name = format!("{}-{hash}.{EXTENSION}", aside_stem(key));
        let file = write_whole(&self.aside, &name, bytes)?;
        // The state is stored, even if there is one file too many now.
        let _ = self.bound_aside(key);
        Ok(file)
    }

    /// Deletes the oldest states that were set aside, if there are too many: of this UDF node, or of all.
    fn bound_aside(&self, key: &UdfNode) -> io::Result<()> {
        let mut files = Vec::new();
        for path in self.files_aside()? {
            // It may be a link, or gone by now.
            let Ok(data) = fs::symlink_metadata(&path) else { continue };
            files.push((data.modified().unwrap_or(SystemTime::UNIX_EPOCH), data.len(), path));
        }
        // The newest first.
        files.sort_by(|a, b| b.cmp(a));
        let stem = format!("{}-", aside_stem(key));
        let most_bytes = self.retention().set_aside.0;
        let (mut of_one, mut count, mut bytes) = (0, 0, 0);
        for (_, length, path) in files {
            let own = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&stem));
            let full = count >= MOST_ASIDE
                || (own && of_one >= MOST_ASIDE_OF_ONE)
                // The newest one stays, however large it is.
                || (count > 0 && bytes + length > most_bytes);
            if full {
                // A folder stays.
                let _ = fs::remove_file(path);
                continue;
            }
            of_one += usize::from(own);
            count += 1;
            bytes += length;
        }
        Ok(())
    }

    /// Has a thread lock the checkpoint among processes, until the file is closed. `None` if another process has the
    /// lock.
    pub(super) fn submit_lock(
        self: &Arc<Self>,
        key: &UdfNode,
    ) -> Result<oneshot::Receiver<io::Result<Option<File>>>, DiskError> {
        let (this, of) = (Arc::clone(self), key.clone());
        self.disk.reads.submit(format!("lock of {}/{}", key.task, key.node), move || this.lock(&of))
    }

    fn lock(&self, key: &UdfNode) -> io::Result<Option<File>> {
        make_folder(&self.folder)?;
        let path = self.folder.join(format!("{}.lock", checkpoint_stem(key)));
        loop {
            let file = open_lock(&self.folder, &path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                // Another process may have given up the checkpoint meanwhile, with this file.
                Ok(()) if !is_at(&file, &path) => {}
                Ok(()) => return Ok(Some(file)),
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(e) => return Err(e.into()),
            }
        }
    }
}

/// Whether the open `file` is the one at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    let there = fs::metadata(path).map(|data| (data.dev(), data.ino()));
    there.is_ok_and(|there| file.metadata().is_ok_and(|data| (data.dev(), data.ino()) == there))
}

/// When the state of the checkpoint at `path` began. `None` without one, or if something else is there.
fn began(path: &Path) -> io::Result<Option<i64>> {
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
fn read_checkpoint(path: &Path, most: Bytes, count: impl Fn(u64) -> io::Result<()>) -> io::Result<Vec<u8>> {
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

/// The beginning of the name of a state of `key` that was set aside.
fn aside_stem(key: &UdfNode) -> String {
    format!("{}.{}", file_name(&key.task), file_name(&key.node))
}

fn snapshots_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    let mut paths: Vec<_> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|e| e == EXTENSION)).collect();
    paths.sort();
    Ok(paths)
}

impl Checkpoints {
    /// Whether the last checkpoint could not be written.
    pub(super) fn is_failing(&self) -> bool {
        self.warned.load(Relaxed)
    }

    /// Writes a checkpoint, and logs how that went. False if it could not be written.
    pub(super) fn write_and_say(&self, key: &UdfNode, bytes: &[u8], known: &Known, labels: &Labels) -> bool {
        let length = bytes.len().to_string();
        let written = self.replace(key, bytes, known, labels);
        match &written {
            Ok(true) => {
                log_for!(debug, labels, bytes = length, "checkpoint written");
                if self.warned.swap(false, Relaxed) {
                    log_for!(info, labels, "checkpoints are written again");
                }
            }
            Ok(false) => log_for!(
                info,
                labels,
                "checkpoint not written: this task's state was imported or dropped, which holds when it starts again"
            ),
            Err(e) => {
                if !self.warned.swap(true, Relaxed) {
                    let folder = self.folder.display().to_string();
                    log_for!(
                        warn,
                        labels,
                        folder,
                        err = e.to_string(),
                        "checkpoints can't be written, tasks go on without: see to it that state-dir has room, rights and no odd files"
                    );
                }
            }
        }
        written.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Span;

    fn checkpoints(folder: &Path, shared: bool, set_aside: Bytes) -> Arc<Checkpoints> {
        let retention = Retention { keep: Span(Duration::ZERO), set_aside };
        Arc::new(Checkpoints::new(folder, shared, retention, Arc::default()))
    }

    fn key(task: &str, node: &str) -> UdfNode {
        UdfNode { task: task.into(), node: node.into(), function: "f".into() }
    }

    #[test]
    fn each_key_has_a_file_of_its_own() {
        let stems = [key("a/b", "n"), key("a_b", "n"), key("a", "b.n"), key("a.b", "n"), key("", "")]
            .map(|key| checkpoint_stem(&key));
        let distinct: std::collections::HashSet<_> = stems.iter().collect();
        assert_eq!(distinct.len(), stems.len());
        assert!(stems.iter().all(|stem| !stem.contains('/')), "{stems:?}");
    }

    #[test]
    fn one_process_at_a_time_has_the_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = [(); 2].map(|()| checkpoints(folder.path(), true, Bytes::mib(1)));
        let first = one.lock(&key("t", "n")).unwrap().unwrap();
        assert!(other.lock(&key("t", "n")).unwrap().is_none());
        drop(first);
        assert!(other.lock(&key("t", "n")).unwrap().is_some());
    }

    #[test]
    fn states_that_are_set_aside_are_bounded_for_one_task_and_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = checkpoints(folder.path(), false, Bytes::kib(10));
        let precious = checkpoints.set_aside(&key("other", "n"), b"precious").unwrap();
        for i in 0..50 {
            checkpoints.set_aside(&key("t", "n"), format!("random {i}").as_bytes()).unwrap();
        }
        assert!(precious.exists());
        assert_eq!(checkpoints.files_aside().unwrap().len(), 1 + MOST_ASIDE_OF_ONE);
        for i in 0..20 {
            checkpoints.set_aside(&key(&format!("task {i}"), "n"), &[i; 1024]).unwrap();
        }
        let bytes: u64 =
            checkpoints.files_aside().unwrap().iter().map(|file| fs::metadata(file).unwrap().len()).sum();
        assert!(bytes <= 10 * 1024, "{bytes}");
        let large = checkpoints.set_aside(&key("large", "n"), &vec![7; 20 * 1024]).unwrap();
        assert_eq!(checkpoints.files_aside().unwrap(), [large]);
    }
}
