//! The task of a session, with its checkpoint.

use std::mem;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::error::WorkError;
use crate::config::CheckpointPolicy;
use crate::logging::{Labels, log_for};
use crate::metrics::{SessionMeter, Snapshotted};
use crate::protocol::InitRequest;
use crate::sandbox::MemoryReservation;
use crate::state::Checkpointer;
use crate::task::{Taken, Task};
use crate::units::Bytes;

/// Whose the state of a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateOwner {
    /// The host's and Kapacitor's: both store it.
    Host,
    /// The client's: see `InitRequest.clientState`.
    Client,
}

impl StateOwner {
    /// The owner that an InitRequest names with `client_state`.
    pub fn named_by(client_state: bool) -> Self {
        if client_state { Self::Client } else { Self::Host }
    }
}

/// A started task, and what the session knows of it.
pub struct ActiveTask {
    /// The task.
    pub task: Task,
    /// The InitRequest as Kapacitor sent it.
    pub request: InitRequest,
    /// Counts the memory of the request and of its copies.
    pub request_memory: Option<MemoryReservation>,
    /// The state of the plugins that the task was last compared with: see [`crate::plugin::Library::generation`].
    pub generation: u64,
    /// The labels of its log lines.
    pub labels: Arc<Labels>,
    /// Tells others of the task.
    pub meter: Arc<SessionMeter>,
    /// Reads and writes its checkpoint.
    pub checkpointer: Checkpointer,
    /// Which tasks have a checkpoint.
    pub policy: CheckpointPolicy,
    /// Whose the state is.
    pub owner: StateOwner,
    /// Whether the state that the task goes on with was chosen.
    pub initial_state_chosen: bool,
    /// Whether the log says already that no checkpoint could be taken.
    warned: bool,
    /// Whether the log says already that the data is not live.
    warned_of_time: bool,
}

impl ActiveTask {
    /// A task that was just started, for the InitRequest `request`.
    pub fn new(
        task: Task,
        request: InitRequest,
        generation: u64,
        labels: Arc<Labels>,
        meter: Arc<SessionMeter>,
        checkpointer: Checkpointer,
        policy: CheckpointPolicy,
    ) -> Self {
        Self {
            task,
            request,
            request_memory: None,
            generation,
            labels,
            meter,
            checkpointer,
            policy,
            owner: StateOwner::Host,
            initial_state_chosen: false,
            warned: false,
            warned_of_time: false,
        }
    }

    /// The snapshot of at most `most` bytes that Kapacitor asks for.
    ///
    /// # Errors
    ///
    /// Why the task must end.
    pub async fn snapshot(&mut self, most: Bytes) -> Result<Vec<u8>, WorkError> {
        self.mark_replay();
        let begin = Instant::now();
        let (snapshot, state) = self.task.snapshot(most).await?;
        self.note_snapshot(begin, &snapshot);
        let (bytes, points_seen) = (snapshot.len().to_string(), self.task.points_seen().to_string());
        log_for!(debug, self.labels, bytes, points_seen, "snapshot given");
        if let Some(state) = state {
            self.write_checkpoint(state);
        }
        Ok(snapshot)
    }

    /// Notes that a snapshot was taken, since `begin`.
    pub(super) fn note_snapshot(&self, begin: Instant, snapshot: &[u8]) {
        let (at, bytes) = (SystemTime::now(), snapshot.len() as u64);
        self.meter.note_snapshot(Snapshotted { at, took: begin.elapsed(), bytes });
    }

    /// Whether the task is one that has a checkpoint.
    fn is_checkpointed(&self) -> bool {
        match self.policy {
            CheckpointPolicy::Never => false,
            CheckpointPolicy::Always => true,
            CheckpointPolicy::Live => self.task.is_live() == Some(true),
        }
    }

    /// Says whether the states that are taken from now on are of a replay. The time of the data does not tell
    /// that, since data may be late.
    fn mark_replay(&mut self) {
        self.task.mark_replay(self.checkpointer.runs_beside_another());
    }

    /// Begins to write a checkpoint.
    fn write_checkpoint(&mut self, snapshot: Vec<u8>) {
        if self.is_checkpointed() {
            self.checkpointer.write(snapshot, &self.labels);
        }
    }

    /// Writes the state of the task, if it has changed since the last time.
    ///
    /// # Errors
    ///
    /// Why the task must end.
    pub async fn checkpoint(&mut self) -> Result<(), WorkError> {
        if !self.is_dirty() {
            return Ok(());
        }
        self.mark_replay();
        let begin = Instant::now();
        let error = match self.task.checkpoint().await? {
            None => return Ok(()),
            Some(Taken::Snapshot(snapshot)) => {
                self.note_snapshot(begin, &snapshot);
                self.write_checkpoint(snapshot);
                return Ok(());
            }
            Some(Taken::Unavailable(error)) => error.to_string(),
        };
        // It may go well the next time: outside of the batch, for instance.
        if !mem::replace(&mut self.warned, true) {
            log_for!(warn, self.labels, err = error, "no checkpoint taken");
        }
        Ok(())
    }

    /// Writes the state of the task at the end of its session.
    ///
    /// # Errors
    ///
    /// Why the task must end.
    pub async fn last_checkpoint(&mut self) -> Result<(), WorkError> {
        if !self.initial_state_chosen || !self.is_dirty() {
            return Ok(());
        }
        self.checkpoint().await?;
        if self.checkpointer.last_write_failed() {
            // Much may wait for the disk when many sessions end together.
            self.checkpointer.wait_for_room(&self.labels).await;
            self.checkpoint().await?;
        }
        Ok(())
    }

    /// Writes the last good state of a task that has failed, if it is known.
    pub async fn keep_last_good_state(&mut self) {
        if !self.initial_state_chosen || !self.is_dirty() || !self.task.go_back_to_good_state().await {
            return;
        }
        if let Err(error) = self.last_checkpoint().await {
            let err = error.to_string();
            log_for!(warn, self.labels, err, "the last good state of the task can't be taken");
        }
    }

    /// Says once that the task has no checkpoint, since its data does not look live. `ends`: the task ends, and the
    /// data that has come is all there is to judge by.
    pub fn warn_if_not_live(&mut self, ends: bool) {
        if self.warned_of_time
            || self.policy != CheckpointPolicy::Live
            || !self.checkpointer.owns_checkpoint()
        {
            return;
        }
        let Some(not_live) = self.task.not_live(ends) else { return };
        self.warned_of_time = true;
        let data = not_live.to_string();
        log_for!(
            warn,
            self.labels,
            data,
            "no checkpoint is kept, since data of such a time may be a replay's: if it is not, correct the clock that it comes from, or set state.checkpoints = \"always\""
        );
    }

    /// Whether there is a state that no checkpoint holds yet.
    pub fn is_dirty(&self) -> bool {
        self.checkpointer.owns_checkpoint()
            && self.is_checkpointed()
            && (self.checkpointer.last_write_failed() || self.task.has_changed())
    }
}
