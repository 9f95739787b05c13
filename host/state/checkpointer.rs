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

/// How long a task waits for a file of its state. A disk that hangs stops no task.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often is looked whether a session has ended.
const LOOK: Duration = Duration::from_millis(5);

/// The checkpoint of one session, which may have none: it began beside another one of the same task
/// and node, as a replay does.
#[derive(Debug)]
pub struct Checkpointer {
    checkpoints: Arc<Checkpoints>,
    key: UdfNode,
    ending: Ending,
    claim: Option<Arc<Claim>>,
    /// When the state began that is in the file, as far as this session knows.
    file_started_at: Option<i64>,
    writing: Option<JoinHandle<()>>,
    /// Whether the last one was not written.
    last_write_failed: Arc<AtomicBool>,
    blocking: Handle,
    /// The host stops when all of these are gone.
    alive: watch::Receiver<bool>,
}

impl Checkpointer {
    /// For the session `who`, which sets `ending` when it ends. Files are read and written on threads of
    /// `blocking`; the host does not stop before that is done, while it has `alive`.
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
        // Before Kapacitor 1.4 tasks had no names.
        if self.claim.is_none() && !self.key.task.is_empty() {
            self.claim = self.checkpoints.claim(&self.key, &self.ending).map(Arc::new);
        }
    }

    /// Whether the last state that was to be kept was not.
    pub fn last_write_failed(&self) -> bool {
        self.last_write_failed.load(Relaxed)
    }

    /// Whether the checkpoint is this session's.
    pub fn owns_checkpoint(&self) -> bool {
        self.claim.is_some()
    }

    /// Whether another session of the same task and node has the checkpoint.
    pub fn another_session_owns_it(&self) -> bool {
        self.claim.is_none() && self.checkpoints.holder(&self.key).is_some()
    }

    /// The checkpoint, if there is one and it is this session's. Waits for a session that is about to end.
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
                // Of another process it is not known.
                break;
            }
        }
        self.claim.as_ref()?;
        let path = self.checkpoints.path(&self.key);
        // Nearly always there is none, and who asks need not wait for another thread to say so.
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

    /// Begins to write the checkpoint, if this session has one. While the last one is still being written it
    /// is not, see [`Checkpointer::last_write_failed`].
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
            // Who has the task next sees what was written, and the host does not stop before.
            drop((claim, alive));
        }));
    }

    /// Waits until what was begun to be written is written, but not for ever.
    pub async fn written(&mut self) {
        if let Some(writing) = self.writing.take() {
            let _ = timeout(PATIENCE, writing).await;
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
