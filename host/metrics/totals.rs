//! Sums of what sessions have done.

use std::time::{Duration, SystemTime};

use super::history::Progress;
use crate::sandbox::CALL_TIME_BUCKETS;
use crate::task::Counts;

/// What sessions have done, all together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// What has become of the points.
    pub counts: Counts,
    /// Points of the input that were dropped since the queue was full.
    pub queue_full: u64,
    /// Points of the input that nothing has become of, of the sessions that have ended.
    pub unfinished: u64,
    /// Time for which the plugin has computed.
    pub computed: Duration,
    /// Number of calls, by how long they took: see [`crate::sandbox::CALL_TIME_BOUNDS`].
    pub calls: [u64; CALL_TIME_BUCKETS],
    /// Time for which input waited for the plugin.
    pub waited_for_plugin: Duration,
    /// Time for which output waited for Kapacitor.
    pub waited_for_kapacitor: Duration,
    /// Checkpoints that were not written.
    pub checkpoint_failures: u64,
}

impl Totals {
    /// What of this makes rates.
    pub fn progress(&self) -> Progress {
        let Counts { points_in, points_out, .. } = self.counts;
        Progress { points_in, points_out, computed: self.computed }
    }

    /// Adds those of other sessions.
    pub fn add(&mut self, other: &Self) {
        let Self {
            counts,
            queue_full,
            unfinished,
            computed,
            calls,
            waited_for_plugin,
            waited_for_kapacitor,
            checkpoint_failures,
        } = other;
        self.counts.add(counts);
        self.queue_full += queue_full;
        self.unfinished += unfinished;
        self.computed += *computed;
        self.calls.iter_mut().zip(calls).for_each(|(sum, count)| *sum += count);
        self.waited_for_plugin += *waited_for_plugin;
        self.waited_for_kapacitor += *waited_for_kapacitor;
        self.checkpoint_failures += checkpoint_failures;
    }
}

/// A state that was taken, for Kapacitor or for a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshotted {
    /// When.
    pub at: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// Size in bytes.
    pub bytes: u64,
}
