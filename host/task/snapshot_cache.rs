//! The last snapshot of a task.

use crate::state::{SnapshotFlags, now};

/// Data may be so much later than its time, in nanoseconds, and be of now: three hours, since a batch query
/// may have an offset.
const LATE: i128 = 3 * 3600 * 1_000_000_000;

/// And so much earlier: the times of a replay begin with its start, and then it is faster than they are.
const AHEAD: i128 = 2 * 1_000_000_000;

/// So many points tell whether a task's data is of now. One host with a wrong clock does not, nor what was
/// late once.
const MEMORY: u64 = 10_000;

/// The state of a task at one moment.
pub(crate) struct Taking {
    /// Whether the state is another one than `last`.
    pub changed: bool,
    /// The last snapshot, and what was marked on it.
    pub(super) last: Option<(SnapshotFlags, Vec<u8>)>,
    /// What is to be marked on the next one.
    pub flags: SnapshotFlags,
    /// See [`crate::state::snapshot::SnapshotHeader::started_at`].
    pub started_at: i64,
    /// How many of the last points were of now, and how many were not.
    pub(super) live: u64,
    pub(super) other: u64,
}

impl Taking {
    /// A state that begins now.
    pub fn new() -> Self {
        Self {
            changed: false,
            last: None,
            flags: SnapshotFlags::default(),
            started_at: now(),
            live: 0,
            other: 0,
        }
    }

    /// Bytes that it takes.
    pub fn size(&self) -> usize {
        self.last.as_ref().map_or(0, |(_, bytes)| bytes.len())
    }

    /// What is known of the data and of Kapacitor holds for the task that takes over, too.
    pub fn succeed(&mut self, before: &Self) {
        self.flags = before.flags;
        (self.live, self.other) = (before.live, before.other);
    }

    /// Another state begins now.
    pub fn begin(&mut self) {
        let Self { live, other, .. } = *self;
        *self = Self { flags: SnapshotFlags { given: false, ..self.flags }, live, other, ..Self::new() };
    }

    /// Notes the time of the last of some points.
    pub fn note_time(&mut self, time: i64, points: u64) {
        let behind = i128::from(now()) - i128::from(time);
        let count = if (-AHEAD..=LATE).contains(&behind) { &mut self.live } else { &mut self.other };
        *count += points.max(1);
        if self.live + self.other > MEMORY {
            self.live /= 2;
            self.other /= 2;
        }
    }
}
