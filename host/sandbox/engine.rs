//! The one wasmtime engine of the process: how guests are compiled, and what they import.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use wasmtime::{Linker, Module};

use super::engine_settings::settings;
use super::imports;
use super::machine_code::{CodeFolder, LoadError};
use super::ticker::Ticker;
use crate::sandbox::guest::Guest;
use crate::units::Bytes;

/// The engine and the imports of its guests. There is one for the whole process, since compiled plugins belong
/// to their engine.
pub struct Engine {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) linker: Linker<Guest>,
    /// The folder through which it gets machine code; `None` if it compiles by itself.
    code: Option<CodeFolder>,
    /// The clock that interrupts the guests.
    ticker: Arc<Ticker>,
    /// Dropped last, when wasmtime's engine is gone.
    _wake: WakeAtEnd,
}

/// Wakes a clock when it is dropped, so that its thread sees that the engine is gone, and ends.
struct WakeAtEnd(Arc<Ticker>);

impl Drop for WakeAtEnd {
    fn drop(&mut self) {
        self.0.wake();
    }
}

impl Engine {
    /// Creates the engine with `stack` bytes of guest stack, and starts its clock, a thread that ends with the
    /// engine. With a private folder `code`, it loads machine code through that, and has no compiler.
    ///
    /// # Errors
    ///
    /// When wasmtime can't run on this machine with these settings.
    pub fn new(stack: Bytes, code: Option<&Path>) -> Result<Self> {
        let mut config = settings(stack);
        let code = match code {
            Some(folder) => {
                let used = CodeFolder::use_in(&mut config, folder).map_err(anyhow::Error::from);
                Some(used.with_context(|| format!("{}: can't be used", folder.display()))?)
            }
            None => {
                config.cranelift_nan_canonicalization(true);
                None
            }
        };
        let wasmtime = wasmtime::Engine::new(&config)
            .map_err(anyhow::Error::from)
            .context("wasmtime can't start on this machine")?;
        let mut linker = Linker::new(&wasmtime);
        imports::add_to_linker(&mut linker)?;
        let ticker = Ticker::start(wasmtime.weak()).context("the clock thread can't start")?;
        Ok(Self { wasmtime, linker, code, _wake: WakeAtEnd(Arc::clone(&ticker)), ticker })
    }

    /// The clock that interrupts the guests.
    pub(crate) fn ticker(&self) -> &Arc<Ticker> {
        &self.ticker
    }

    /// Whether this engine compiles by itself, rather than load machine code.
    pub(crate) fn compiles(&self) -> bool {
        self.code.is_none()
    }

    /// Loads the module `wasm` from its machine code, or compiles it if this engine compiles by itself.
    ///
    /// The machine code must be what `CodeCompiler::compile` has returned for `wasm`, unchanged: the processor will
    /// run it.
    ///
    /// # Errors
    ///
    /// When the code can't be handed over to wasmtime, or does not fit.
    pub(crate) fn load(&self, wasm: &[u8], code: &[u8]) -> Result<Module, LoadError> {
        match &self.code {
            Some(folder) => folder.load(&self.wasmtime, wasm, code),
            None => Module::new(&self.wasmtime, wasm).map_err(LoadError::Unfit),
        }
    }
}
