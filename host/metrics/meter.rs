//! What one session does: written by the session, read by whoever asks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::history::Progress;
use super::totals::{Snapshotted, Totals};
use crate::sandbox::CallClock;
use crate::task::{Counts, PluginMetrics, Troubles};

/// A session with a task.
#[derive(Debug)]
pub struct SessionMeter {
    began: Instant,
    clock: Arc<CallClock>,
    troubles: Arc<Troubles>,
    counts: [AtomicU64; Counts::PARTS],
    queue_full: AtomicU64,
    waited_for_plugin: AtomicU64,
    waited_for_kapacitor: AtomicU64,
    checkpoint_failures: AtomicU64,
    queue: AtomicU64,
    /// When the oldest input that waits came, in nanoseconds since `began`; [`NOTHING`] if none waits.
    oldest: AtomicU64,
    output: AtomicU64,
    memory: AtomicU64,
    /// Name and SHA-256 of the plugin, and the last state that was taken.
    rare: Mutex<Rare>,
    /// The plugin's own metrics.
    metrics: Mutex<PluginMetrics>,
}

#[derive(Debug, Default)]
struct Rare {
    plugin: (String, [u8; 32]),
    snapshot: Option<Snapshotted>,
}

/// What a session holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Input in bytes that waits for the plugin.
    pub queue: u64,
    /// How long the oldest of it has waited.
    pub age: Duration,
    /// Output in bytes that Kapacitor has not read.
    pub output: u64,
    /// Memory of the plugin in bytes.
    pub memory: u64,
}

const NOTHING: u64 = u64::MAX;

impl SessionMeter {
    /// A session whose calls `clock` measures, and of which `troubles` has what went wrong.
    pub fn new(clock: Arc<CallClock>, troubles: Arc<Troubles>) -> Self {
        Self {
            began: Instant::now(),
            clock,
            troubles,
            counts: Default::default(),
            queue_full: AtomicU64::new(0),
            waited_for_plugin: AtomicU64::new(0),
            waited_for_kapacitor: AtomicU64::new(0),
            checkpoint_failures: AtomicU64::new(0),
            queue: AtomicU64::new(0),
            oldest: AtomicU64::new(NOTHING),
            output: AtomicU64::new(0),
            memory: AtomicU64::new(0),
            rare: Mutex::default(),
            metrics: Mutex::default(),
        }
    }

    /// Notes which plugin the task runs from now on.
    pub fn set_plugin(&self, name: &str, sha256: [u8; 32]) {
        self.rare.lock().unwrap_or_else(PoisonError::into_inner).plugin = (name.to_owned(), sha256);
    }

    /// Notes what has become of the points.
    #[inline]
    pub fn set_counts(&self, counts: &Counts) {
        let mut counts = *counts;
        for (place, count) in self.counts.iter().zip(counts.parts()) {
            place.store(*count, Relaxed);
        }
    }

    /// Notes the values of the plugin's own metrics.
    pub fn set_metrics(&self, metrics: &PluginMetrics) {
        self.lock_metrics().copy_from(metrics);
    }

    /// The values of the plugin's own metrics.
    pub fn metrics(&self) -> PluginMetrics {
        self.lock_metrics().clone()
    }

    fn lock_metrics(&self) -> MutexGuard<'_, PluginMetrics> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the memory of the plugin, in bytes.
    #[inline]
    pub fn set_memory(&self, bytes: usize) {
        self.memory.store(bytes as u64, Relaxed);
    }

    /// Notes the bytes of input and of output that wait, and since when the oldest input waits.
    #[inline]
    pub fn set_waiting(&self, queue: usize, oldest: Option<Instant>, output: usize) {
        let since_began = |at: Instant| at.saturating_duration_since(self.began).as_nanos() as u64;
        self.queue.store(queue as u64, Relaxed);
        self.oldest.store(oldest.map_or(NOTHING, since_began), Relaxed);
        self.output.store(output as u64, Relaxed);
    }

    /// Notes the bytes of output that wait, after some were written.
    #[inline]
    pub fn set_unsent(&self, output: usize) {
        self.output.store(output as u64, Relaxed);
    }

