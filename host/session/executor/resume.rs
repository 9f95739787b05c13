//! The beginning of a session: the choice of the state that its task goes on with.
//!
//! There may be a snapshot that Kapacitor gives back, and a checkpoint that the host has written. The choice is
//! made once: when Kapacitor restores, or else before the first work that depends on the state.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::active_task::ActiveTask;
use super::error::WorkError;
use super::newer::{Source, newer_of};
use crate::config::OnMismatch;
use crate::logging::log_for;
use crate::state::{DiskError, Snapshot, SnapshotError, StateFileError};

/// A state that the task may go on with.
struct Candidate {
    source: Source,
    bytes: Vec<u8>,
    snapshot: Snapshot,
}

/// A state that the task can't have, and why.
struct Misfit {
    source: Source,
    bytes: Vec<u8>,
    reason: SnapshotError,
}

impl ActiveTask {
    /// Chooses the state that the task goes on with; `given` is Kapacitor's snapshot.
    ///
    /// # Errors
    ///
    /// Why the task can't start.
    pub async fn choose_initial_state(
        &mut self,
        given: Option<&[u8]>,
        on_mismatch: OnMismatch,
    ) -> Result<(), WorkError> {
        self.initial_state_chosen = true;
        let mut misfits = Vec::new();
        // Counted until the choice is made.
        let (most, room) = (self.task.most_of_state(), Arc::new(Mutex::new(self.task.reservation())));
        let counted = Arc::clone(&room);
        let count = move |length| {
            let mut room = counted.lock().unwrap_or_else(PoisonError::into_inner);
            room.try_set(length).map_err(io::Error::other)
        };
        let written = self.checkpointer.read(&self.labels, most, count).await;
        let mut checkpoint = written.and_then(|bytes| take_apart(Source::Checkpoint, bytes, &mut misfits));
        let mut kapacitor =
            given.and_then(|bytes| take_apart(Source::Kapacitor, bytes.to_vec(), &mut misfits));
        let began = [&kapacitor, &checkpoint].into_iter().flatten();
        if let Some(latest) = began.map(|state| state.snapshot.header.started_at).max() {
            // If the task starts clean, none of these states may win over the clean one the next time.
            self.task.begin_after(latest);
        }
        if let Some(dropped) = checkpoint.take_if(|kept| kept.snapshot.is_none()) {
            let since = dropped.snapshot.header.started_at;
            if kapacitor.as_ref().is_none_or(|given| given.snapshot.header.started_at <= since) {
                self.say_clean("its state was dropped", "");
                return Ok(());
            }
        }
        if kapacitor.take_if(|given| given.snapshot.is_none()).is_some() && checkpoint.is_none() {
            self.say_clean("there was none to be saved", "");
        }
        if given.is_none()
            && let Some(forgotten) = checkpoint.take_if(|kept| kept.snapshot.header.given)
        {
            let file = self.set_aside(forgotten.bytes, true).await;
            self.say_clean("Kapacitor has forgotten its snapshot, as of a task that is new", &file);
            return Ok(());
        }
        for candidate in self.in_order(kapacitor, checkpoint, &mut misfits) {
            let (Candidate { source, bytes, snapshot }, because) = candidate;
            match self.task.restore(&snapshot).await {
                Ok(()) => {
                    if source == Source::Kapacitor {
                        self.task.note_given();
                    }
                    self.say_restored(source.name(), &snapshot, &because);
                    self.set_aside_misfits(misfits, "the task goes on with another state").await;
                    return Ok(());
                }
                // It fits, and is there another time.
                Err(SnapshotError::NoMemory(needs)) => return Err(WorkError::NoMemoryForState(needs)),
                Err(reason) => {
                    self.task.start_clean().await?;
                    misfits.push(Misfit { source, bytes, reason });
                }
            }
        }
        let fails = on_mismatch == OnMismatch::Fail;
        let refusal = misfits.first().filter(|_| fails).map(|misfit| WorkError::Misfit {
            reason: misfit.reason.to_string(),
            udf: Box::new(self.labels.udf.clone()),
        });
        let then = if refusal.is_some() { "the task does not start" } else { "the task starts clean" };
        self.set_aside_misfits(misfits, then).await;
        refusal.map_or(Ok(()), Err)
    }

