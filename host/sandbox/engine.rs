//! The one wasmtime engine of the process: how guests are compiled, and the clock that interrupts
//! them.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use wasmtime::{Cache, CacheConfig, Config, Linker, WasmFeatures};

use super::imports;
use crate::sandbox::guest::{Guest, HOST_STACK};
use crate::units::Bytes;

/// Interval at which a running guest is interrupted, to compare its time with its deadline and to let other
/// guests run.
pub const TICK: Duration = Duration::from_millis(10);

/// The engine and the imports of its guests. There is one for the whole process, since compiled plugins belong
/// to their engine.
pub struct Engine {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) linker: Linker<Guest>,
}

impl Engine {
    /// Creates the engine with `stack` bytes of guest stack, and starts its clock, a thread that ends with the
    /// engine. Machine code is stored in the folder `code`, if there is one.
    ///
    /// # Errors
    ///
    /// When wasmtime can't run on this machine with these settings.
    pub fn new(stack: Bytes, code: Option<&Path>) -> Result<Self> {
        let mut config = Config::new();
        if let Some(folder) = code {
            let mut cache = CacheConfig::new();
            cache.with_directory(folder);
            let cache = Cache::new(cache).map_err(anyhow::Error::from);
            config.cache(Some(cache.with_context(|| format!("{}: can't be used", folder.display()))?));
        }
        config.epoch_interruption(true);
        config.max_wasm_stack(stack.as_usize());
        config.async_stack_size(stack.as_usize() + HOST_STACK);
        // NaNs get the same bits on every machine, so that the same input has the same output.
        config.cranelift_nan_canonicalization(true);
        // Proposals that no plugin needs are off: they would be more to get wrong in the sandbox, and each of the
        // first three would be state that a snapshot does not hold.
        config.wasm_features(
            WasmFeatures::MEMORY64
                | WasmFeatures::MULTI_MEMORY
                | WasmFeatures::THREADS
                | WasmFeatures::RELAXED_SIMD
                | WasmFeatures::EXCEPTIONS
                | WasmFeatures::STACK_SWITCHING,
            false,
        );
        let wasmtime = wasmtime::Engine::new(&config)
            .map_err(anyhow::Error::from)
            .context("wasmtime can't start on this machine")?;
        let mut linker = Linker::new(&wasmtime);
        imports::add_to_linker(&mut linker)?;
        start_clock(&wasmtime)?;
        Ok(Self { wasmtime, linker })
    }
}

/// Starts the clock, which ticks for as long as the engine lives. One clock serves all sandboxes, and each has a
/// deadline of its own: a faster tick to stop one guest would interrupt all others as well.
fn start_clock(engine: &wasmtime::Engine) -> Result<()> {
    let engine = engine.weak();
    thread::Builder::new()
        .name("epoch".to_owned())
        .spawn(move || {
            loop {
                thread::sleep(TICK);
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })
        .context("the clock thread can't start")?;
    Ok(())
}
