//! The checkpoint of one session: read when it begins, written while it lasts and when it ends.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use super::checkpoints::Checkpoints;
use super::claims::{Before, Claim, Ending};
use super::disk::{DiskError, PATIENCE};
use super::known::Known;
use super::pending::{PendingState, WriteStatus};
use super::read::{Found, StateFileError};
use super::snapshot::Snapshot;
use crate::logging::{Labels, log_for};
use crate::udf_node::UdfNode;
use crate::units::Bytes;

/// Number of times that a session looks whether Kapacitor has disconnected the session before. The host notices that
/// at once, but maybe after it has accepted the next session. A session that still runs then runs beside this one.
/// The number is one of looks, since a busy machine delays both.
const LOOKS: u32 = 20;

/// Interval at which a session looks whether the session before it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// Interval at which a process looks whether another process still has the checkpoint.
const LOOK_AT_LOCK: Duration = Duration::from_millis(50);

/// The right to write the checkpoint, among processes.
#[derive(Debug)]
enum ProcessLock {
    /// There are no other processes, or the lock can't be had by any.
    NotNeeded,
    /// This process has it.
    Held(Arc<File>),
    /// The disk was asked for it.
    Asked(oneshot::Receiver<io::Result<Option<File>>>),
    /// The disk did not answer.
    Missing,
}

/// Reads and writes the checkpoint of one session. A session that runs beside another one of the same task and
/// node, as a replay does, has no checkpoint.
#[derive(Debug)]
pub struct Checkpointer {
    checkpoints: Arc<Checkpoints>,
    key: UdfNode,
    /// The place of this session among those of its task and node; `None` if it has no checkpoint.
    claim: Option<Claim>,
    /// Whether no other session comes before this one.
    is_first: bool,
    lock: ProcessLock,
    /// Whether another session of the same task and node runs beside this one.
    beside_another: bool,
    /// Which state is in the file, as far as this session knows.
    known: Known,
    /// What has become of the states that were to be written.
    status: Arc<WriteStatus>,
    /// Maximum time that a session takes to end.
    end_of_session: Duration,
    /// Keeps the host from stopping before this is dropped.
    _alive: watch::Receiver<bool>,
}

impl Checkpointer {
    /// For the session with these `labels`, which sets `ending` when it begins to end. One that is to have no checkpoint
    /// gives none, and claims nothing. A session takes `end_of_session` at most to end. `alive` keeps the host from stopping before this is dropped.
    pub fn new(
        checkpoints: &Arc<Checkpoints>,
        labels: &Labels,
        ending: Option<&Ending>,
        end_of_session: Duration,
        alive: watch::Receiver<bool>,
    ) -> Self {
        let lock = if checkpoints.shared { ProcessLock::Missing } else { ProcessLock::NotNeeded };
        // Before Kapacitor 1.4, tasks had no names.
        let named = !labels.udf.task.is_empty();
        let ending = ending.filter(|_| named);
        let claim = ending.and_then(|ending| checkpoints.claims.claim(&labels.udf, ending));
        Self {
            checkpoints: Arc::clone(checkpoints),
            key: labels.udf.clone(),
            is_first: claim.as_ref().is_some_and(|claim| claim.take(false) == Before::Nobody),
            claim,
            lock,
            beside_another: false,
            known: Known::unread(),
            status: Arc::default(),
            end_of_session,
            _alive: alive,
        }
    }

    /// Whether the last state that was to be written was not.
    pub fn last_write_failed(&self) -> bool {
        self.status.last_failed()
    }

    /// Whether the last state is not on the disk yet: writing it may still fail.
    pub fn is_unwritten(&self) -> bool {
        self.status.is_unwritten()
    }

    /// Number of states that were not written.
    pub fn failures(&self) -> u64 {
        self.status.failures()
    }

    /// Whether this session has the checkpoint.
    pub fn owns_checkpoint(&self) -> bool {
        self.is_first
    }

    /// Whether this session runs beside another one of the same task and node. It is known once the checkpoint was
    /// read.
    pub fn runs_beside_another(&self) -> bool {
        self.beside_another
    }

    /// The checkpoint, if there is one and this session has it. Waits for a session that is about to end, and for the
    /// disk, but not for long. It has `most` bytes at most, and `count` counts them before they are read.
    pub async fn read(
        &mut self,
        labels: &Labels,
        most: Bytes,
        count: impl Fn(u64) -> io::Result<()> + Clone + Send + 'static,
    ) -> Option<Vec<u8>> {
        self.wait_for_claim(labels).await;
        if !self.is_first {
            return None;
        }
        match self.checkpoints.find(&self.key, most, count).await {
            Ok(Found { bytes, known }) => {
                self.known = known;
                bytes
            }
            Err(e) => {
                let (file, err) = (self.checkpoints.path(&self.key).display().to_string(), e.to_string());
                log_for!(
                    warn,
                    labels,
                    file,
                    err,
                    "checkpoint can't be read, the task goes on without: before it is replaced it is set aside"
                );
                None
            }
        }
    }

