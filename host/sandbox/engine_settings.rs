//! The settings of wasmtime that compilers and engines share.

use wasmtime::{Config, WasmFeatures};

use super::guest::HOST_STACK;
use crate::units::Bytes;

/// The settings of all engines, those that only compile included. An engine that compiles has one more:
/// NaNs get the same bits on every machine, so that the same input has the same output.
pub(super) fn settings(stack: Bytes) -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.max_wasm_stack(stack.as_usize());
    config.async_stack_size(stack.as_usize() + HOST_STACK);
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
    // A plugin has one core for its compilation, so that tasks have the others.
    config.parallel_compilation(false);
    config
}
