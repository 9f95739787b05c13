//! What the sandboxes of one session share.

use std::sync::Arc;

use super::budget::Budget;
use super::deadline::CallClock;
use super::determinism::Determinism;
use super::guest_log::{GuestLog, SharedLog};
use crate::config::{HostLimits, Limits};
use crate::logging::Labels;

/// What the sandboxes of one session share. There is one at a time: after a failure, a fresh one takes its
/// place.
pub struct SandboxContext {
    /// Labels of the log lines.
    pub labels: Arc<Labels>,
    /// The log of the guests, with one limit for all of them.
    pub log: SharedLog,
    /// Limits of each sandbox.
    pub limits: Limits,
    /// Measures the calls, one at a time.
    pub clock: Arc<CallClock>,
    /// The clock and the random numbers of the guests.
    pub determinism: Determinism,
    /// Counts the memory of all sandboxes of the process.
    pub budget: Arc<Budget>,
}

impl SandboxContext {
    /// The context of a sandbox without a session.
    pub fn without_session(labels: Labels, limits: Limits) -> Self {
        let labels = Arc::new(labels);
        Self {
            log: GuestLog::new(Arc::clone(&labels), limits.log_per_second),
            labels,
            limits,
            clock: CallClock::new(),
            determinism: Determinism::new(0),
            budget: Budget::new(HostLimits::default()),
        }
    }
}
