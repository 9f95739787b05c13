//! Lines in the host's log, with the task's name on them.
//!
//! In a native test they go to stderr.

use std::fmt::Display;

/// For a developer.
pub fn debug(text: impl Display) {
    put(0, &text.to_string());
}

/// For whoever runs the task.
pub fn info(text: impl Display) {
    put(1, &text.to_string());
}

/// Something to look at.
pub fn warn(text: impl Display) {
    put(2, &text.to_string());
}

/// Something that failed.
pub fn error(text: impl Display) {
    put(3, &text.to_string());
}

#[cfg(target_family = "wasm")]
pub(crate) use crate::abi::log as put;

#[cfg(not(target_family = "wasm"))]
fn put(level: u32, text: &str) {
    const LEVELS: [&str; 5] = ["debug", "info", "warn", "error", "panic"];
    let level = usize::try_from(level).ok().and_then(|level| LEVELS.get(level)).unwrap_or(&"error");
    eprintln!("{level}: {text}");
}
