//! The limits of all sandboxes and connections of the process together: `[host]`.
//!
//! A task that does not fit is refused when it starts. Memory that a running task asks for is counted before it gets
//! it: what does not fit into `host.memory` is refused, so that the call, the copy or the read that needs it fails and
//! the process never takes more.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use thiserror::Error;

use super::system_limits::{SandboxRoom, SystemLimit, SystemLimits};
use crate::config::HostLimits;
use crate::faults;
use crate::units::Bytes;

/// Interval at which the memory mappings of a process with many sandboxes are counted.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// Part of `host.memory`, as its divisor, that copies for recovery leave to sandboxes and connections.
const ESSENTIAL: u64 = 8;

/// Which limit of `[host]` or of the operating system keeps a sandbox or a connection from starting, and what to do.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BudgetError {
    /// There is not enough memory left.
    #[error("starting this sandbox needs {0}")]
    Memory(MemoryFull),
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

/// Memory was refused, since all sandboxes and connections together would have more than `host.memory`.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "{needs} more of memory, but all tasks together already use {used} of {limit}, or disable other tasks",
    used = readable(*used)
)]
pub struct MemoryFull {
    /// Memory that was asked for.
    pub needs: Bytes,
    /// Memory that is counted for all sandboxes and connections.
    pub used: Bytes,
    /// The limit.
    pub limit: MemoryLimit,
}

/// The limit of the memory of all sandboxes and connections, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryLimit {
    /// `host.memory`.
    Configured(Bytes),
    /// Three quarters of the memory of the machine or of its control group, where `host.memory` is more.
    Machine(Bytes),
    /// What the limit of the private memory of the process leaves, where it is less.
    Data(Bytes),
}

impl MemoryLimit {
    /// The limit in bytes.
    pub fn bytes(self) -> Bytes {
        match self {
            Self::Configured(bytes) | Self::Machine(bytes) | Self::Data(bytes) => bytes,
        }
    }
}

impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configured(bytes) => write!(f, "host.memory = {bytes}: raise it"),
            Self::Data(bytes) => {
                let bytes = readable(*bytes);
                write!(
                    f,
                    "{bytes}, half of what the private memory of this process has beside the host itself: raise LimitDATA= in the unit of systemd, or `ulimit -d` where the host is started"
                )
            }
            Self::Machine(bytes) => {
                let bytes = readable(*bytes);
                write!(
                    f,
                    "{bytes}, three quarters of the memory of this machine or control group: add memory"
                )
            }
        }
    }
}

/// `bytes` in whole MiB, if they are that many.
fn readable(bytes: Bytes) -> Bytes {
    if bytes.0 < 1 << 20 { bytes } else { Bytes(bytes.0 >> 20 << 20) }
}

