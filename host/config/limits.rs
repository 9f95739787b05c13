//! The limits of one sandbox, and of all sandboxes together.
//!
//! The keys are documented in the `udf.toml` that is shipped.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::layered::layered;
use crate::units::{Bytes, Share, Span};

layered! {
    /// `[limits]`, complete: the limits of one sandbox.
    Limits, PartialLimits:
    /// Maximum linear memory.
    memory: Bytes = Bytes::mib(64);
    /// Maximum number of entries in a table of functions.
    table: u32 = 100_000;
    /// Maximum computing time of one call.
    call_deadline: Span = Span(Duration::from_secs(1));
    /// Maximum part of one core's time in the long run.
    cpu_share: Share = Share::ALL;
    /// Maximum stack of the guest's functions.
    stack: Bytes = Bytes::kib(512);
    /// Maximum size of what one call returns, and of a batch that is still open.
    output: Bytes = Bytes::mib(64);
    /// Maximum number of points that one call returns.
    output_points: u64 = 1_000_000;
    /// Maximum log text per second; more is dropped.
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

    /// A limit that is zero, so that nothing could run.
    pub(super) fn zero(&self) -> Option<&'static str> {
        let limits = [
            ("limits.memory", self.memory.0 == 0),
            ("limits.call-deadline", self.call_deadline.0.is_zero()),
            ("limits.cpu-share", self.cpu_share.is_zero()),
            ("limits.output", self.output.0 == 0),
            ("limits.output-points", self.output_points == 0),
        ];
        limits.into_iter().find_map(|(key, is_zero)| is_zero.then_some(key))
    }
}

/// `[host]`: the limits of all sandboxes together, and of loading one plugin.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct HostLimits {
    /// Maximum number of running sandboxes.
    pub sandboxes: u64,
    /// Maximum memory of all sandboxes, with the memory that recovery holds.
    pub memory: Bytes,
    /// Maximum size of a `.wasm` file.
    pub module: Bytes,
    /// Maximum time for compiling one plugin.
    pub compile_deadline: Span,
    /// Maximum memory for compiling one plugin.
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

impl HostLimits {
    /// A limit that is zero, so that nothing could run.
    pub(super) fn zero(&self) -> Option<&'static str> {
        let limits = [
            ("host.sandboxes", self.sandboxes == 0),
            ("host.memory", self.memory.0 == 0),
            ("host.module", self.module.0 == 0),
            ("host.compile-deadline", self.compile_deadline.0.is_zero()),
            ("host.compile-memory", self.compile_memory.0 == 0),
        ];
        limits.into_iter().find_map(|(key, is_zero)| is_zero.then_some(key))
    }
}
