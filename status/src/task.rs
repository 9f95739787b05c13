//! UDF nodes of tasks: what they do, and what went wrong.

use serde::{Deserialize, Serialize};

use crate::RECENT_SECONDS;

/// One UDF node of one task. Counts begin when the host starts, and go on from one session to the next.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Task {
    /// The function that it calls.
    pub function: String,
    /// Kapacitor's task id; `(other)` stands for all nodes of the function that are not told apart.
    pub task: String,
    /// Kapacitor's node id.
    pub node: String,
    /// What it does now.
    pub state: TaskState,
    /// What it runs, or ran last.
    pub plugin: PluginVersion,
    /// Connections of Kapacitor that run it now; a replay is one more.
    pub sessions: u64,
    /// Tasks that were started.
    pub starts: u64,
    /// Points that Kapacitor sent.
    pub points_in: u64,
    /// Points that Kapacitor gets.
    pub points_out: u64,
    /// Points of the input that nothing came of.
    pub points_skipped: PointsSkipped,
    /// Points that went on unchanged, since the plugin had failed.
    pub points_passed_through: u64,
    /// Points of the output that were left out, since InfluxDB can't store them.
    pub points_dropped: u64,
    /// Points of the output that lost fields which InfluxDB can't store.
    pub points_reduced: u64,
    /// Calls at which the plugin failed.
    pub failures: u64,
    /// Times that the plugin was brought back with its state.
    pub recoveries: u64,
    /// Checkpoints that were not written.
    pub checkpoint_failures: u64,
    /// Calls of the plugin.
    pub calls: u64,
    /// Time for which the plugin computed.
    pub guest_cpu_seconds: f64,
    /// Time for which input or output waited.
    pub blocked_seconds: BlockedSeconds,
    /// Input that waits for the plugin.
    pub queue_bytes: u64,
    /// How long the oldest of it has waited, to a tenth of a second.
    pub queue_age_seconds: f64,
    /// Output that Kapacitor has not read yet.
    pub output_bytes: u64,
    /// Memory of the plugin.
    pub sandbox_memory_bytes: u64,
    /// Counters and gauges of the plugin's own.
    pub plugin_metrics: Vec<PluginMetric>,
    /// The last state that was taken; `None` before the first one.
    pub snapshot: Option<Snapshot>,
    /// Over the last five seconds or so; `None` until they are known.
    pub rates: Option<Rates>,
    /// The rates so far, where the request asked for them.
    pub history: Option<History>,
    /// The last error of the plugin or the task.
    pub last_error: Option<LastError>,
    /// What was skipped last, because the plugin failed at it.
    pub last_skipped: Option<LastSkipped>,
}

impl Task {
    /// Whether its last error is recent at the time `now`, in seconds since 1970.
    pub fn has_recent_error(&self, now: f64) -> bool {
        self.last_error.as_ref().is_some_and(|error| now - error.timestamp_seconds <= RECENT_SECONDS)
    }
}

/// A metric of a plugin's own, as it is now for one UDF node.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct PluginMetric {
    /// Its name, such as `anomalies`.
    pub name: String,
    /// What the plugin says of it.
    pub help: String,
    /// `counter` or `gauge`.
    pub kind: String,
    /// Its value; `None` if that is not a finite number, which JSON can't hold.
    pub value: Option<f64>,
}

/// What a UDF node does.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskState {
    /// The plugin has failed, and its input goes on unchanged.
    PassesThrough,
    /// Input has waited for the plugin for more than a second.
    WaitsForPlugin,
    /// Output waits for Kapacitor to read it, and input has waited for more than a second.
    WaitsForKapacitor,
    /// It runs.
    Runs,
    /// No connection runs it.
    #[default]
    Ended,
}

impl TaskState {
    /// All of them; those that need a look come first.
    pub const ALL: [Self; 5] =
        [Self::PassesThrough, Self::WaitsForPlugin, Self::WaitsForKapacitor, Self::Runs, Self::Ended];

    /// Its name in JSON and in a query.
    pub fn name(self) -> &'static str {
        match self {
            Self::PassesThrough => "passes-through",
            Self::WaitsForPlugin => "waits-for-plugin",
            Self::WaitsForKapacitor => "waits-for-kapacitor",
            Self::Runs => "runs",
            Self::Ended => "ended",
        }
    }
}

