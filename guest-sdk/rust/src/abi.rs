//! The calling convention of guest interface 1, and the only unsafe code of the crate.
//!
//! Unsafe here are declarations only: an import whose signature the host guarantees, and exports
//! whose names no other function has. No pointer is read: what the host writes into the input buffer
//! is read through the buffer itself, and the host copies results out by itself.

/// Makes a plugin of a type that implements [`Stream`](crate::Stream) or [`Batch`](crate::Batch).
///
/// `register!(Plugin, snapshot)` is for one that implements [`Snapshot`](crate::Snapshot) too. Write
/// it once in a crate of type `cdylib`. Compiled natively it exports nothing, so that the same crate
/// has plain unit tests.
#[macro_export]
macro_rules! register {
    ($plugin:ty) => {
        $crate::register!(@ $plugin, calls);
    };
    ($plugin:ty, snapshot) => {
        $crate::register!(@ $plugin, calls_with_snapshot);

        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, reason = "exports of the guest interface")]
        mod kapacitor_udf_snapshot_exports {
            #[unsafe(no_mangle)]
            extern "C" fn udf_snapshot() -> i64 {
                $crate::abi::call(|calls| calls.snapshot())
            }

            #[unsafe(no_mangle)]
            extern "C" fn udf_state_version() -> i32 {
                $crate::abi::state_version()
            }

            #[unsafe(no_mangle)]
            extern "C" fn udf_restore(_: i32, length: i32) -> i64 {
                $crate::abi::call(|calls| calls.restore(length as usize))
            }
        }
    };
    (@ $plugin:ty, $calls:ident) => {
        impl $crate::testing::Registered for $plugin {
            fn calls() -> ::std::boxed::Box<dyn $crate::runtime::Calls> {
                $crate::runtime::$calls::<$plugin, _>()
            }
        }

        /// What the host calls, for a program that runs the plugin natively.
        #[cfg(not(target_family = "wasm"))]
        #[doc(hidden)]
        pub fn kapacitor_udf_calls() -> ::std::boxed::Box<dyn $crate::runtime::Calls> {
            <$plugin as $crate::testing::Registered>::calls()
        }

        // Natively nothing else may use the plugin, and yet it is no dead code.
        #[cfg(not(target_family = "wasm"))]
        const _: fn() -> ::std::boxed::Box<dyn $crate::runtime::Calls> = kapacitor_udf_calls;

        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, reason = "exports of the guest interface")]
        mod kapacitor_udf_exports {
            /// Never called: its name tells the host which guest interface this is.
            #[unsafe(no_mangle)]
            extern "C" fn kapacitor_udf_abi_1() {}

            #[unsafe(no_mangle)]
            extern "C" fn udf_input(length: i32) -> i32 {
                $crate::abi::input(start, length)
            }

            #[unsafe(no_mangle)]
            extern "C" fn udf_info() -> i64 {
                $crate::abi::start(start);
                $crate::abi::call(|calls| calls.info())
            }

            #[unsafe(no_mangle)]
            extern "C" fn udf_init(_: i32, length: i32) -> i64 {
                $crate::abi::call(|calls| calls.init(length as usize))
            }

            #[unsafe(no_mangle)]
            extern "C" fn udf_process(_: i32, length: i32) -> i64 {
                $crate::abi::call(|calls| calls.process(length as usize))
            }

            #[unsafe(no_mangle)]
            extern "C" fn udf_finish() -> i64 {
                $crate::abi::call(|calls| calls.finish())
            }

            fn start() -> ::std::boxed::Box<dyn $crate::runtime::Calls> {
                <super::Subject as $crate::testing::Registered>::calls()
            }
        }

        #[cfg(target_family = "wasm")]
        type Subject = $plugin;
    };
}

#[cfg(target_family = "wasm")]
pub use wasm::*;

#[cfg(target_family = "wasm")]
#[allow(unsafe_code, reason = "the import of the guest interface")]
mod wasm {
    use std::cell::RefCell;

    use crate::runtime::Calls;

    #[link(wasm_import_module = "kapacitor")]
    // The host gives `log` this signature, and admits no module that wants another one.
    unsafe extern "C" {
        #[link_name = "log"]
        safe fn host_log(level: u32, text: *const u8, length: usize);
    }

    thread_local! {
        // A module has one thread and one plugin.
        static CALLS: RefCell<Option<Box<dyn Calls>>> = const { RefCell::new(None) };
    }

    /// Level of the text that explains a trap.
    const PANIC: u32 = 4;

    /// Hands a line to the host, which reads it before it returns.
    pub fn log(level: u32, text: &str) {
        host_log(level, text.as_ptr(), text.len());
    }

    /// Makes the plugin, unless it was made before.
    pub fn start(calls: fn() -> Box<dyn Calls>) {
        CALLS.with_borrow_mut(|current| {
            if current.is_none() {
                std::panic::set_hook(Box::new(|info| {
                    let text = info.payload_as_str().unwrap_or("no message");
                    match info.location() {
                        Some(at) => log(PANIC, &format!("{text}, at {}:{}", at.file(), at.line())),
                        None => log(PANIC, text),
                    }
                }));
                *current = Some(calls());
            }
        });
    }

    /// The address of a buffer of at least `length` bytes. The host asks for it before any other
    /// call that has an input, so the plugin is made here.
    pub fn input(calls: fn() -> Box<dyn Calls>, length: i32) -> i32 {
        start(calls);
        CALLS.with_borrow_mut(|current| match current {
            Some(calls) => calls.input(length as usize).as_mut_ptr() as i32,
            None => 0,
        })
    }

    /// Version of the plugin's own snapshot format.
    pub fn state_version() -> i32 {
        CALLS.with_borrow(|current| current.as_ref().map_or(0, |calls| calls.state_version() as i32))
    }

    /// Runs a call and returns where its result is: address and length.
    pub fn call(run: impl FnOnce(&mut dyn Calls)) -> i64 {
        CALLS.with_borrow_mut(|current| match current {
            Some(calls) => {
                run(&mut **calls);
                let result = calls.result();
                (result.as_ptr() as i64) << 32 | result.len() as i64
            }
            None => 0,
        })
    }
}
