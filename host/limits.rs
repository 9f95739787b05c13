//! What one sandbox may use, and what all of them together may.
//!
//! The keys are documented in the `udf.toml` that is shipped.

use std::time::Duration;

use serde::Deserialize;

use crate::units::{Bytes, Share, Span};

/// Declares settings that `udf.toml` gives in two places, for all functions and for one: the complete
/// ones with their defaults, and the ones as written, where what is absent comes from the level above.
macro_rules! layered {
    (
        $(#[$meta:meta])* $whole:ident, $partial:ident:
        $($(#[$field_meta:meta])* $field:ident: $type:ty = $default:expr;)*
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $whole {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl Default for $whole {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        #[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub(crate) struct $partial {
            $(pub(crate) $field: Option<$type>,)*
        }

        impl $partial {
            /// These, and those of `base` where there is none.
            pub(crate) fn over(self, base: $whole) -> $whole {
                $whole { $($field: self.$field.unwrap_or(base.$field),)* }
            }
        }
    };
}

pub(crate) use layered;

layered! {
    /// `[limits]`, complete: the limits of one sandbox.
    Limits, PartialLimits:
    /// Linear memory.
    memory: Bytes = Bytes::mib(64);
    /// Entries of one table of functions.
    table: u32 = 100_000;
    /// Time that one call may compute.
    call_deadline: Span = Span(Duration::from_secs(1));
    /// Part of one core's time, over [`crate::pace::WINDOW`].
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
