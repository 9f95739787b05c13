//! Checkpoints: the states of tasks that the host stores itself, in `<state-dir>/checkpoints`.
//!
//! Each is a snapshot of one node of one task. Kapacitor takes no snapshot when a task ends, and its last one may
//! be a minute old.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::digest::hex;
use crate::logging::{Labels, log_for};
use crate::state::files::{
    file_name, give_to_owner_of, make_folder, prepare, put, remove_stale, write_whole,
};
use crate::state::format::SnapshotHeader;
use crate::state::snapshot;
use crate::state::snapshot::Snapshot;
use crate::udf_node::UdfNode;

/// Extension of the file of a snapshot.
pub const EXTENSION: &str = "snapshot";

/// Maximum number of checkpoints that are written at the same time.
const WRITERS: usize = 4;

/// Maximum number of states that are set aside; beyond it, the oldest are deleted.
const MOST_ASIDE: usize = 1000;

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

/// Set when a session has begun to end, so that the next session of the task can wait for its state.
pub type Ending = Arc<AtomicBool>;

/// The folder of the checkpoints, and the sessions that have one.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    aside: PathBuf,
    /// Whether other processes may have sessions of the same tasks.
    pub(crate) shared: bool,
    claimed: Mutex<HashMap<UdfNode, Ending>>,
    pub(crate) writers: Arc<Semaphore>,
    /// Whether the log says already that writing fails.
    warned: AtomicBool,
}

impl Checkpoints {
    /// The checkpoints in `state_dir`. `shared`: other processes use it too, for the same functions.
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

    /// Removes the partial files that a crash has left behind.
    pub fn clean(&self) {
        [&self.folder, &self.aside].into_iter().for_each(|folder| remove_stale(folder));
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

    /// When the state of the checkpoint of `key` began. `None` without one.
    fn began(&self, key: &UdfNode) -> Option<i64> {
        Snapshot::peek(File::open(self.path(key)).ok()?).ok().map(|header| header.started_at)
    }

    /// Writes the checkpoint of `key` in the place of the one whose state began at `known`. Returns false if there
    /// is another one: it was imported or dropped in the meantime, and stays.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn replace(&self, key: &UdfNode, bytes: &[u8], known: Option<i64>) -> io::Result<bool> {
        let name = checkpoint_name(key);
        let prepared = prepare(&self.folder, &name, bytes)?;
        let _lock = self.lock_folder()?;
        if self.began(key).is_some_and(|there| Some(there) != known) {
            return Ok(false);
        }
        put(prepared, &self.folder, &name)?;
        Ok(true)
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
        let started_at = self.began(key).map_or(0, |there| there.saturating_add(1)).max(snapshot::now());
        let header = SnapshotHeader {
            started_at,
            given: false,
            replay: false,
            task: key.task.clone(),
            node: key.node.clone(),
            function: key.function.clone(),
            ..snapshot.header.clone()
        };
        let before = fs::read(self.path(key)).ok();
        let before = before.filter(|bytes| Snapshot::parse(bytes).is_ok_and(|before| !before.is_none()));
        let aside = before.map(|bytes| self.set_aside(key, &bytes)).transpose()?;
        write_whole(&self.folder, &checkpoint_name(key), &snapshot.with_header(&header))?;
        Ok(aside)
    }

    /// Locks the folder while the host or an operator reads a checkpoint and replaces it.
    fn lock_folder(&self) -> io::Result<File> {
        let path = self.folder.join(".lock");
        let lock = File::create(&path)?;
        give_to_owner_of(&self.folder, &path)?;
        flock(&lock, FlockOperation::LockExclusive)?;
        Ok(lock)
    }

