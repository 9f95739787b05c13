//! The functions that a guest exports.

use wasmtime::{Instance, Store, TypedFunc, WasmParams, WasmResults};

use super::guest::Guest;

/// A guest's functions, looked up once.
pub(super) struct Calls {
    pub(super) input: TypedFunc<i32, i32>,
    pub(super) info: TypedFunc<(), i64>,
    pub(super) init: TypedFunc<(i32, i32), i64>,
    pub(super) process: TypedFunc<(i32, i32), i64>,
    pub(super) finish: TypedFunc<(), i64>,
    pub(super) snapshot: Option<TypedFunc<(), i64>>,
    pub(super) restore: Option<TypedFunc<(i32, i32), i64>>,
}

impl Calls {
    pub(super) fn of(instance: Instance, store: &mut Store<Guest>) -> wasmtime::Result<Self> {
        Ok(Self {
            input: instance.get_typed_func(&mut *store, "udf_input")?,
            info: instance.get_typed_func(&mut *store, "udf_info")?,
            init: instance.get_typed_func(&mut *store, "udf_init")?,
            process: instance.get_typed_func(&mut *store, "udf_process")?,
            finish: instance.get_typed_func(&mut *store, "udf_finish")?,
            snapshot: optional(instance, store, "udf_snapshot"),
            restore: optional(instance, store, "udf_restore"),
        })
    }
}

/// A function that a guest need not have. `get_typed_func` would make an error with a backtrace for each one that is
/// missing, whenever a task starts: with `RUST_BACKTRACE` that takes milliseconds.
pub(super) fn optional<P: WasmParams, R: WasmResults>(
    instance: Instance,
    store: &mut Store<Guest>,
    name: &str,
) -> Option<TypedFunc<P, R>> {
    instance.get_func(&mut *store, name)?.typed(&*store).ok()
}