/// What all sandboxes and connections use, and their limits.
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

    /// The limit of the memory of all sandboxes and connections.
    pub fn memory_limit(&self) -> MemoryLimit {
        let (configured, machine) = (self.limits().memory, self.system.memory());
        let data = self.system.data_memory();
        if data < configured.min(machine) {
            MemoryLimit::Data(data)
        } else if configured <= machine {
            MemoryLimit::Configured(configured)
        } else {
            MemoryLimit::Machine(machine)
        }
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
            faults::keep(|| {
                while let Some(budget) = budget.upgrade() {
                    let running = budget.sandboxes.load(Relaxed);
                    if budget.system.is_worth_counting(running) {
                        budget.system.count(running);
                    }
                    drop(budget);
                    thread::sleep(COUNT_INTERVAL);
                }
            });
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

    /// Number of sandboxes that there are.
    pub fn sandboxes(&self) -> u64 {
        self.sandboxes.load(Relaxed)
    }

    /// Number of connections that there are.
    pub fn connections(&self) -> u64 {
        self.connections.load(Relaxed)
    }

    /// Maximum number of connections, and which limit that is.
    pub fn connections_limit(&self) -> (u64, String) {
        (self.system.connections(), self.system.descriptors().to_string())
    }

    /// Memory that counts in `host.memory` now.
    pub fn memory(&self) -> Bytes {
        Bytes(self.memory.load(Relaxed))
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
        self.memory_for(needs).map_err(BudgetError::Memory)?;
        let permit = SandboxPermit(Arc::clone(self));
        let running = self.sandboxes.fetch_add(1, Relaxed);
        if running >= limits.sandboxes {
            return Err(BudgetError::Sandboxes { limit: limits.sandboxes });
        }
        self.system.check(running).map_err(|limit| BudgetError::System { running, limit })?;
        Ok(permit)
    }

    /// Whether `needs` of memory are free now.
    ///
    /// # Errors
    ///
    /// When they are not.
    fn memory_for(&self, needs: Bytes) -> Result<(), MemoryFull> {
        let (used, limit) = (Bytes(self.memory.load(Relaxed)), self.memory_limit());
        if used.0.saturating_add(needs.0) > limit.bytes().0 {
            return Err(MemoryFull { needs, used, limit });
        }
        Ok(())
    }

    /// Counts `more` bytes, unless all would be more than `most` then.
    fn take(&self, more: u64, most: u64) -> Result<(), MemoryFull> {
        let taken = self
            .memory
            .fetch_update(Relaxed, Relaxed, |used| used.checked_add(more).filter(|all| *all <= most));
        taken.map(|_| ()).map_err(|used| {
            let [needs, used] = [more, used].map(Bytes);
            MemoryFull { needs, used, limit: self.memory_limit() }
        })
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

/// Memory that is counted, until this is dropped.
#[derive(Debug)]
pub struct MemoryReservation {
    budget: Arc<Budget>,
    bytes: u64,
}

impl MemoryReservation {
    /// An empty reservation in the same budget.
    pub fn another(&self) -> Self {
        self.budget.reservation()
    }

    /// Reserved bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Counts `bytes`, which the process has in any case.
    pub fn set(&mut self, bytes: u64) {
        if bytes > self.bytes {
            self.budget.memory.fetch_add(bytes - self.bytes, Relaxed);
        } else if bytes < self.bytes {
            self.budget.memory.fetch_sub(self.bytes - bytes, Relaxed);
        }
        self.bytes = bytes;
    }

    /// Changes the reservation to `bytes`.
    ///
    /// # Errors
    ///
    /// When they do not fit into `host.memory`: then nothing changes.
    pub fn try_set(&mut self, bytes: u64) -> Result<(), MemoryFull> {
        self.try_set_within(bytes, self.budget.memory_limit().bytes().0)
    }

    /// The same for memory that the process can do without: the last [`ESSENTIAL`] part of `host.memory` is left to
    /// other uses.
    ///
    /// # Errors
    ///
    /// As [`MemoryReservation::try_set`].
    pub fn try_set_optional(&mut self, bytes: u64) -> Result<(), MemoryFull> {
        let limit = self.budget.memory_limit().bytes().0;
        self.try_set_within(bytes, limit - limit / ESSENTIAL)
    }

    fn try_set_within(&mut self, bytes: u64, most: u64) -> Result<(), MemoryFull> {
        if bytes > self.bytes {
            self.budget.take(bytes - self.bytes, most)?;
            self.bytes = bytes;
        } else {
            self.set(bytes);
        }
        Ok(())
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

    #[test]
    fn memory_beyond_the_limit_is_refused_and_nothing_changes() {
        let budget = Budget::new(HostLimits { memory: Bytes(80), ..HostLimits::default() });
        let (mut one, mut two) = (budget.reservation(), budget.reservation());
        one.try_set(50).unwrap();
        let full = two.try_set(31).unwrap_err();
        assert_eq!(
            full,
            MemoryFull { needs: Bytes(31), used: Bytes(50), limit: MemoryLimit::Configured(Bytes(80)) }
        );
        two.try_set(20).unwrap();
        // Copies leave an eighth free.
        assert!(two.try_set_optional(21).is_err());
        assert_eq!(two.bytes(), 20);
        two.try_set(30).unwrap();
        one.try_set(40).unwrap();
        // What is there counts in any case.
        one.set(90);
        assert!(two.try_set(31).is_err());
        drop(one);
        two.try_set_optional(70).unwrap();
    }
}
