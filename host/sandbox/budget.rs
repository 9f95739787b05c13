//! The limits of all sandboxes of the process together: `[host]`.
//!
//! A task that does not fit is refused when it starts. A task that runs is bounded by its own limits, and goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use thiserror::Error;

use crate::config::HostLimits;
use crate::units::Bytes;

/// Which limit of `[host]` keeps a sandbox from starting, and what to do.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BudgetError {
    /// There is not enough memory left.
    #[error(
        "starting this sandbox needs {needs} of memory, but all sandboxes already use {used} of host.memory = {limit}: raise it, or disable other tasks"
    )]
    Memory {
        /// Memory that the sandbox starts with.
        needs: Bytes,
        /// Memory that all sandboxes use.
        used: Bytes,
        /// The limit.
        limit: Bytes,
    },
    /// There are as many sandboxes as may be.
    #[error("as many sandboxes run as host.sandboxes = {limit} allows: raise it, or disable other tasks")]
    Sandboxes {
        /// The limit.
        limit: u64,
    },
}

/// What all sandboxes use, and their limits.
#[derive(Debug)]
pub struct Budget {
    limits: HostLimits,
    sandboxes: AtomicU64,
    memory: AtomicU64,
}

impl Budget {
    /// The budget of a process without sandboxes.
    pub fn new(limits: HostLimits) -> Arc<Self> {
        Arc::new(Self { limits, sandboxes: AtomicU64::new(0), memory: AtomicU64::new(0) })
    }

    /// The right to have a sandbox that starts with `needs` of memory.
    ///
    /// # Errors
    ///
    /// Which limit is reached, and what to do.
    pub fn permit(self: &Arc<Self>, needs: Bytes) -> Result<SandboxPermit, BudgetError> {
        let used = Bytes(self.memory.load(Relaxed));
        if used.0.saturating_add(needs.0) > self.limits.memory.0 {
            return Err(BudgetError::Memory { needs, used, limit: self.limits.memory });
        }
        let permit = SandboxPermit(Arc::clone(self));
        if self.sandboxes.fetch_add(1, Relaxed) >= self.limits.sandboxes {
            return Err(BudgetError::Sandboxes { limit: self.limits.sandboxes });
        }
        Ok(permit)
    }

    /// An empty reservation of memory.
    pub fn reservation(self: &Arc<Self>) -> MemoryReservation {
        MemoryReservation { budget: Arc::clone(self), bytes: 0 }
    }
}

/// The right to have one sandbox, until it is dropped.
#[derive(Debug)]
pub struct SandboxPermit(Arc<Budget>);

impl Drop for SandboxPermit {
    fn drop(&mut self) {
        self.0.sandboxes.fetch_sub(1, Relaxed);
    }
}

/// Memory that is counted for one sandbox, until it is dropped.
#[derive(Debug)]
pub struct MemoryReservation {
    budget: Arc<Budget>,
    bytes: u64,
}

impl MemoryReservation {
    /// Reserved bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Changes the reservation to `bytes`.
    pub fn set(&mut self, bytes: u64) {
        self.budget.memory.fetch_add(bytes, Relaxed);
        self.budget.memory.fetch_sub(self.bytes, Relaxed);
        self.bytes = bytes;
    }
}

impl Drop for MemoryReservation {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returned_memory_and_permits_can_be_used_again() {
        let limits = HostLimits { sandboxes: 2, memory: Bytes(100), ..HostLimits::default() };
        let budget = Budget::new(limits);
        let mut reservation = budget.reservation();
        reservation.set(90);
        reservation.set(60);
        let (one, two) = (budget.permit(Bytes(40)).unwrap(), budget.permit(Bytes(1)).unwrap());
        let full = budget.permit(Bytes(1)).unwrap_err().to_string();
        assert!(full.contains("host.sandboxes = 2"), "{full}");
        drop(one);
        let full = budget.permit(Bytes(41)).unwrap_err().to_string();
        assert!(full.contains("use 60B of host.memory = 100B"), "{full}");
        drop(reservation);
        let three = budget.permit(Bytes(41)).unwrap();
        assert!(budget.permit(Bytes(0)).is_err());
        drop((two, three));
    }
}