    /// The candidates that fit, the best one first, each with the reason for its place.
    fn in_order(
        &self,
        kapacitor: Option<Candidate>,
        checkpoint: Option<Candidate>,
        misfits: &mut Vec<Misfit>,
    ) -> Vec<(Candidate, String)> {
        let mut fits = |candidate: Option<Candidate>| {
            let candidate = candidate?;
            match self.task.check_fit(&candidate.snapshot) {
                Ok(()) => Some(candidate),
                Err(reason) => {
                    let Candidate { source, bytes, .. } = candidate;
                    misfits.push(Misfit { source, bytes, reason });
                    None
                }
            }
        };
        match (fits(kapacitor), fits(checkpoint)) {
            (Some(kapacitor), Some(checkpoint)) => {
                let (source, because) = newer_of(&kapacitor.snapshot.header, &checkpoint.snapshot.header);
                let (best, other) = match source {
                    Source::Kapacitor => (kapacitor, checkpoint),
                    Source::Checkpoint => (checkpoint, kapacitor),
                };
                vec![(best, because), (other, "the other one can't be given back".to_owned())]
            }
            (one, other) => {
                let only = one.or(other);
                only.map(|only| (only, "it is the only one that fits".to_owned())).into_iter().collect()
            }
        }
    }

    /// Says which state the task goes on with.
    pub(super) fn say_restored(&self, from: &str, snapshot: &Snapshot, because: &str) {
        let points_seen = snapshot.header.points_seen.to_string();
        log_for!(info, self.labels, points_seen, from, because, "state restored");
    }

    fn say_clean(&self, because: &str, file: &str) {
        log_for!(info, self.labels, because, file, "no state to restore, the task starts clean");
    }

    /// Sets a state aside; returns the file, or nothing if that failed. One that is `on_disk` stays there then.
    async fn set_aside(&mut self, bytes: Vec<u8>, on_disk: bool) -> String {
        match self.checkpointer.set_aside(bytes).await {
            Ok(file) => file.display().to_string(),
            Err(StateFileError::Disk(DiskError::Hangs)) => {
                log_for!(
                    warn,
                    self.labels,
                    "the disk of state-dir does not answer: the state is set aside when it does"
                );
                String::new()
            }
            Err(e) if on_disk => {
                self.checkpointer.keep_file();
                let err = e.to_string();
                log_for!(
                    error,
                    self.labels,
                    err,
                    "state can't be set aside: it stays in the file of the checkpoint, and is set aside before a new one replaces it"
                );
                String::new()
            }
            Err(e) => {
                let err = e.to_string();
                log_for!(error, self.labels, err, "state-dir can't be written to, the state is lost");
                String::new()
            }
        }
    }

    /// Sets aside the states that do not fit, and warns of it: `then` says how the task goes on.
    async fn set_aside_misfits(&mut self, mut misfits: Vec<Misfit>, then: &str) {
        let labels = Arc::clone(&self.labels);
        let on_disk = misfits.iter().any(|misfit| misfit.source == Source::Checkpoint);
        // Kapacitor's snapshot is often the checkpoint, too.
        misfits.dedup_by(|a, b| a.bytes == b.bytes);
        for Misfit { source, bytes, reason } in misfits {
            let points_seen = Snapshot::peek(&bytes[..]).map_or(String::new(), |h| h.points_seen.to_string());
            let file = self.set_aside(bytes, on_disk).await;
            if file.is_empty() {
                continue;
            }
            let bring_back = match &reason {
                SnapshotError::Magic | SnapshotError::Damaged(_) => "it can't be".to_owned(),
                _ => format!(
                    "disable the task, put back what it fits, `kapacitor-wasm state import {file}`, and enable the task"
                ),
            };
            let (from, reason) = (source.name(), reason.to_string());
            log_for!(
                warn,
                labels,
                from,
                reason,
                points_seen,
                file,
                then,
                bring_back,
                "state does not fit and was set aside"
            );
        }
    }
}

fn take_apart(source: Source, bytes: Vec<u8>, misfits: &mut Vec<Misfit>) -> Option<Candidate> {
    match Snapshot::parse(&bytes) {
        Ok(snapshot) => Some(Candidate { source, bytes, snapshot }),
        Err(reason) => {
            misfits.push(Misfit { source, bytes, reason });
            None
        }
    }
}
