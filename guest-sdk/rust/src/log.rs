//! Lines in the host's log, which adds the names of the task and its node.
//!
//! The macros take a format string, as `println!` does; the functions take anything that can be displayed. In
//! a native test the lines go to stderr, and [`Harness::log`](crate::testing::Harness::log) returns them.
//!
//! ```
//! use kapacitor_guest::prelude::*;
//!
//! # fn main() {
//! let (host, size) = ("a", 10);
//! info!("window of {size} values");
//! warn!("host {host:?}: no value for {} s", 300);
//! log::error("the same as a function");
//! # }
//! ```
//!
//! # `println!`
//!
//! The `println!`, `eprintln!` and `dbg!` of the standard library write nothing on `wasm32-unknown-unknown`. Those of
//! this module write log lines on all targets, at the levels that the host gives stdout and stderr: `println!` at
//! [`Level::Info`], `eprintln!` and `dbg!` at [`Level::Error`]. They take the place of the standard library's where they
//! are imported by name, which the prelude can't do for a plugin:
//!
//! ```
//! use kapacitor_guest::log::{dbg, println};
//!
//! # fn main() {
//! println!("a line in the log");
//! assert_eq!(dbg!(1 + 1), 2);
//! # }
//! ```

use std::fmt::Display;

pub use crate::log_level::Level;
#[doc(inline)]
pub use crate::{
    __kapacitor_dbg as dbg, __kapacitor_debug as debug, __kapacitor_eprintln as eprintln,
    __kapacitor_error as error, __kapacitor_info as info, __kapacitor_println as println,
    __kapacitor_warn as warn,
};

/// Logs a line for developers.
pub fn debug(text: impl Display) {
    put(Level::Debug, &text.to_string());
}

/// Logs a line for operators.
pub fn info(text: impl Display) {
    put(Level::Info, &text.to_string());
}

/// Logs a line about something unusual.
pub fn warn(text: impl Display) {
    put(Level::Warn, &text.to_string());
}

/// Logs a line about something that failed.
pub fn error(text: impl Display) {
    put(Level::Error, &text.to_string());
}

#[cfg(target_family = "wasm")]
fn put(level: Level, text: &str) {
    crate::abi::log(level as u32, text);
}

/// Tells the host how many points the plugin has skipped by itself.
#[cfg(target_family = "wasm")]
pub(crate) fn skipped(points: u64) {
    /// Stands in the place of the level, for a number that is no line.
    const SKIPPED: u32 = 5;
    crate::abi::log(SKIPPED, &points.to_string());
}

#[cfg(not(target_family = "wasm"))]
use crate::log_native::put;
#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::log_native::skipped;

/// Logs a line for developers, from a format string.
#[doc(hidden)]
#[macro_export]
macro_rules! __kapacitor_debug {
    ($($arg:tt)+) => { $crate::log::debug(::core::format_args!($($arg)+)) };
}

/// Logs a line for operators, from a format string.
#[doc(hidden)]
#[macro_export]
macro_rules! __kapacitor_info {
    ($($arg:tt)+) => { $crate::log::info(::core::format_args!($($arg)+)) };
}

/// Logs a line about something unusual, from a format string.
#[doc(hidden)]
#[macro_export]
macro_rules! __kapacitor_warn {
    ($($arg:tt)+) => { $crate::log::warn(::core::format_args!($($arg)+)) };
}

/// Logs a line about something that failed, from a format string.
#[doc(hidden)]
#[macro_export]
macro_rules! __kapacitor_error {
    ($($arg:tt)+) => { $crate::log::error(::core::format_args!($($arg)+)) };
}

/// Logs a line at [`Level::Info`], in place of the standard library's `println!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __kapacitor_println {
    () => { $crate::log::info("") };
    ($($arg:tt)+) => { $crate::log::info(::core::format_args!($($arg)+)) };
}

/// Logs a line at [`Level::Error`], in place of the standard library's `eprintln!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __kapacitor_eprintln {
    () => { $crate::log::error("") };
    ($($arg:tt)+) => { $crate::log::error(::core::format_args!($($arg)+)) };
}

/// Logs the place, the text and the value of an expression at [`Level::Error`], and returns the value, in place of the
/// standard library's `dbg!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __kapacitor_dbg {
    () => {
        $crate::log::error(::core::format_args!("[{}:{}:{}]", ::core::file!(), ::core::line!(), ::core::column!()))
    };
    ($value:expr $(,)?) => {
        // `match`, so that temporaries of the expression live as long as its value is looked at.
        match $value {
            value => {
                $crate::log::error(::core::format_args!(
                    "[{}:{}:{}] {} = {:?}",
                    ::core::file!(), ::core::line!(), ::core::column!(), ::core::stringify!($value), &value
                ));
                value
            }
        }
    };
    ($($value:expr),+ $(,)?) => { ($($crate::log::dbg!($value)),+,) };
}
