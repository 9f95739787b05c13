//! The data of a store: the limits, the log and the WASI of one guest.

use wasmtime::ResourceLimiter;
use wasmtime_wasi::p1::WasiP1Ctx;

use super::budget::{MemoryFull, MemoryReservation};
use super::determinism::Determinism;
use super::guest_log::SharedLog;
use crate::config::Limits;
use crate::units::Bytes;

/// Maximum number of bytes that the host copies or makes for one call of a guest to the host: printed text,
/// random bytes, clocks to wait for. No tick interrupts such a call.
pub(crate) const MAX_HOST_CALL: usize = 1024 * 1024;

/// Size of the stack for the host's own functions that a guest calls, in bytes, on top of the guest's stack.
pub(super) const HOST_STACK: usize = 256 * 1024;

/// Size of an entry of a table in bytes.
const TABLE_ENTRY: usize = 8;

/// Size in bytes of wasmtime's own data for one sandbox, at most.
const OWN_DATA: u64 = 32 * 1024;

/// The data of a store.
pub(crate) struct Guest {
    pub(super) limiter: Limiter,
    pub(super) log: SharedLog,
    pub(super) determinism: Determinism,
    /// Created when the guest first uses it.
    pub(super) wasi: Option<Box<WasiP1Ctx>>,
}

pub(super) struct Limiter {
    memory: Bytes,
    table: u32,
    /// The last request for memory that was refused.
    pub(super) refused: Option<Refused>,
    /// Counts what the sandbox has.
    reservation: MemoryReservation,
    /// What was counted before the last growth.
    before: u64,
}

pub(super) enum Refused {
    Memory(Bytes),
    Table(usize),
    Host(MemoryFull),
}

impl Limiter {
    /// The limiter of a sandbox under `limits`, whose stack is counted from the start.
    ///
    /// # Errors
    ///
    /// When there is no room for a sandbox.
    pub(super) fn new(limits: &Limits, mut reservation: MemoryReservation) -> Result<Self, MemoryFull> {
        reservation.try_set(sandbox_overhead(limits))?;
        let before = reservation.bytes();
        Ok(Self { memory: limits.memory, table: limits.table, refused: None, reservation, before })
    }

    /// Counts `more` bytes. False if they do not fit into `host.memory`.
    fn grow(&mut self, more: u64) -> bool {
        self.before = self.reservation.bytes();
        let grown = self.reservation.try_set(self.before.saturating_add(more));
        self.refused = grown.err().map(Refused::Host);
        self.refused.is_none()
    }
}

/// Memory in bytes that a sandbox takes beside its linear memory and its tables: the stack, which stays allocated
/// between two calls, and wasmtime's own data.
pub(crate) fn sandbox_overhead(limits: &Limits) -> u64 {
    limits.stack.0.saturating_add(HOST_STACK as u64 + OWN_DATA)
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, now: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired as u64 > self.memory.0 {
            self.refused = Some(Refused::Memory(Bytes(desired as u64)));
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(now) as u64))
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.reservation.set(self.before);
        Ok(())
    }

    fn table_growing(&mut self, now: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.table as usize {
            self.refused = Some(Refused::Table(desired));
            return Ok(false);
        }
        Ok(self.grow((desired.saturating_sub(now) * TABLE_ENTRY) as u64))
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.reservation.set(self.before);
        Ok(())
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        4
    }

    fn memories(&self) -> usize {
        1
    }
}
