//! Checkpoints: the states of tasks that the host keeps itself, in `<state-dir>/checkpoints`.
//!
//! Each is a snapshot, one for each node of each task. Kapacitor takes none when a task ends, and its
//! last one may be a minute old.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use crate::file::{file_name, make_folder, remove_stale, write_whole};
use crate::guest_log::Who;
use crate::snapshot::{Snapshot, SnapshotHeader};

/// What a snapshot's file ends with.
pub const EXTENSION: &str = "snapshot";

/// How many are written at the same time, at most.
const WRITERS: usize = 4;

/// Whose state it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Kapacitor's task id.
    pub task: String,
    /// Kapacitor's node id.
    pub node: String,
    /// The Kapacitor function.
    pub function: String,
}

impl Key {
    /// Name of the file, without extension: readable, and another one for each key.
    fn file_stem(&self) -> String {
        let mut hash = Sha256::new();
        for part in [&self.task, &self.node, &self.function] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        format!("{}.{}-{}", file_name(&self.task), file_name(&self.node), hex(&hash.finalize()[..4]))
    }
}

impl From<&SnapshotHeader> for Key {
    fn from(header: &SnapshotHeader) -> Self {
        Self { task: header.task.clone(), node: header.node.clone(), function: header.function.clone() }
    }
}

/// The folder of the checkpoints, and the sessions that have one.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    aside: PathBuf,
    /// Whether other processes may have sessions of the same tasks: each of them has one of its own.
    shared: bool,
    claimed: Mutex<HashSet<Key>>,
    writers: Arc<Semaphore>,
    /// Whether the log says already that writing fails.
    warned: AtomicBool,
}

impl Checkpoints {
    /// Those in `state_dir`. `shared`: other processes use it too, for the same functions.
    pub fn new(state_dir: &Path, shared: bool) -> Self {
        let folder = state_dir.join("checkpoints");
        Self {
            aside: state_dir.join("set-aside"),
            folder,
            shared,
            claimed: Mutex::default(),
            writers: Arc::new(Semaphore::new(WRITERS)),
            warned: AtomicBool::new(false),
        }
    }

    /// Removes what a crash has left behind.
    pub fn clean(&self) {
        [&self.folder, &self.aside].into_iter().for_each(|folder| remove_stale(folder));
    }

    /// Where the checkpoint of `key` is, or would be.
    pub fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(format!("{}.{EXTENSION}", key.file_stem()))
    }

    /// The files of all checkpoints, sorted.
    ///
    /// # Errors
    ///
    /// When the folder can't be read; without one there are none.
    pub fn files(&self) -> io::Result<Vec<PathBuf>> {
        snapshots_in(&self.folder)
    }

    /// The files of what was set aside, sorted.
    ///
    /// # Errors
    ///
    /// As [`Checkpoints::files`].
    pub fn files_aside(&self) -> io::Result<Vec<PathBuf>> {
        snapshots_in(&self.aside)
    }

    /// Writes the checkpoint of `key`. False if the one that is there began later: it was imported or
    /// dropped meanwhile, and stays.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn write(&self, key: &Key, bytes: &[u8]) -> io::Result<bool> {
        let path = self.path(key);
        let ours = Snapshot::peek(bytes).map_or(0, |header| header.started_at);
        let there = File::open(&path).ok().and_then(|file| Snapshot::peek(file).ok());
        if there.is_some_and(|there| there.started_at > ours) {
            return Ok(false);
        }
        let name = format!("{}.{EXTENSION}", key.file_stem());
        write_whole(&self.folder, &name, bytes)?;
        Ok(true)
    }

    /// Keeps a state that a task does not go on with; returns the file. The same state is kept once.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_aside(&self, key: &Key, bytes: &[u8]) -> io::Result<PathBuf> {
        let hash = hex(&Sha256::digest(bytes)[..4]);
        let name = format!("{}.{}-{hash}.{EXTENSION}", file_name(&key.task), file_name(&key.node));
        write_whole(&self.aside, &name, bytes)
    }

    /// The right to the checkpoint of `key`, if no other session has it.
    fn claim(self: &Arc<Self>, key: &Key) -> Option<Claim> {
        if !self.claimed.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone()) {
            return None;
        }
        let mut claim = Claim { checkpoints: Arc::clone(self), key: key.clone(), _lock: None };
        if self.shared {
            match self.lock(key) {
                Ok(Some(lock)) => claim._lock = Some(lock),
                Ok(None) => return None,
                // It can't be written then, either.
                Err(_) => {}
            }
        }
        Some(claim)
    }

    /// A lock among processes, until the file is closed. `None` if another one has it.
    fn lock(&self, key: &Key) -> io::Result<Option<File>> {
        make_folder(&self.folder)?;
        let file = File::create(self.folder.join(format!("{}.lock", key.file_stem())))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }
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

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The right of one session to the checkpoint of its task's node, until it is dropped.
#[derive(Debug)]
struct Claim {
    checkpoints: Arc<Checkpoints>,
    key: Key,
    _lock: Option<File>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.checkpoints.claimed.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// The checkpoint of one session, which may have none: it began beside another one of the same task
/// and node, as a replay does.
#[derive(Debug)]
pub struct Keeper {
    checkpoints: Arc<Checkpoints>,
    key: Key,
    claim: Option<Claim>,
    writing: Option<JoinHandle<()>>,
    /// Whether the last one was not written.
    behind: Arc<AtomicBool>,
    blocking: Handle,
}

impl Keeper {
    /// For the session `who`. Files are read and written on threads of `blocking`.
    pub fn new(checkpoints: &Arc<Checkpoints>, who: &Who, blocking: Handle) -> Self {
        let key = Key { task: who.task.clone(), node: who.node.clone(), function: who.function.clone() };
        // Before Kapacitor 1.4 tasks had no names.
        let claim = if key.task.is_empty() { None } else { checkpoints.claim(&key) };
        Self {
            checkpoints: Arc::clone(checkpoints),
            key,
            claim,
            writing: None,
            behind: Arc::default(),
            blocking,
        }
    }

