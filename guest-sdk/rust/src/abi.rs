//! The calling convention of guest interface 1, and the only unsafe code of the crate.
//!
//! The unsafe code consists of declarations: one import, whose signature the host guarantees, and
//! exports, whose names no other function has. The input is read through the buffer that the host wrote it
//! to, and the host copies results out of the memory by itself. The only raw pointers that are read lead to
//! data that `kapacitor-wasm pack` has put into the module, and to the record of where they are.

/// Makes a plugin of a type that implements [`Stream`](crate::Stream) or [`Batch`](crate::Batch).
///
/// Use it once in a crate of type `cdylib`: `register!(Plugin)`, or `register!(Plugin, snapshot)` if the
/// plugin implements [`Snapshot`](crate::Snapshot) as well. In a native build it exports nothing, so that
/// unit tests can run the plugin.
///
/// It defines no names in the crate and depends on none: a plugin may have its own `Result` or `String`.
///
/// In a WebAssembly build it expands to `#[unsafe(no_mangle)]` functions. Their names, `udf_*` and
/// `kapacitor_udf_abi_1`, must not be exported by the crate in another way. A crate with
/// `#![forbid(unsafe_code)]` can use `register!`: the lint does not apply to macros of other crates.
#[macro_export]
macro_rules! register {
    ($plugin:ty) => {
        $crate::register!(@ $plugin, calls);
    };
    ($plugin:ty, snapshot) => {
        $crate::register!(@ $plugin, calls_with_snapshot);

        // SAFETY: the names belong to the guest interface, and no other function of a plugin has them.
        #[cfg(target_family = "wasm")]
        const _: () = {
            #[unsafe(no_mangle)]
            extern "C" fn udf_snapshot() -> ::core::primitive::i64 {
                $crate::abi::snapshot()
            }

            #[unsafe(no_mangle)]
            extern "C" fn udf_state_version() -> ::core::primitive::i32 {
                $crate::abi::state_version()
            }

            #[unsafe(no_mangle)]
            extern "C" fn udf_restore(
                _: ::core::primitive::i32,
                kapacitor_length: ::core::primitive::i32,
            ) -> ::core::primitive::i64 {
                $crate::abi::restore(kapacitor_length)
            }
        };
    };
    (@ $plugin:ty, $calls:ident) => {
        impl $crate::runtime::Registered for $plugin {
            fn calls() -> ::std::boxed::Box<dyn $crate::runtime::Calls> {
                $crate::runtime::$calls::<$plugin, _>()
            }
        }

        // In a native build nothing else may use the plugin, and yet it is not dead code.
        #[cfg(not(target_family = "wasm"))]
        const _: fn() -> ::std::boxed::Box<dyn $crate::runtime::Calls> =
            <$plugin as $crate::runtime::Registered>::calls;

        // SAFETY: the names belong to the guest interface, and no other function of a plugin has them.
        #[cfg(target_family = "wasm")]
        const _: () = {
            /// Never called: its name is the version of the guest interface.
            #[unsafe(no_mangle)]
            extern "C" fn kapacitor_udf_abi_1() {}

            #[unsafe(no_mangle)]
            extern "C" fn udf_input(kapacitor_length: ::core::primitive::i32) -> ::core::primitive::i32 {
                $crate::abi::input(<$plugin as $crate::runtime::Registered>::calls, kapacitor_length)
            }

            #[unsafe(no_mangle)]
            extern "C" fn udf_info() -> ::core::primitive::i64 {
                $crate::abi::info(<$plugin as $crate::runtime::Registered>::calls)
            }

            #[unsafe(no_mangle)]
            extern "C" fn udf_init(
                _: ::core::primitive::i32,
                kapacitor_length: ::core::primitive::i32,
            ) -> ::core::primitive::i64 {
                $crate::abi::init(kapacitor_length)
            }

            #[unsafe(no_mangle)]
            extern "C" fn udf_process(
                _: ::core::primitive::i32,
                kapacitor_length: ::core::primitive::i32,
            ) -> ::core::primitive::i64 {
                $crate::abi::process(kapacitor_length)
            }

            #[unsafe(no_mangle)]
            extern "C" fn udf_metrics() -> ::core::primitive::i64 {
                $crate::abi::metrics(<$plugin as $crate::runtime::Registered>::calls)
            }

            #[unsafe(no_mangle)]
            extern "C" fn udf_metric_values() -> ::core::primitive::i32 {
                $crate::abi::metric_values()
            }

            #[unsafe(no_mangle)]
            extern "C" fn udf_finish() -> ::core::primitive::i64 {
                $crate::abi::finish()
            }
        };
    };
}

#[cfg(target_family = "wasm")]
pub use wasm::*;

#[cfg(target_family = "wasm")]
#[expect(unsafe_code, reason = "the import of the guest interface")]
mod wasm {
    use std::cell::RefCell;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use crate::calls::Calls;

    #[link(wasm_import_module = "kapacitor")]
    // The host provides `log` with this signature, and refuses a module that imports it with
    // another one. It checks that the text lies in the module's memory, so any arguments are safe.
    unsafe extern "C" {
        #[link_name = "log"]
        safe fn host_log(level: u32, text: *const u8, length: usize);
    }

