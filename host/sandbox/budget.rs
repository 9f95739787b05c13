//! The limits of all sandboxes of the process together: `[host]`.
//!
//! A task that does not fit is refused when it starts. A task that runs is bounded by its own limits, and goes on.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use thiserror::Error;

use super::system_limits::{SandboxRoom, SystemLimit, SystemLimits};
use crate::config::HostLimits;
use crate::units::Bytes;

/// Interval at which the memory mappings of a process with many sandboxes are counted.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// Which limit of `[host]` or of the operating system keeps a sandbox or a connection from starting, and what to do.
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
    /// A limit of the operating system is near.
    #[error("{running} sandboxes run, and no more fit within {limit}, or disable other tasks")]
    System {
        /// Number of running sandboxes.
        running: u64,
        /// The limit that a further one would exceed.
        limit: SystemLimit,
    },
    /// The process has as many connections as its file descriptors allow.
    #[error("{open} connections are open, and no more fit within {limit}, or disable other tasks")]
    Connections {
        /// Number of open connections.
        open: u64,
        /// The limit that a further one would exceed.
        limit: SystemLimit,
    },
}

/// What all sandboxes use, and their limits.
#[derive(Debug)]
pub struct Budget {
    limits: RwLock<HostLimits>,
    system: SystemLimits,
    sandboxes: AtomicU64,
    connections: AtomicU64,
    memory: AtomicU64,
}

impl Budget {
    /// The budget of a process without sandboxes.
    pub fn new(limits: HostLimits) -> Arc<Self> {
        Arc::new(Self {
            limits: RwLock::new(limits),
            system: SystemLimits::of_process(),
            sandboxes: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            memory: AtomicU64::new(0),
        })
    }

    /// Sets other limits. What is beyond them goes on.
    pub fn set_limits(&self, limits: HostLimits) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    fn limits(&self) -> HostLimits {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts from now on what the sandboxes take of the limits of the operating system, in a thread that ends with
    /// the budget.
    ///
    /// # Errors
    ///
    /// When the thread can't start.
    pub fn follow_system(self: &Arc<Self>) -> io::Result<()> {
        let budget = Arc::downgrade(self);
        thread::Builder::new().name("limits".to_owned()).spawn(move || {
            while let Some(budget) = budget.upgrade() {
                let running = budget.sandboxes.load(Relaxed);
                if budget.system.is_worth_counting(running) {
                    budget.system.count(running);
                }
                drop(budget);
                thread::sleep(COUNT_INTERVAL);
            }
        })?;
        Ok(())
    }

    /// The number of sandboxes that fit on this machine and into `host.sandboxes`, and which of the limits it is.
    pub fn room(&self) -> (u64, String) {
        let SandboxRoom { sandboxes, limit } = self.system.room(self.sandboxes.load(Relaxed));
        let configured = self.limits().sandboxes;
        if configured <= sandboxes {
            (configured, format!("host.sandboxes = {configured}"))
        } else {
            (sandboxes, limit.to_string())
        }
    }

    /// The right to have a connection.
    ///
    /// # Errors
    ///
    /// When there would be too few file descriptors left for the host itself.
    pub fn connection(self: &Arc<Self>) -> Result<ConnectionPermit, BudgetError> {
        let permit = ConnectionPermit(Arc::clone(self));
        let open = self.connections.fetch_add(1, Relaxed);
        if open >= self.system.connections() {
            return Err(BudgetError::Connections { open, limit: self.system.descriptors() });
        }
        Ok(permit)
    }

    /// The right to have a sandbox that starts with `needs` of memory.
    ///
    /// # Errors
    ///
    /// Which limit is reached, and what to do.
    pub fn permit(self: &Arc<Self>, needs: Bytes) -> Result<SandboxPermit, BudgetError> {
        let limits = self.limits();
        let used = Bytes(self.memory.load(Relaxed));
        if used.0.saturating_add(needs.0) > limits.memory.0 {
            return Err(BudgetError::Memory { needs, used, limit: limits.memory });
        }
        let permit = SandboxPermit(Arc::clone(self));
        let running = self.sandboxes.fetch_add(1, Relaxed);
        if running >= limits.sandboxes {
            return Err(BudgetError::Sandboxes { limit: limits.sandboxes });
        }
        self.system.check(running).map_err(|limit| BudgetError::System { running, limit })?;
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

/// The right to have one connection, until it is dropped.
#[derive(Debug)]
pub struct ConnectionPermit(Arc<Budget>);

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
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
