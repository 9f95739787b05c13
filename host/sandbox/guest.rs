//! What belongs to a store beside the instance.

use wasmtime::ResourceLimiter;
use wasmtime_wasi::p1::WasiP1Ctx;

use super::budget::MemoryReservation;
use super::determinism::Determinism;
use super::guest_log::SharedLog;
use crate::units::Bytes;

/// Most bytes that one call of a guest may have the host copy or make, beside its memory: text that is
/// printed, random bytes, clocks that are waited for. Such a call is not interrupted by a tick.
pub(crate) const MAX_HOST_CALL: usize = 1024 * 1024;

/// What belongs to a store beside the instance.
pub(crate) struct Guest {
    pub(super) limiter: Limiter,
    pub(super) log: SharedLog,
    pub(super) determinism: Determinism,
    /// Made when the guest first asks for it.
    pub(super) wasi: Option<Box<WasiP1Ctx>>,
}

pub(super) struct Limiter {
    pub(super) memory: Bytes,
    pub(super) table: u32,
    /// What the guest asked for when it was refused.
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