    thread_local! {
        /// The plugin. A module has one thread and one plugin.
        static CALLS: RefCell<Option<Box<dyn Calls>>> = const { RefCell::new(None) };
    }

    /// The values of the metrics, where the host reads them after a call: those of 16 metrics of the plugin's own, and the
    /// number of groups. An atomic number is a static that can be written without unsafe code, and costs nothing more in
    /// a module with one thread.
    static METRICS: [AtomicU64; 17] = [const { AtomicU64::new(0) }; 17];

    /// Log level of the message of a panic, which the host reports as the reason of the trap.
    const PANIC: u32 = 4;

    /// Passes a line to the host, which copies it before it returns.
    pub fn log(level: u32, text: &str) {
        host_log(level, text.as_ptr(), text.len());
    }

    /// The address of a buffer of at least `length` bytes. The host asks for it before every call that
    /// has an input, so the plugin is created here.
    pub fn input(new: fn() -> Box<dyn Calls>, length: i32) -> i32 {
        create(new);
        CALLS.with_borrow_mut(|current| match current {
            Some(calls) => calls.input(length as usize).as_mut_ptr() as i32,
            None => 0,
        })
    }

    /// See [`Calls::info`]. The host may call it first, so the plugin is created here as well.
    pub fn info(new: fn() -> Box<dyn Calls>) -> i64 {
        create(new);
        call(|calls| calls.info())
    }

    /// See [`Calls::metrics`]. The host calls it before any other call that has an input.
    pub fn metrics(new: fn() -> Box<dyn Calls>) -> i64 {
        create(new);
        call(|calls| calls.metrics())
    }

    /// The address of the values of the metrics.
    pub fn metric_values() -> i32 {
        METRICS.as_ptr() as i32
    }

    /// See [`Calls::init`].
    pub fn init(length: i32) -> i64 {
        call(|calls| calls.init(length as usize))
    }

    /// See [`Calls::process`].
    pub fn process(length: i32) -> i64 {
        call(|calls| calls.process(length as usize))
    }

    /// See [`Calls::finish`].
    pub fn finish() -> i64 {
        call(|calls| calls.finish())
    }

    /// See [`Calls::snapshot`].
    pub fn snapshot() -> i64 {
        call(|calls| calls.snapshot())
    }

    /// See [`Calls::restore`].
    pub fn restore(length: i32) -> i64 {
        call(|calls| calls.restore(length as usize))
    }

    /// See [`Calls::state_version`].
    pub fn state_version() -> i32 {
        CALLS.with_borrow(|current| current.as_ref().map_or(0, |calls| calls.state_version() as i32))
    }

    /// Where packed data are. The host's `pack` finds this record by its first 16 bytes, and writes the address of the
    /// data and their length in place of the last two numbers. No byte is zero, since tools leave out zeros.
    static PACKED: [u64; 4] =
        [u64::from_le_bytes(*b"kapacito"), u64::from_le_bytes(*b"r:packed"), u64::MAX, u64::MAX];

    /// The data that were packed into the module. Only a module that calls this function has the record.
    pub fn packed() -> Option<&'static [u8]> {
        // SAFETY: the pointer leads to a static, which is always there. The read is volatile because the numbers that the compiler knows are not
        // those that the module has in the end.
        let [_, _, address, length] = unsafe { std::ptr::read_volatile(&raw const PACKED) };
        if length == u64::MAX {
            return None;
        }
        let data = std::ptr::with_exposed_provenance(address as usize);
        // SAFETY: `pack` has enlarged the initial memory by at least `length` bytes from `address`, has filled these, and
        // refuses an empty slice. They lie behind all that the linker has placed or left to the allocator, and below
        // all that `memory.grow` gives, so nothing else uses them or ever writes to them.
        Some(unsafe { std::slice::from_raw_parts(data, length as usize) })
    }

    /// Creates the plugin, unless it exists.
    fn create(new: fn() -> Box<dyn Calls>) {
        CALLS.with_borrow_mut(|current| {
            if current.is_none() {
                std::panic::set_hook(Box::new(|info| {
                    let text = info.payload_as_str().unwrap_or("no message");
                    match info.location() {
                        Some(at) => log(PANIC, &format!("{text}, at {}:{}", at.file(), at.line())),
                        None => log(PANIC, text),
                    }
                }));
                *current = Some(new());
            }
        });
    }

    /// Makes a call; returns the address and the length of its result.
    fn call(run: impl FnOnce(&mut dyn Calls)) -> i64 {
        CALLS.with_borrow_mut(|current| match current {
            Some(calls) => {
                run(&mut **calls);
                for (index, place) in METRICS.iter().enumerate() {
                    let Some(value) = calls.metric_value(index) else { break };
                    place.store(value, Relaxed);
                }
                let result = calls.result();
                (result.as_ptr() as i64) << 32 | result.len() as i64
            }
            None => 0,
        })
    }
}
