//! The data of a store: the limits, the log and the WASI of one guest.

use wasmtime::ResourceLimiter;
use wasmtime_wasi::p1::WasiP1Ctx;

use super::budget::MemoryReservation;
use super::determinism::Determinism;
use super::guest_log::SharedLog;
use crate::units::Bytes;

/// Maximum number of bytes that the host copies or makes for one call of a guest to the host: printed text,
/// random bytes, clocks to wait for. No tick interrupts such a call.
pub(crate) const MAX_HOST_CALL: usize = 1024 * 1024;

/// The data of a store.
pub(crate) struct Guest {
    pub(super) limiter: Limiter,
    pub(super) log: SharedLog,
    pub(super) determinism: Determinism,
    /// Created when the guest first uses it.
    pub(super) wasi: Option<Box<WasiP1Ctx>>,
}

pub(super) struct Limiter {
    pub(super) memory: Bytes,
    pub(super) table: u32,
    /// The last request for memory that was refused.
    pub(super) refused: Option<Refused>,
    pub(super) reservation: MemoryReservation,
}

pub(super) enum Refused {
    Memory(Bytes),
    Table(usize),
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired as u64 <= self.memory.0;
        if fits {
            self.reservation.set(desired as u64);
        } else {
            self.refused = Some(Refused::Memory(Bytes(desired as u64)));
        }
        Ok(fits)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired <= self.table as usize;
        if !fits {
            self.refused = Some(Refused::Table(desired));
        }
        Ok(fits)
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
