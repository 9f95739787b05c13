//! What all sandboxes of the process use together: `[host]`.
//!
//! A task that does not fit is refused when it starts. One that runs is bounded by its own limits and
//! goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::config::HostLimits;
use crate::units::Bytes;

/// The sums, and their limits.
#[derive(Debug)]
pub struct Budget {
    limits: HostLimits,
    sandboxes: AtomicU64,
    memory: AtomicU64,
}

impl Budget {
    /// Nothing is used yet.
    pub fn new(limits: HostLimits) -> Arc<Self> {
        Arc::new(Self { limits, sandboxes: AtomicU64::new(0), memory: AtomicU64::new(0) })
    }

    /// A place for a sandbox that begins with `needs` of memory.
    ///
    /// # Errors
    ///
    /// Which limit is reached, and what to do.
    pub fn permit(self: &Arc<Self>, needs: Bytes) -> Result<SandboxPermit, String> {
        let used = Bytes(self.memory.load(Relaxed));
        if used.0.saturating_add(needs.0) > self.limits.memory.0 {
            return Err(format!(
                "all sandboxes together have {used} of memory, and this one needs {needs} more than host.memory = {} leaves: raise it, or disable other tasks",
                self.limits.memory
            ));
        }
        let permit = SandboxPermit(Arc::clone(self));
        if self.sandboxes.fetch_add(1, Relaxed) >= self.limits.sandboxes {
            return Err(format!(
                "as many sandboxes run as host.sandboxes = {} allows: raise it, or disable other tasks",
                self.limits.sandboxes
            ));
        }
        Ok(permit)
    }

    /// An account of memory, empty.
    pub fn reservation(self: &Arc<Self>) -> MemoryReservation {
        MemoryReservation { budget: Arc::clone(self), bytes: 0 }
    }
}

/// One running sandbox, until it is dropped.
#[derive(Debug)]
pub struct SandboxPermit(Arc<Budget>);

impl Drop for SandboxPermit {
    fn drop(&mut self) {
        self.0.sandboxes.fetch_sub(1, Relaxed);
    }
}

/// Memory that one sandbox has, until it is dropped.
#[derive(Debug)]
pub struct MemoryReservation {
    budget: Arc<Budget>,
    bytes: u64,
}

impl MemoryReservation {
    /// Bytes in it.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// It holds `bytes` now.
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
    fn what_is_given_back_can_be_used_again() {
        let limits = HostLimits { sandboxes: 2, memory: Bytes(100), ..HostLimits::default() };
        let budget = Budget::new(limits);
        let mut reservation = budget.reservation();
        reservation.set(90);
        reservation.set(60);
        let (one, two) = (budget.permit(Bytes(40)).unwrap(), budget.permit(Bytes(1)).unwrap());
        let full = budget.permit(Bytes(1)).unwrap_err();
        assert!(full.contains("host.sandboxes = 2"), "{full}");
        drop(one);
        let full = budget.permit(Bytes(41)).unwrap_err();
        assert!(full.contains("have 60B") && full.contains("host.memory = 100B"), "{full}");
        drop(reservation);
        let three = budget.permit(Bytes(41)).unwrap();
        assert!(budget.permit(Bytes(0)).is_err());
        drop((two, three));
    }
}
