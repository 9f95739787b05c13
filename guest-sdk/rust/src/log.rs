//! Lines in the host's log, which adds the names of the task and its node.
//!
//! In a native test the lines go to stderr.
//!
//! ```
//! use kapacitor_guest::log;
//!
//! log::info(format_args!("window of {} values", 10));
//! ```

use std::fmt::Display;

/// Logs a line for developers.
pub fn debug(text: impl Display) {
    put(0, &text.to_string());
}

/// Logs a line for operators.
pub fn info(text: impl Display) {
    put(1, &text.to_string());
}

/// Logs a line about something unusual.
pub fn warn(text: impl Display) {
    put(2, &text.to_string());
}

/// Logs a line about something that failed.
pub fn error(text: impl Display) {
    put(3, &text.to_string());
}

/// Tells the host how many points the plugin has skipped by itself.
pub(crate) fn skipped(points: u64) {
    #[cfg(target_family = "wasm")]
    put(5, &points.to_string());
    #[cfg(not(target_family = "wasm"))]
    let _ = points;
}

#[cfg(target_family = "wasm")]
use crate::abi::log as put;

#[cfg(not(target_family = "wasm"))]
fn put(level: u32, text: &str) {
    const LEVELS: [&str; 5] = ["debug", "info", "warn", "error", "panic"];
    let level = usize::try_from(level).ok().and_then(|level| LEVELS.get(level)).unwrap_or(&"error");
    eprintln!("{level}: {text}");
}