    /// Stores a state that a task does not go on with; returns the file. The same state is stored once.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_aside(&self, key: &UdfNode, bytes: &[u8]) -> io::Result<PathBuf> {
        let hash = hex(&Sha256::digest(bytes)[..4]);
        let name = format!("{}.{}-{hash}.{EXTENSION}", file_name(&key.task), file_name(&key.node));
        let file = write_whole(&self.aside, &name, bytes)?;
        // The state is stored, even if there is one file too many now.
        let _ = self.bound_aside();
        Ok(file)
    }

    /// Deletes the oldest states that were set aside, if there are too many.
    fn bound_aside(&self) -> io::Result<()> {
        let mut files = self.files_aside()?;
        if files.len() > MOST_ASIDE {
            files.sort_by_key(|file| fs::metadata(file).and_then(|data| data.modified()).ok());
            for file in &files[..files.len() - MOST_ASIDE] {
                fs::remove_file(file)?;
            }
        }
        Ok(())
    }

    /// Claims the checkpoint of `key` for this session, or returns `None` if another session holds it. `ending` is
    /// set when this session begins to end.
    pub(crate) fn claim(self: &Arc<Self>, key: &UdfNode, ending: &Ending) -> Option<Claim> {
        match self.claimed().entry(key.clone()) {
            Entry::Occupied(_) => return None,
            Entry::Vacant(entry) => entry.insert(Arc::clone(ending)),
        };
        let mut claim = Claim { checkpoints: Arc::clone(self), key: key.clone(), lock: None };
        if self.shared {
            match self.lock(key) {
                Ok(Some(lock)) => claim.lock = Some(lock),
                Ok(None) => return None,
                // Then the checkpoint can't be written either.
                Err(_) => {}
            }
        }
        Some(claim)
    }

    /// Whether the session that has the checkpoint is about to end; `None` if none has it.
    pub(crate) fn holder(&self, key: &UdfNode) -> Option<bool> {
        self.claimed().get(key).map(|ending| ending.load(Relaxed))
    }

    fn claimed(&self) -> MutexGuard<'_, HashMap<UdfNode, Ending>> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the checkpoint among processes, until the file is closed. `None` if another process has the lock.
    fn lock(&self, key: &UdfNode) -> io::Result<Option<File>> {
        make_folder(&self.folder)?;
        let file = File::create(self.folder.join(format!("{}.lock", checkpoint_stem(key))))?;
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

/// The claim of one session to the checkpoint of its UDF node, until it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    checkpoints: Arc<Checkpoints>,
    key: UdfNode,
    /// Holds the lock among processes until the claim is dropped.
    lock: Option<File>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.checkpoints.claimed().remove(&self.key);
    }
}

impl Checkpoints {
    /// Writes a checkpoint, and logs how that went. False if it could not be written.
    pub(crate) fn write_and_say(
        &self,
        key: &UdfNode,
        bytes: &[u8],
        known: Option<i64>,
        labels: &Labels,
    ) -> bool {
        let length = bytes.len().to_string();
        let written = self.replace(key, bytes, known);
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
        let key =
            |task: &str, node: &str| UdfNode { task: task.into(), node: node.into(), function: "f".into() };
        let stems = [key("a/b", "n"), key("a_b", "n"), key("a", "b.n"), key("a.b", "n"), key("", "")]
            .map(|key| checkpoint_stem(&key));
        let distinct: std::collections::HashSet<_> = stems.iter().collect();
        assert_eq!(distinct.len(), stems.len());
        assert!(stems.iter().all(|stem| !stem.contains('/')), "{stems:?}");
    }

    #[test]
    fn one_session_at_a_time_has_the_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        for shared in [false, true] {
            let checkpoints = Arc::new(Checkpoints::new(folder.path(), shared));
            let key = UdfNode { task: "t".into(), ..UdfNode::default() };
            let first = checkpoints.claim(&key, &Ending::default()).unwrap();
            assert!(checkpoints.claim(&key, &Ending::default()).is_none());
            // Another process.
            let other = Arc::new(Checkpoints::new(folder.path(), shared));
            assert_eq!(other.claim(&key, &Ending::default()).is_none(), shared);
            drop(first);
            assert!(checkpoints.claim(&key, &Ending::default()).is_some());
        }
    }
}
