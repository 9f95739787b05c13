//! What the host does where a plugin fails, can't keep up, or sends what Kapacitor takes badly.
//!
//! The keys are documented in the `udf.toml` that is shipped.

use serde::Deserialize;

use crate::limits::layered;
use crate::units::Bytes;

layered! {
    /// `[policy]`, complete: the policies of one function.
    Policy, PartialPolicy:
    /// What happens when a plugin fails.
    on_trap: OnTrap = OnTrap::Recover;
    /// More failures of one task within a minute end it.
    failures_per_minute: u32 = 60;
    /// Input of one sandbox that is kept to recover it.
    journal: Bytes = Bytes::mib(8);
    /// What happens when more input waits than may.
    on_full: OnFull = OnFull::Block;
    /// What happens to a number that is NaN or infinite.
    not_finite: Unwanted = Unwanted::Drop;
    /// What happens to a point without fields.
    no_fields: Unwanted = Unwanted::Drop;
    /// Whether responses must fit the edge that the plugin provides.
    edge_check: EdgeCheck = EdgeCheck::Strict;
}

/// `on-trap`: what happens when a call traps, exceeds a limit, or returns an error or what Kapacitor
/// must not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFull {
    /// Nothing more is read, and Kapacitor waits.
    Block,
    /// What arrives is dropped.
    DropNewest,
    /// What has waited longest is dropped.
    DropOldest,
}

/// What happens to something that Kapacitor takes, and what is behind it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EdgeCheck {
    /// A stream is points, a batch edge is batches.
    Strict,
    /// Both may carry both.
    Loose,
}
