//! Has threads write the states that wait, the newest of each task.

use std::sync::Arc;

use super::checkpoints::Checkpoints;
use super::pending::{Entry, PendingState};
use crate::faults::caught;
use crate::udf_node::UdfNode;

impl Checkpoints {
    /// Has a thread write a state to the checkpoint of `key`. The state is kept in memory until it is written.
    pub(super) fn save(self: &Arc<Self>, key: &UdfNode, state: PendingState) {
        let mut pending = self.pending.lock();
        let number = pending.next;
        pending.next += 1;
        let before = pending.states.insert(key.clone(), Entry { state, number, queued: true });
        drop(pending);
        if !before.is_some_and(|entry| entry.queued) {
            self.submit_write(key);
        }
    }

    /// Tries once more to write the states that could not be written.
    pub fn retry_failed(self: &Arc<Self>) {
        let mut pending = self.pending.lock();
        let failed = pending.states.iter_mut().filter(|(_, entry)| !entry.queued);
        let keys: Vec<_> = failed
            .map(|(key, entry)| {
                entry.queued = true;
                key.clone()
            })
            .collect();
        drop(pending);
        keys.iter().for_each(|key| self.submit_write(key));
    }

    fn submit_write(self: &Arc<Self>, key: &UdfNode) {
        let (this, of) = (Arc::clone(self), key.clone());
        let what = format!("checkpoint of {}/{}", key.task, key.node);
        if self.disk.writes.submit(what, move || this.write_pending(&of)).is_err()
            && let Some(entry) = self.pending.lock().states.get_mut(key)
        {
            entry.queued = false;
            entry.state.status.fail();
        }
    }

    /// Writes the state of `key` that waits, and what comes in its place meanwhile.
    fn write_pending(self: &Arc<Self>, key: &UdfNode) {
        loop {
            let next = self.pending.lock().states.get(key).map(|Entry { state, number, .. }| {
                (*number, Arc::clone(&state.bytes), state.known.clone(), Arc::clone(&state.labels))
            });
            let Some((number, bytes, known, labels)) = next else { return };
            let failing = self.is_failing();
            // What fails by a fault of the host is tried again as what the disk refuses.
            let written = caught(|| self.write_and_say(key, &bytes, &known, &labels)).unwrap_or(false);
            let mut pending = self.pending.lock();
            let Some(entry) = pending.states.get_mut(key) else { return };
            if entry.number != number {
                continue;
            }
            let done = if written {
                entry.state.status.written();
                pending.states.remove(key)
            } else {
                entry.queued = false;
                entry.state.status.fail();
                None
            };
            drop(pending);
            // It may close a file, for which sessions must not wait.
            drop(done);
            if written && failing {
                self.retry_failed();
            }
            return;
        }
    }
}
