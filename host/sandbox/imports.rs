//! All that a guest can import: `kapacitor.log`, and WASI preview 1 with nothing granted.

use wasmtime::{Caller, Extern, Linker};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::WasiP1Ctx;

use super::guest::{Guest, MAX_HOST_CALL};
use super::guest_log::{GuestLog, Level, MAX_TEXT, lock};

/// Gives guests `kapacitor.log(level: i32, ptr: i32, len: i32)` and WASI.
pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "kapacitor",
        "log",
        |mut caller: Caller<'_, Guest>, level: i32, ptr: i32, len: i32| {
            let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
                return;
            };
            let (bytes, guest) = memory.data_and_store_mut(&mut caller);
            let start = ptr as u32 as usize;
            // Longer text is cut anyway, so the rest is not read.
            let len = (len as u32 as usize).min(4 * MAX_TEXT);
            if let Some(text) = start.checked_add(len).and_then(|end| bytes.get(start..end)) {
                lock(&guest.log).say(Level::from_number(level), text);
            }
        },
    )?;
    wasmtime_wasi::p1::add_to_linker_async(linker, Guest::wasi)
}

impl Guest {
    /// The guest's WASI: stdout and stderr become log lines, clocks and random numbers are deterministic, and
    /// nothing else is granted.
    fn wasi(&mut self) -> &mut WasiP1Ctx {
        self.wasi.get_or_insert_with(|| {
            let mut wasi = WasiCtxBuilder::new();
            wasi.stdout(GuestLog::stream(&self.log, Level::Info))
                .stderr(GuestLog::stream(&self.log, Level::Error))
                .allow_tcp(false)
                .allow_udp(false)
                .max_random_size(MAX_HOST_CALL as u64);
            self.determinism.give(&mut wasi);
            Box::new(wasi.build_p1())
        })
    }
}
