//! States that wait to be written to their checkpoints, or that could not be written.
//!
//! The newest state of a task takes the place of one that still waits. A state stays here until it is on the disk, so
//! that the next session of the task goes on with it also while the disk hangs or is full.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::disk::Reservation;
use super::known::Known;
use crate::logging::{Labels, log_for};
use crate::udf_node::UdfNode;

/// A state that is to be written.
#[derive(Debug)]
pub struct PendingState {
    /// When it began: see [`crate::state::SnapshotHeader::started_at`].
    pub started_at: Option<i64>,
    /// The snapshot.
    pub bytes: Arc<[u8]>,
    /// Which state is in the file.
    pub known: Known,
    /// The labels of the session.
    pub labels: Arc<Labels>,
    /// The lock among processes.
    #[expect(dead_code, reason = "held until the state is written")]
    pub lock: Option<Arc<File>>,
    /// What has become of it.
    pub status: Arc<WriteStatus>,
    /// Its room among what waits for the disk.
    #[expect(dead_code, reason = "held until the state is written")]
    pub room: Reservation,
}

/// What has become of the states of one session that were to be written.
#[derive(Debug, Default)]
pub struct WriteStatus {
    last_failed: AtomicBool,
    unwritten: AtomicBool,
    failures: AtomicU64,
}

impl WriteStatus {
    /// Whether the last state was not written.
    pub fn last_failed(&self) -> bool {
        self.last_failed.load(Relaxed)
    }

    /// Whether the last state is not on the disk yet: writing it may still fail.
    pub fn is_unwritten(&self) -> bool {
        self.unwritten.load(Relaxed)
    }

    /// Number of states that were not written.
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// A state waits for the disk.
    pub fn begin(&self) {
        self.last_failed.store(false, Relaxed);
        self.unwritten.store(true, Relaxed);
    }

    /// The state was written.
    pub fn written(&self) {
        self.unwritten.store(false, Relaxed);
    }

    /// The state was not written.
    pub fn fail(&self) {
        self.last_failed.store(true, Relaxed);
        self.failures.fetch_add(1, Relaxed);
    }
}

/// All states that wait.
#[derive(Debug, Default)]
pub struct PendingStates(Mutex<Pending>);

#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) states: HashMap<UdfNode, Entry>,
    /// Number of the next state.
    pub(super) next: u64,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) state: PendingState,
    /// Different for each state; a larger one came later.
    pub(super) number: u64,
    /// Whether a thread writes it or will. Otherwise that has failed.
    pub(super) queued: bool,
}

impl PendingStates {
    pub(super) fn lock(&self) -> MutexGuard<'_, Pending> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of `key` that waits: when it began, its bytes, and which state is in the file.
    pub fn get(&self, key: &UdfNode) -> Option<(Option<i64>, Arc<[u8]>, Known)> {
        let pending = self.lock();
        let state = &pending.states.get(key)?.state;
        Some((state.started_at, Arc::clone(&state.bytes), state.known.clone()))
    }

    /// Whether a state of `key` waits.
    pub fn contains(&self, key: &UdfNode) -> bool {
        self.lock().states.contains_key(key)
    }

    /// The tasks and nodes whose states wait.
    pub fn names(&self) -> Vec<String> {
        let pending = self.lock();
        let mut names: Vec<_> =
            pending.states.keys().map(|key| format!("{}/{}", key.task, key.node)).collect();
        names.sort();
        names
    }

    /// Gives up the state that has waited longest since it could not be written. False if there is none.
    pub fn give_up_one(&self) -> bool {
        let mut pending = self.lock();
        let failed = pending.states.iter().filter(|(_, entry)| !entry.queued);
        let Some(key) = failed.min_by_key(|(_, entry)| entry.number).map(|(key, _)| key.clone()) else {
            return false;
        };
        if let Some(entry) = pending.states.remove(&key) {
            log_for!(
                error,
                entry.state.labels,
                "the last state is lost: it could not be written, and there is no more room for it in memory"
            );
        }
        true
    }
}