    /// Waits until the sessions before have ended.
    async fn wait_for_claim(&mut self, labels: &Labels) {
        if self.claim.is_none() && !self.key.task.is_empty() {
            return self.run_beside(labels);
        }
        let (since, mut looks) = (Instant::now(), 0);
        while let Some(claim) = &self.claim {
            claim.wait();
            match claim.take(looks >= LOOKS) {
                Before::Nobody => {
                    self.is_first = true;
                    break;
                }
                Before::Running if looks >= LOOKS => return self.run_beside(labels),
                Before::Running => looks += 1,
                Before::Ending if since.elapsed() >= self.end_of_session => {
                    self.claim = None;
                    log_for!(
                        warn,
                        labels,
                        "the session before of this task does not end: the task starts without its state, and has no checkpoint"
                    );
                    return;
                }
                Before::Ending => {}
            }
            sleep(LOOK).await;
        }
        if self.is_first && self.checkpoints.shared {
            self.lock_among_processes(labels).await;
        }
    }

    async fn lock_among_processes(&mut self, labels: &Labels) {
        let mut looks = 0;
        loop {
            let patience = self.checkpoints.disk.reads.patience().unwrap_or_default();
            let Ok(mut answer) = self.checkpoints.submit_lock(&self.key) else { return };
            match timeout(patience, &mut answer).await {
                Ok(Ok(Ok(None))) if looks < LOOKS => sleep(LOOK_AT_LOCK).await,
                Ok(answer) => {
                    return self.take_lock(answer.unwrap_or_else(|e| Err(io::Error::other(e))), labels);
                }
                Err(_) => {
                    self.lock = ProcessLock::Asked(answer);
                    return;
                }
            }
            looks += 1;
        }
    }

    fn take_lock(&mut self, answer: io::Result<Option<File>>, labels: &Labels) {
        match answer {
            Ok(Some(lock)) => self.lock = ProcessLock::Held(Arc::new(lock)),
            Ok(None) => self.run_beside(labels),
            // Then the checkpoint can't be written either.
            Err(_) => self.lock = ProcessLock::NotNeeded,
        }
    }

    fn run_beside(&mut self, labels: &Labels) {
        (self.claim, self.is_first) = (None, false);
        self.beside_another = true;
        log_for!(
            info,
            labels,
            "another session of this task and node runs: this one counts as a replay, and has no checkpoint"
        );
    }

    /// Whether the lock among processes is there, if one is needed.
    fn is_locked(&mut self, labels: &Labels) -> bool {
        if matches!(self.lock, ProcessLock::Missing)
            && let Ok(answer) = self.checkpoints.submit_lock(&self.key)
        {
            self.lock = ProcessLock::Asked(answer);
        }
        if let ProcessLock::Asked(answer) = &mut self.lock {
            match answer.try_recv() {
                Ok(answer) => self.take_lock(answer, labels),
                Err(oneshot::error::TryRecvError::Empty) => {}
                Err(oneshot::error::TryRecvError::Closed) => self.lock = ProcessLock::Missing,
            }
        }
        matches!(self.lock, ProcessLock::Held(_) | ProcessLock::NotNeeded)
    }

    /// Has the disk write the checkpoint, if this session has one. Does not wait: see
    /// [`Checkpointer::last_write_failed`].
    pub fn write(&mut self, bytes: Vec<u8>, labels: &Arc<Labels>) {
        if !self.is_first {
            return;
        }
        let locked = self.is_locked(labels);
        let Some(room) = locked.then(|| self.checkpoints.room_for(bytes.len())).flatten() else {
            self.status.fail();
            return;
        };
        let lock = match &self.lock {
            ProcessLock::Held(lock) => Some(Arc::clone(lock)),
            _ => None,
        };
        self.status.begin();
        self.checkpoints.save(
            &self.key,
            PendingState {
                started_at: Snapshot::peek(&bytes[..]).ok().map(|header| header.started_at),
                bytes: bytes.into(),
                known: self.known.clone(),
                labels: Arc::clone(labels),
                lock,
                status: Arc::clone(&self.status),
                room,
            },
        );
    }

    /// Waits until another state can be written or may wait for the disk, but not for long.
    pub async fn wait_for_room(&mut self, labels: &Labels) {
        let until = Instant::now() + PATIENCE;
        while !(self.is_locked(labels) && self.checkpoints.disk.has_room()) && Instant::now() < until {
            sleep(LOOK_AT_LOCK).await;
        }
    }

    /// The state in the file could not be set aside. It is moved there before the first new one replaces it.
    pub fn keep_file(&mut self) {
        self.known = Known::unread();
    }

    /// Sets aside a state that the task does not go on with; returns the file.
    ///
    /// # Errors
    ///
    /// Why it could not be set aside. If the disk hangs, it is set aside when the disk answers.
    pub async fn set_aside(&self, bytes: Vec<u8>) -> Result<PathBuf, StateFileError> {
        let Some(room) = self.checkpoints.room_for(bytes.len()) else { return Err(DiskError::Full.into()) };
        let (checkpoints, key) = (Arc::clone(&self.checkpoints), self.key.clone());
        let what = format!("state of {}/{} that is set aside", key.task, key.node);
        let writing = self.checkpoints.disk.writes.ask(what, move || {
            let kept = checkpoints.set_aside(&key, &bytes);
            drop(room);
            kept
        });
        Ok(writing.await??)
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        // Closing a file may take as long as writing it.
        if let ProcessLock::Held(lock) = std::mem::replace(&mut self.lock, ProcessLock::NotNeeded) {
            let _ = self.checkpoints.disk.writes.submit("lock of a checkpoint", move || drop(lock));
        }
    }
}
