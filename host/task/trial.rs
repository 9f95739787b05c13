//! What the workbench asks of a task beyond what Kapacitor does: to be seen, and to fail on purpose.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use super::counts::Counts;
use super::plugin_metrics::PluginMetrics;
use crate::protocol::frame::{self, Kind};

/// A task on trial. The default is a task as Kapacitor runs it.
#[derive(Clone, Default)]
pub struct Trial {
    /// Sees what becomes of the input.
    pub observer: Option<Arc<dyn Observer>>,
    /// Whether each frame is given to the plugin in a call by itself, so that the observer knows which ones the plugin
    /// skips.
    pub one_by_one: bool,
    /// Calls that fail on purpose.
    pub failures: Option<ForcedFailures>,
}

impl Trial {
    /// Tells who observes the task, if anyone does.
    pub(super) fn observe(&self, tell: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = &self.observer {
            tell(&**observer);
        }
    }
}

/// Sees what becomes of the input of a task.
pub trait Observer: Send + Sync {
    /// The host has skipped this frame, and so many points with it, since the plugin has failed like this.
    fn skipped(&self, frame: &[u8], error: &str, points: u64);

    /// The plugin has skipped so many of the points of this call.
    fn declined(&self, frames: &[u8], points: u64);

    /// A snapshot was asked for, and this is why there is none of the state as it is now.
    fn no_snapshot(&self, error: &str);

    /// The plugin has failed like this at the end of its input, and what it would have sent is lost.
    fn failed_at_end(&self, error: &str);

    /// The task has ended.
    fn ended(&self, end: &TrialEnd);
}

/// A task at its end.
#[derive(Clone, Debug, Default)]
pub struct TrialEnd {
    /// What has become of the points.
    pub counts: Counts,
    /// The values of the plugin's own metrics.
    pub metrics: PluginMetrics,
    /// CPU time of all calls into the plugin.
    pub computed: Duration,
    /// Size of the memory that makes up the plugin's state, in bytes.
    pub memory: u64,
}

/// Which frames fail on purpose: the call that gets one fails after the plugin has computed, as if it had trapped at
/// its end.
///
/// A frame is chosen by a hash of its bytes, so that it fails whenever it is given to the plugin, alone or with
/// others, and everyone who knows the seed can say which ones are chosen.
#[derive(Clone, Copy, Debug)]
pub struct ForcedFailures {
    /// Makes the choice a different one.
    pub seed: u64,
    /// One in so many frames is chosen.
    pub one_in: u64,
    /// Whether batches are chosen, by their End, rather than points.
    pub batches: bool,
}

impl ForcedFailures {
    /// Whether this frame, whole with its length, is chosen.
    pub fn choose(&self, frame: &[u8]) -> bool {
        let Some((kind, frame, _)) = frame::first_data(frame) else { return false };
        if !matches!((kind, self.batches), (Kind::Point, false) | (Kind::End, true)) {
            return false;
        }
        let mut hasher = DefaultHasher::new();
        (self.seed, frame).hash(&mut hasher);
        hasher.finish().is_multiple_of(self.one_in.max(1))
    }

    /// Whether one of these frames is chosen.
    pub(super) fn choose_any(&self, mut frames: &[u8]) -> bool {
        while let Some((_, frame, rest)) = frame::first_data(frames) {
            if self.choose(frame) {
                return true;
            }
            frames = rest;
        }
        false
    }
}
