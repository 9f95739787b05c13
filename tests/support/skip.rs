//! Tests that are skipped where the machine lacks a program.

use std::env;
use std::panic::Location;
use std::thread;

use super::go::{Missing, tell};

/// What was found, or `None` if this machine can't have it and the calling test is to be skipped, which is said.
///
/// # Panics
///
/// When something else is wrong, and instead of skipping when `CI` is set or the variable `require` is `1`.
#[track_caller]
pub fn or_skip<'a, T>(found: &'a Result<T, Missing>, require: &str) -> Option<&'a T> {
    let reason = match found {
        Ok(found) => return Some(found),
        Err(Missing::Fail(reason)) => panic!("{reason}"),
        Err(Missing::Skip(reason)) => reason,
    };
    let required = env::var_os("CI").is_some() || env::var(require).is_ok_and(|value| value == "1");
    assert!(!required, "may not be skipped here: {reason}");
    // libtest names the thread of a test after it, unless it runs all tests on the main thread.
    let test = match thread::current().name() {
        Some(name) if name != "main" => name.to_owned(),
        _ => Location::caller().to_string(),
    };
    tell(&format!("skipped: {test}: {reason}"));
    None
}
