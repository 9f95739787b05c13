//! The checkpoint of one session: read when it begins, written while it lasts and when it ends.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use std::{fs, io};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::logging::{Labels, log_for};
use crate::state::checkpoints::{Checkpoints, Claim, Ending};
use crate::state::snapshot::Snapshot;
use crate::udf_node::UdfNode;

/// Maximum time that a task waits for a file of its state, so that a disk that hangs stops no task.
const PATIENCE: Duration = Duration::from_secs(5);

/// Interval at which a session looks whether the session before it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// Reads and writes the checkpoint of one session. A session that begins beside another one of the same task and
/// node, as a replay does, has no checkpoint.
#[derive(Debug)]
pub struct Checkpointer {
    checkpoints: Arc<Checkpoints>,
    key: UdfNode,
    ending: Ending,
    claim: Option<Arc<Claim>>,
    /// When the state in the file began, as far as this session knows.
    file_started_at: Option<i64>,
    writing: Option<JoinHandle<()>>,
    /// Whether the last state was not written.
    last_write_failed: Arc<AtomicBool>,
    blocking: Handle,
    /// Keeps the host from stopping before this is dropped.
    alive: watch::Receiver<bool>,
}

impl Checkpointer {
    /// For the session with these `labels`, which sets `ending` when it begins to end. Files are read and written on
    /// threads of `blocking`; `alive` keeps the host from stopping before that is done.
    pub fn new(
        checkpoints: &Arc<Checkpoints>,
        labels: &Labels,
        ending: &Ending,
        blocking: Handle,
        alive: watch::Receiver<bool>,
    ) -> Self {
        let key = labels.udf.clone();
        let mut checkpointer = Self {
            checkpoints: Arc::clone(checkpoints),
            key,
            ending: Arc::clone(ending),
            claim: None,
            file_started_at: None,
            writing: None,
            last_write_failed: Arc::default(),
            blocking,
            alive,
        };
        checkpointer.claim();
        checkpointer
    }

    fn claim(&mut self) {
        // Before Kapacitor 1.4, tasks had no names.
        if self.claim.is_none() && !self.key.task.is_empty() {
            self.claim = self.checkpoints.claim(&self.key, &self.ending).map(Arc::new);
        }
    }

    /// Whether the last state that was to be written was not.
    pub fn last_write_failed(&self) -> bool {
        self.last_write_failed.load(Relaxed)
    }

    /// Whether this session has the checkpoint.
    pub fn owns_checkpoint(&self) -> bool {
        self.claim.is_some()
    }

    /// Whether another session of the same task and node has the checkpoint.
    pub fn another_session_owns_it(&self) -> bool {
        self.claim.is_none() && self.checkpoints.holder(&self.key).is_some()
    }

    /// The checkpoint, if there is one and this session has it. Waits for a session that is about to end.
    pub async fn read(&mut self, labels: &Labels) -> Option<Vec<u8>> {
        let until = Instant::now() + PATIENCE;
        while self.claim.is_none()
            && self.checkpoints.holder(&self.key) != Some(false)
            && !self.key.task.is_empty()
            && Instant::now() < until
        {
            tokio::time::sleep(LOOK).await;
            self.claim();
            if self.checkpoints.shared {
                // Whether the session of another process is about to end is not known.
                break;
            }
        }
        self.claim.as_ref()?;
        let path = self.checkpoints.path(&self.key);
        // Nearly always there is no file, and it takes no other thread to find that out.
        if !path.exists() {
            return None;
        }
        let shown = path.display().to_string();
        let reading = self.blocking.spawn_blocking(move || fs::read(path));
        let read = match timeout(PATIENCE, reading).await {
            Ok(read) => read.unwrap_or_else(|e| Err(io::Error::other(e))),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        match read {
            Ok(bytes) => {
                self.file_started_at = Snapshot::peek(&bytes[..]).ok().map(|header| header.started_at);
                Some(bytes)
            }
            Err(e) => {
                log_for!(warn, labels, file = shown, err = e.to_string(), "checkpoint can't be read");
                None
            }
        }
    }

    /// Begins to write the checkpoint, if this session has one. A state that comes while the one before is still
    /// being written is not written: see [`Checkpointer::last_write_failed`].
    pub fn write(&mut self, bytes: Vec<u8>, labels: &Arc<Labels>) {
        let Some(claim) = self.claim.clone() else { return };
        if self.writing.as_ref().is_some_and(|writing| !writing.is_finished()) {
            self.last_write_failed.store(true, Relaxed);
            return;
        }
        let (checkpoints, key, labels) =
            (Arc::clone(&self.checkpoints), self.key.clone(), Arc::clone(labels));
        let (blocking, last_write_failed) = (self.blocking.clone(), Arc::clone(&self.last_write_failed));
        let (file_started_at, alive) = (self.file_started_at, self.alive.clone());
        self.file_started_at = Snapshot::peek(&bytes[..]).ok().map(|header| header.started_at);
        last_write_failed.store(false, Relaxed);
        self.writing = Some(self.blocking.spawn(async move {
            let Ok(_permit) = Arc::clone(&checkpoints.writers).acquire_owned().await else { return };
            let write = blocking
                .spawn_blocking(move || checkpoints.write_and_say(&key, &bytes, file_started_at, &labels));
            if !write.await.is_ok_and(|written| written) {
                last_write_failed.store(true, Relaxed);
            }
            // The next session of the task sees what was written, and the host does not stop before.
            drop((claim, alive));
        }));
    }

    /// Waits until the current write is done, but not for ever.
    pub async fn written(&mut self) {
        if let Some(writing) = self.writing.take() {
            let _ = timeout(PATIENCE, writing).await;
        }
    }

    /// Sets aside a state that the task does not go on with; returns the file.
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