/// Number of UDF nodes, by what they do.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct TasksInState {
    /// See [`TaskState::PassesThrough`].
    pub passes_through: u64,
    /// See [`TaskState::WaitsForPlugin`].
    pub waits_for_plugin: u64,
    /// See [`TaskState::WaitsForKapacitor`].
    pub waits_for_kapacitor: u64,
    /// See [`TaskState::Runs`].
    pub runs: u64,
    /// See [`TaskState::Ended`].
    pub ended: u64,
}

impl TasksInState {
    /// The numbers of these nodes.
    pub fn of(tasks: &[Task]) -> Self {
        let mut counts = Self::default();
        for task in tasks {
            *match task.state {
                TaskState::PassesThrough => &mut counts.passes_through,
                TaskState::WaitsForPlugin => &mut counts.waits_for_plugin,
                TaskState::WaitsForKapacitor => &mut counts.waits_for_kapacitor,
                TaskState::Runs => &mut counts.runs,
                TaskState::Ended => &mut counts.ended,
            } += 1;
        }
        counts
    }

    /// Number of those in `state`.
    pub fn get(&self, state: TaskState) -> u64 {
        match state {
            TaskState::PassesThrough => self.passes_through,
            TaskState::WaitsForPlugin => self.waits_for_plugin,
            TaskState::WaitsForKapacitor => self.waits_for_kapacitor,
            TaskState::Runs => self.runs,
            TaskState::Ended => self.ended,
        }
    }

    /// Number of all.
    pub fn sum(&self) -> u64 {
        TaskState::ALL.into_iter().map(|state| self.get(state)).sum()
    }
}

/// One version of a plugin.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct PluginVersion {
    /// The plugin; empty if it is not known.
    pub name: String,
    /// SHA-256 of its file, in hex.
    pub sha256: String,
}

/// Points of the input that nothing came of, by reason.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
pub struct PointsSkipped {
    /// The plugin skipped them.
    pub plugin: u64,
    /// The plugin failed at them.
    pub failure: u64,
    /// They were dropped by `policy.on-full`.
    pub queue_full: u64,
    /// The connection or the task ended before.
    pub unfinished: u64,
}

impl PointsSkipped {
    /// All of them.
    pub fn sum(&self) -> u64 {
        let Self { plugin, failure, queue_full, unfinished } = self;
        [failure, queue_full, unfinished].into_iter().fold(*plugin, |sum, count| sum.saturating_add(*count))
    }
}

/// Time for which input or output waited.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct BlockedSeconds {
    /// For the plugin.
    pub plugin: f64,
    /// For Kapacitor to read.
    pub kapacitor: f64,
}

/// A state that was taken, for Kapacitor or for a checkpoint.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Snapshot {
    /// Its size.
    pub bytes: u64,
    /// Time that it took.
    pub duration_seconds: f64,
    /// When it was taken.
    pub timestamp_seconds: f64,
}

/// What a UDF node does in a second.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Rates {
    /// Points that Kapacitor sends.
    pub points_in_per_second: f32,
    /// Points that Kapacitor gets.
    pub points_out_per_second: f32,
    /// Time for which the plugin computes; 1 is a whole core.
    pub guest_cpu_seconds_per_second: f32,
}

/// Rates of the past, the oldest first. The lists are of one length, 60 at most.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct History {
    /// Time between two of them, about.
    pub interval_seconds: f64,
    /// Points that Kapacitor sent.
    pub points_in_per_second: Vec<f32>,
    /// Points that Kapacitor got.
    pub points_out_per_second: Vec<f32>,
    /// Time for which the plugin computed.
    pub guest_cpu_seconds_per_second: Vec<f32>,
}

/// An error of a plugin or a task.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct LastError {
    /// When.
    pub timestamp_seconds: f64,
    /// What went wrong, as the log says; cut if it is long.
    pub error: String,
}

/// Points that were skipped, because the plugin failed at them.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct LastSkipped {
    /// When.
    pub timestamp_seconds: f64,
    /// How the plugin failed; cut if it is long.
    pub reason: String,
    /// Number of points: one, or all points of a batch.
    pub points: u64,
    /// The first of them in line protocol, or in words; cut if it is long.
    pub point: String,
}

/// A task that could not start.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct RefusedStart {
    /// The function that it calls.
    pub function: String,
    /// Kapacitor's task id.
    pub task: String,
    /// Kapacitor's node id.
    pub node: String,
    /// When it was tried last.
    pub timestamp_seconds: f64,
    /// What Kapacitor was answered; cut if it is long.
    pub error: String,
}
