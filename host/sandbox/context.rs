//! What the sandboxes of one session share.

use std::sync::Arc;

use super::budget::Budget;
use super::deadline::CallClock;
use super::determinism::Determinism;
use super::guest_log::{GuestLog, SharedLog};
use crate::config::{HostLimits, Limits};
use crate::logging::Labels;

/// What the sandboxes of one session have in common: one follows the other when it has failed.
pub struct SandboxContext {
    /// Whose log lines these are.
    pub labels: Arc<Labels>,
    /// What they log: one after the other, they have no more than one alone.
    pub log: SharedLog,
    /// What each may use.
    pub limits: Limits,
    /// Measures the calls.
    pub clock: Arc<CallClock>,
    /// The clock and the random numbers that a guest gets.
    pub determinism: Determinism,
    /// Where the memory is counted.
    pub budget: Arc<Budget>,
}

impl SandboxContext {
    /// Those of a sandbox that belongs to no session.
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
