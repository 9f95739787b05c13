//! What the host does when a plugin fails, can't keep up, or sends output that Kapacitor or InfluxDB rejects.
//!
//! The keys are documented in the `udf.toml` that is shipped.

use serde::{Deserialize, Serialize};

use super::layered::layered;
use crate::units::Bytes;

layered! {
    /// `[policy]`, complete: the policies of one function.
    Policy, PartialPolicy:
    /// What happens when a plugin fails.
    on_trap: OnTrap = OnTrap::Recover;
    /// Maximum number of failures of one task within a minute; more end the task.
    failures_per_minute: u32 = 60;
    /// Maximum input that is held to recover a sandbox.
    journal: Bytes = Bytes::mib(8);
    /// What happens when too much input waits.
    on_full: OnFull = OnFull::Block;
    /// What happens to a number that is NaN or infinite.
    not_finite: Unwanted = Unwanted::Drop;
    /// What happens to a point without fields.
    no_fields: Unwanted = Unwanted::Drop;
    /// What happens to a name or a time that InfluxDB can't store.
    unwritable: Unwanted = Unwanted::Drop;
    /// Whether responses must fit the edge that the plugin provides.
    edge_check: EdgeCheck = EdgeCheck::Strict;
    /// What happens to a state that does not fit.
    on_mismatch: OnMismatch = OnMismatch::Fresh;
    /// What running tasks do when their plugin gets a new version.
    on_update: OnUpdate = OnUpdate::Keep;
}

impl PartialPolicy {
    /// These policies, but for those that the workbench needs to be as in `other`.
    pub(crate) fn overridden_by(self, other: Self) -> Self {
        Self {
            on_trap: other.on_trap.or(self.on_trap),
            failures_per_minute: other.failures_per_minute.or(self.failures_per_minute),
            on_full: other.on_full.or(self.on_full),
            on_mismatch: other.on_mismatch.or(self.on_mismatch),
            ..self
        }
    }
}

/// `on-trap`: what happens when a call traps, exceeds a limit, or returns an error or a response that Kapacitor must
/// not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnTrap {
    /// The state goes back to before the frame that failed, and that frame is skipped.
    Recover,
    /// The plugin starts anew, without state, behind the frame that failed.
    Restart,
    /// The plugin is called no more, and its input goes on unchanged.
    PassThrough,
    /// The task ends.
    Fail,
}

/// `on-full`: what happens when `sessions.queue` is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFull {
    /// Nothing more is read, and Kapacitor waits.
    Block,
    /// New input is dropped.
    DropNewest,
    /// The input that has waited longest is dropped.
    DropOldest,
}

/// What happens to output that Kapacitor accepts and the systems behind it reject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unwanted {
    /// It is left out, and counted.
    Drop,
    /// The call that returned it has failed.
    Fail,
    /// It goes on.
    Pass,
}

/// `edge-check`: whether responses must fit the edge that the plugin provides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeCheck {
    /// A stream is points, a batch edge is batches.
    Strict,
    /// Both may carry both.
    Loose,
}

/// `on-mismatch`: what happens to a state that does not fit the task that is to go on with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnMismatch {
    /// It is set aside, and the task starts clean.
    Fresh,
    /// It is set aside, and the task does not start.
    Fail,
    /// As `Fresh`. It was different while a plugin was not asked whether it reads another version of its own format.
    Restore,
}

/// `on-update`: what running tasks do when the file of their plugin was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnUpdate {
    /// They stay with the version that they began with.
    Keep,
    /// The new version goes on with the state that the old one gives in the plugin's own format.
    Migrate,
    /// The new version begins without state.
    Restart,
}

/// `state.checkpoints`: which tasks have a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckpointPolicy {
    /// Tasks whose data is live, which a replay's is not.
    #[default]
    Live,
    /// All tasks.
    Always,
    /// No task.
    Never,
}
