//! The last snapshot of a task, and what is marked on the next one.

use crate::sandbox::MemoryReservation;
use crate::state::{SnapshotFlags, now};

/// The last snapshot, valid until the state changes.
#[derive(Debug)]
pub struct SnapshotCache {
    /// Whether the state may differ from the last snapshot.
    changed: bool,
    /// The last snapshot, and the flags that are marked on it.
    last: Option<(SnapshotFlags, Vec<u8>)>,
    /// Flags of the next snapshot.
    pub flags: SnapshotFlags,
    /// When the state began: see [`crate::state::SnapshotHeader::started_at`].
    pub started_at: i64,
    /// When the state began that Kapacitor was sent a snapshot of.
    offered: Option<i64>,
    /// Counts the memory of the last snapshot.
    reserved: MemoryReservation,
}

/// How a state began.
#[derive(Clone, Copy, Debug)]
pub struct Beginning {
    started_at: i64,
    given: bool,
}

impl SnapshotCache {
    /// For a state that begins now. What is kept is counted by `reserved`, which is empty.
    pub fn new(reserved: MemoryReservation) -> Self {
        Self {
            changed: false,
            last: None,
            flags: SnapshotFlags::default(),
            started_at: now(),
            offered: None,
            reserved,
        }
    }

    /// How the state began.
    pub fn beginning(&self) -> Beginning {
        Beginning { started_at: self.started_at, given: self.flags.given }
    }

    /// The task goes back to a state that began like this.
    pub fn begun(&mut self, Beginning { started_at, given }: Beginning) {
        (self.started_at, self.flags.given) = (started_at, given);
        self.forget(true);
    }

    /// Forgets the last snapshot, since another state begins now, which Kapacitor was given no snapshot of.
    pub fn begin(&mut self) {
        let before = self.started_at;
        self.flags.given = false;
        self.started_at = now();
        self.begin_after(before);
        self.forget(false);
    }

    /// Kapacitor is sent a snapshot of the state. Whether it gets to read it is not known yet.
    pub fn offer(&mut self) {
        self.offered = Some(self.started_at);
    }

    /// Kapacitor has the snapshot that it was sent.
    pub fn note_received(&mut self) {
        // Another state may have begun meanwhile.
        self.flags.given |= self.offered.take() == Some(self.started_at);
    }

    /// The state begins later than one that began at `started_at`, even if the clock has gone back since then.
    pub fn begin_after(&mut self, started_at: i64) {
        self.started_at = self.started_at.max(started_at.saturating_add(1));
    }

    /// Forgets the last snapshot, since the task goes on with the state of another snapshot, which began at
    /// `started_at`. `given`: Kapacitor was given a snapshot of that state.
    pub fn restored(&mut self, started_at: i64, given: bool) {
        self.started_at = started_at;
        self.flags.given |= given;
        self.forget(false);
    }

    fn forget(&mut self, changed: bool) {
        (self.changed, self.last) = (changed, None);
        self.reserved.set(0);
    }

    /// Notes that the state changes.
    pub fn invalidate(&mut self) {
        self.changed = true;
    }

    /// Whether the state, or what is marked on it, may have changed since the last snapshot.
    pub fn has_changed(&self) -> bool {
        self.changed || self.last.as_ref().is_some_and(|(flags, _)| *flags != self.flags)
    }

    /// The last snapshot, if a new one would be the same.
    pub fn current(&self) -> Option<&[u8]> {
        let (flags, bytes) = self.last.as_ref()?;
        (!self.changed && *flags == self.flags).then_some(bytes)
    }

    /// The last snapshot, which may be out of date.
    pub fn last(&self) -> Option<&[u8]> {
        self.last.as_ref().map(|(_, bytes)| &bytes[..])
    }

    /// Remembers a snapshot, unless `host.memory` has no room for it. `current`: it is of the state as it is now.
    pub fn store(&mut self, snapshot: &[u8], current: bool) {
        if self.reserved.try_set_optional(snapshot.len() as u64).is_err() {
            self.forget(!current);
            return;
        }
        self.changed = !current;
        self.last = Some((self.flags, snapshot.to_vec()));
    }

    /// Bytes that are counted in `host.memory`.
    pub fn reserved(&self) -> u64 {
        self.reserved.bytes()
    }
}