    /// Notes the number of points that were dropped since the queue was full.
    pub fn set_queue_full(&self, points: u64) {
        self.queue_full.store(points, Relaxed);
    }

    /// Notes for how long the session has waited for the plugin and for Kapacitor.
    pub fn set_waited(&self, for_plugin: Duration, for_kapacitor: Duration) {
        self.waited_for_plugin.store(for_plugin.as_nanos() as u64, Relaxed);
        self.waited_for_kapacitor.store(for_kapacitor.as_nanos() as u64, Relaxed);
    }

    /// Notes the number of checkpoints that were not written.
    pub fn set_checkpoint_failures(&self, failures: u64) {
        self.checkpoint_failures.store(failures, Relaxed);
    }

    /// Notes a state that was taken.
    pub fn note_snapshot(&self, snapshot: Snapshotted) {
        self.rare.lock().unwrap_or_else(PoisonError::into_inner).snapshot = Some(snapshot);
    }

    /// What the session has done so far. Points that are not finished are not counted as such before it ends.
    pub fn totals(&self) -> Totals {
        let time = |nanoseconds: &AtomicU64| Duration::from_nanos(nanoseconds.load(Relaxed));
        let mut counts = Counts::default();
        for (count, place) in counts.parts().into_iter().zip(&self.counts) {
            *count = place.load(Relaxed);
        }
        Totals {
            counts,
            queue_full: self.queue_full.load(Relaxed),
            unfinished: 0,
            computed: self.clock.total(),
            calls: self.clock.times().counts(),
            waited_for_plugin: time(&self.waited_for_plugin),
            waited_for_kapacitor: time(&self.waited_for_kapacitor),
            checkpoint_failures: self.checkpoint_failures.load(Relaxed),
        }
    }

    /// Points that came in and went out, and the time for which the plugin has computed: what [`Self::totals`] has of
    /// these.
    pub fn progress(&self) -> Progress {
        let mut counts = Counts::default();
        for (count, place) in counts.parts().into_iter().zip(&self.counts) {
            *count = place.load(Relaxed);
        }
        let Counts { points_in, points_out, .. } = counts;
        Progress { points_in, points_out, computed: self.clock.total() }
    }

    /// What went wrong last.
    pub fn troubles(&self) -> &Troubles {
        &self.troubles
    }

    /// What the session holds now.
    pub fn held(&self) -> Held {
        let age = match self.oldest.load(Relaxed) {
            NOTHING => Duration::ZERO,
            oldest => self.began.elapsed().saturating_sub(Duration::from_nanos(oldest)),
        };
        Held {
            queue: self.queue.load(Relaxed),
            age,
            output: self.output.load(Relaxed),
            memory: self.memory.load(Relaxed),
        }
    }

    /// The last state that was taken.
    pub fn snapshot(&self) -> Option<Snapshotted> {
        self.rare.lock().unwrap_or_else(PoisonError::into_inner).snapshot
    }

    /// Name and SHA-256 of the plugin.
    pub fn plugin(&self) -> (String, [u8; 32]) {
        self.rare.lock().unwrap_or_else(PoisonError::into_inner).plugin.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_back_as_they_were() {
        let meter = SessionMeter::new(CallClock::new(), Arc::default());
        let mut counts = Counts::default();
        for (count, number) in counts.parts().into_iter().zip(1..) {
            *count = number;
        }
        meter.set_counts(&counts);
        let list: Vec<u64> = (1..=Counts::PARTS as u64).collect();
        assert_eq!(meter.totals().counts.parts().map(|count| *count)[..], list);
    }

    #[test]
    fn oldest_input_has_an_age_while_it_waits() {
        let meter = SessionMeter::new(CallClock::new(), Arc::default());
        assert_eq!(meter.held(), Held::default());
        meter.set_waiting(7, Some(meter.began), 9);
        let held = meter.held();
        assert!(held.age > Duration::ZERO && (held.queue, held.output) == (7, 9), "{held:?}");
        meter.set_waiting(0, None, 0);
        assert_eq!(meter.held(), Held::default());
    }
}
