//! All that a guest can import: `kapacitor.log`, and WASI preview 1 with nothing granted.

use wasmtime::{Caller, Extern, Linker};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::WasiP1Ctx;

use super::guest::{Guest, MAX_HOST_CALL};
use super::guest_log::{GuestLog, Level, MAX_TEXT, lock};
use super::poll::{BadPointer, Errno, Poll};

/// The module of WASI preview 1.
const WASI: &str = "wasi_snapshot_preview1";

/// Number of descriptors of a guest: stdin, stdout and stderr.
const DESCRIPTORS: u32 = 3;

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
    wasmtime_wasi::p1::add_to_linker_async(linker, Guest::wasi)?;
    linker.allow_shadowing(true);
    add_without_real_time(linker)?;
    add_without_state(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Replaces the function that waits: the one of `wasmtime_wasi` sleeps, and returns what is due by then.
fn add_without_real_time(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.func_wrap(
        WASI,
        "poll_oneoff",
        |mut caller: Caller<'_, Guest>, subscriptions: i32, events: i32, count: i32, number: i32| {
            let [subscriptions, events, count, number] =
                [subscriptions, events, count, number].map(|parameter| parameter as u32);
            let memory = caller.get_export("memory").and_then(Extern::into_memory);
            let (bytes, guest) = match &memory {
                Some(memory) => memory.data_and_store_mut(&mut caller),
                None => (&mut [][..], caller.data_mut()),
            };
            let errno = Poll { subscriptions, events, count, number }.run(bytes, &guest.determinism);
            errno.map(|errno| errno as i32).map_err(|bad: BadPointer| wasmtime::Error::from(bad))
        },
    )?;
    Ok(())
}

/// Replaces the functions that close and move descriptors: the table of descriptors would be state that no snapshot
/// holds, and recovery gives it back as it was at the start.
fn add_without_state(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let is_open = |fd: i32| (fd as u32) < DESCRIPTORS;
    linker.func_wrap(WASI, "fd_close", move |fd: i32| {
        // As if another descriptor of the same stream was closed.
        (if is_open(fd) { Errno::Success } else { Errno::Badf }) as i32
    })?;
    linker.func_wrap(WASI, "fd_renumber", move |from: i32, to: i32| {
        let errno = match (is_open(from) && is_open(to), from == to) {
            (false, _) => Errno::Badf,
            (true, true) => Errno::Success,
            (true, false) => Errno::Notsup,
        };
        errno as i32
    })?;
    Ok(())
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
