//! What one sandbox may use, and what all of them together may.
//!
//! The keys are documented in the `udf.toml` that is shipped.

use std::time::Duration;

use serde::Deserialize;

use super::layered::layered;
use crate::units::{Bytes, Share, Span};

layered! {
    /// `[limits]`, complete: the limits of one sandbox.
    Limits, PartialLimits:
    /// Linear memory.
    memory: Bytes = Bytes::mib(64);
    /// Entries of one table of functions.
    table: u32 = 100_000;
    /// Time that one call may compute.
    call_deadline: Span = Span(Duration::from_secs(1));
    /// Part of one core's time, over [`crate::task::throttle::WINDOW`].
    cpu_share: Share = Share::ALL;
    /// Stack of the guest's functions.
    stack: Bytes = Bytes::kib(512);
    /// What one call may return, and a batch that is still open.
    output: Bytes = Bytes::mib(64);
    /// Points that one call may return.
    output_points: u64 = 1_000_000;
    /// Log text per second; more is dropped.
    log_per_second: Bytes = Bytes::kib(16);
}

impl Limits {
    /// The greater of both, limit by limit.
    #[must_use]
    pub fn or_more(self, other: &Self) -> Self {
        Self {
            memory: self.memory.max(other.memory),
            table: self.table.max(other.table),
            call_deadline: self.call_deadline.max(other.call_deadline),
            cpu_share: self.cpu_share.max(other.cpu_share),
            stack: self.stack.max(other.stack),
            output: self.output.max(other.output),
            output_points: self.output_points.max(other.output_points),
            log_per_second: self.log_per_second.max(other.log_per_second),
        }
    }

    /// Whether a limit lets nothing run at all.
    pub(crate) fn are_zero(&self) -> bool {
        self.memory.0 == 0
            || self.call_deadline.0.is_zero()
            || self.cpu_share.is_zero()
            || self.output.0 == 0
            || self.output_points == 0
    }
}

/// `[host]`: what all sandboxes together may use, and what loading one plugin may.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct HostLimits {
    /// Running sandboxes.
    pub sandboxes: u64,
    /// Linear memory of all sandboxes, and what is kept to recover them.
    pub memory: Bytes,
    /// Largest `.wasm` file.
    pub module: Bytes,
    /// Time that compiling one plugin may take.
    pub compile_deadline: Span,
    /// Memory that compiling one plugin may take.
    pub compile_memory: Bytes,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self {
            sandboxes: 20_000,
            memory: Bytes::mib(64 * 1024),
            module: Bytes::mib(32),
            compile_deadline: Span(Duration::from_secs(30)),
            compile_memory: Bytes::mib(4 * 1024),
        }
    }
}