    /// Whether the last state that was to be kept was not.
    pub fn is_behind(&self) -> bool {
        self.behind.load(Relaxed)
    }

    /// Whether another session of the same task and node has the checkpoint.
    pub fn is_beside(&self) -> bool {
        self.claim.is_none() && !self.key.task.is_empty()
    }

    /// Takes the checkpoint over, if the session that had it has ended; false if it has not.
    pub fn claims(&mut self) -> bool {
        if self.claim.is_none() && !self.key.task.is_empty() {
            self.claim = self.checkpoints.claim(&self.key);
        }
        self.claim.is_some()
    }

    /// The checkpoint, if there is one and it is this session's.
    pub async fn read(&self, who: &Who) -> Option<Vec<u8>> {
        self.claim.as_ref()?;
        let path = self.checkpoints.path(&self.key);
        // Nearly always there is none, and who asks need not wait for another thread to say so.
        if !path.exists() {
            return None;
        }
        let shown = path.display().to_string();
        match self.blocking.spawn_blocking(move || fs::read(path)).await.ok()? {
            Ok(bytes) => Some(bytes),
            Err(e) => {
                let Who { function, task, node, plugin } = who;
                warn!(
                    function,
                    task,
                    node,
                    plugin,
                    file = shown,
                    err = e.to_string(),
                    "checkpoint can't be read"
                );
                None
            }
        }
    }

    /// Begins to write the checkpoint, if this session has one. While the last one is still being written it
    /// is not, see [`Keeper::is_behind`].
    pub fn write(&mut self, bytes: Vec<u8>, who: &Arc<Who>) {
        if self.claim.is_none() {
            return;
        }
        if self.writing.as_ref().is_some_and(|writing| !writing.is_finished()) {
            self.behind.store(true, Relaxed);
            return;
        }
        let (checkpoints, key, who) = (Arc::clone(&self.checkpoints), self.key.clone(), Arc::clone(who));
        let (blocking, behind) = (self.blocking.clone(), Arc::clone(&self.behind));
        behind.store(false, Relaxed);
        self.writing = Some(self.blocking.spawn(async move {
            let Ok(_permit) = Arc::clone(&checkpoints.writers).acquire_owned().await else { return };
            let write = blocking.spawn_blocking(move || checkpoints.write_and_say(&key, &bytes, &who));
            if !write.await.is_ok_and(|written| written) {
                behind.store(true, Relaxed);
            }
        }));
    }

    /// Waits until what was begun to be written is written.
    pub async fn written(&mut self) {
        if let Some(writing) = self.writing.take() {
            let _ = writing.await;
        }
    }

    /// Keeps a state that the task does not go on with; returns the file.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub async fn set_aside(&self, bytes: Vec<u8>) -> io::Result<PathBuf> {
        let (checkpoints, key) = (Arc::clone(&self.checkpoints), self.key.clone());
        let kept = self.blocking.spawn_blocking(move || checkpoints.set_aside(&key, &bytes)).await;
        kept.unwrap_or_else(|e| Err(io::Error::other(e)))
    }
}

impl Checkpoints {
    /// False if it could not be written.
    fn write_and_say(&self, key: &Key, bytes: &[u8], who: &Who) -> bool {
        let Who { function, task, node, plugin } = who;
        let length = bytes.len().to_string();
        let written = self.write(key, bytes);
        match &written {
            Ok(true) => {
                debug!(function, task, node, plugin, bytes = length, "checkpoint written");
                if self.warned.swap(false, Relaxed) {
                    info!(function, task, node, plugin, "checkpoints are written again");
                }
            }
            Ok(false) => info!(
                function,
                task,
                node,
                plugin,
                "checkpoint not written: this task's state was imported or dropped, which holds when it starts again"
            ),
            Err(e) => {
                if !self.warned.swap(true, Relaxed) {
                    let folder = self.folder.display().to_string();
                    warn!(
                        function,
                        task,
                        node,
                        plugin,
                        folder,
                        err = e.to_string(),
                        "checkpoints can't be written, tasks go on without: give state-dir room and rights"
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

    #[test]
    fn each_key_has_a_file_of_its_own() {
        let key = |task: &str, node: &str| Key { task: task.into(), node: node.into(), function: "f".into() };
        let stems = [key("a/b", "n"), key("a_b", "n"), key("a", "b.n"), key("a.b", "n"), key("", "")]
            .map(|key| key.file_stem());
        let distinct: HashSet<_> = stems.iter().collect();
        assert_eq!(distinct.len(), stems.len());
        assert!(stems.iter().all(|stem| !stem.contains('/')), "{stems:?}");
    }

    #[test]
    fn one_session_at_a_time_has_the_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        for shared in [false, true] {
            let checkpoints = Arc::new(Checkpoints::new(folder.path(), shared));
            let key = Key { task: "t".into(), ..Key::default() };
            let first = checkpoints.claim(&key).unwrap();
            assert!(checkpoints.claim(&key).is_none());
            // Another process.
            let other = Arc::new(Checkpoints::new(folder.path(), shared));
            assert_eq!(other.claim(&key).is_none(), shared);
            drop(first);
            assert!(checkpoints.claim(&key).is_some());
        }
    }
}
