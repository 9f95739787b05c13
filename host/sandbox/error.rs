//! How a call into a guest fails.

use std::io;
use std::mem;
use std::time::Duration;

use rustix::io::Errno;
use thiserror::Error;
use wasmtime::{Store, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::budget::MemoryFull;
use super::deadline::{CallClock, Expired, LAST_RESORT};
use super::guest::{Guest, Refused};
use super::guest_log::GuestLog;
use super::system_limits::SystemLimits;
use crate::config::Limits;
use crate::logging::cut;
use crate::units::{Bytes, Span};

/// Maximum number of stack frames that the message of a trap shows.
const BACKTRACE: usize = 8;

/// Maximum length of the name of a function in such a message, in bytes.
const MAX_NAME: usize = 120;

/// A call into a guest that failed. The sandbox must not be called again.
#[derive(Debug, Error)]
#[error("{call}: {kind}")]
pub struct CallError {
    /// The guest's function.
    pub call: &'static str,
    /// What went wrong.
    pub kind: CallErrorKind,
}

/// What can go wrong in a call.
#[derive(Debug, Error)]
pub enum CallErrorKind {
    #[error("computed for longer than limits.call-deadline = {deadline}{at}")]
    Deadline { deadline: Span, at: String },
    #[error(
        "took {LAST_RESORT} times limits.call-deadline = {deadline}, in which it got only {used} of a CPU: the machine is overloaded{at}"
    )]
    Stalled { deadline: Span, used: Span, at: Box<str> },
    #[error("asked for {asked} of memory, more than limits.memory = {limit}{then}")]
    Memory { asked: Bytes, limit: Bytes, then: String },
    #[error("needs {full}{then}")]
    HostMemory { full: MemoryFull, then: String },
    #[error("asked for a table of {asked} entries, more than limits.table = {limit}{then}")]
    Table { asked: usize, limit: u32, then: String },
    #[error("used more stack than limits.stack = {limit}{at}")]
    Stack { limit: Bytes, at: String },
    #[error("returned {length} bytes, more than limits.output = {limit}")]
    Output { length: u32, limit: Bytes },
    #[error("returned the region {pointer}..+{length}, which is outside of its memory of {memory} bytes")]
    Region { pointer: u32, length: u32, memory: usize },
    #[error("gave an input buffer at {pointer} that does not have room for {length} bytes")]
    Input { pointer: u32, length: usize },
    #[error("exited with code {code}{at}: a plugin must not exit")]
    Exit { code: i32, at: String },
    #[error("panicked: {0}")]
    Panic(String),
    #[error("trap: {0}")]
    Trap(String),
    #[error("the system has no memory for its sandbox: {0}")]
    NoMemory(String),
    #[error("returned a malformed {0}")]
    Response(&'static str),
}

pub(super) fn missing(call: &'static str) -> CallError {
    CallError { call, kind: CallErrorKind::Trap("the plugin does not export it".to_owned()) }
}

/// The value of a call that has ended, or why there is none.
pub(super) fn outcome<R>(
    call: &'static str,
    result: Result<wasmtime::Result<R>, Expired>,
    store: &mut Store<Guest>,
    limits: &Limits,
    clock: &CallClock,
) -> Result<R, CallError> {
    let error = match result {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error,
        Err(Expired) => {
            let kind = CallErrorKind::Deadline { deadline: limits.call_deadline, at: String::new() };
            return Err(CallError { call, kind });
        }
    };
    let trap = error.downcast_ref::<Trap>().copied();
    let at = at(&error);
    let mut panic = GuestLog::take_panic(&store.data().log);
    let kind = match (trap, store.data_mut().limiter.refused.take()) {
        (Some(Trap::Interrupt), _) if clock.used() <= limits.call_deadline.0 => CallErrorKind::Stalled {
            deadline: limits.call_deadline,
            used: Span(Duration::from_millis(clock.used().as_millis() as u64)),
            at: at.into(),
        },
        (Some(Trap::Interrupt), _) => CallErrorKind::Deadline { deadline: limits.call_deadline, at },
        (Some(Trap::StackOverflow), _) => CallErrorKind::Stack { limit: limits.stack, at },
        (_, Some(refused)) => {
            let then = if panic.is_empty() { at } else { format!(": {}{at}", mem::take(&mut panic)) };
            match refused {
                Refused::Memory(asked) => CallErrorKind::Memory { asked, limit: limits.memory, then },
                Refused::Host(full) => CallErrorKind::HostMemory { full, then },
                Refused::Table(asked) => CallErrorKind::Table { asked, limit: limits.table, then },
            }
        }
        _ => match error.downcast_ref::<I32Exit>() {
            Some(I32Exit(code)) => CallErrorKind::Exit { code: *code, at },
            None if trap == Some(Trap::UnreachableCodeReached) && !panic.is_empty() => {
                CallErrorKind::Panic(mem::take(&mut panic) + &at)
            }
            None if trap.is_none() && is_out_of_memory(&error) => {
                let limit = SystemLimits::of_process().check(0).err();
                CallErrorKind::NoMemory(
                    limit.map_or_else(|| error.root_cause().to_string(), |l| l.to_string()),
                )
            }
            None => {
                let what = trap.map_or_else(|| error.root_cause().to_string(), |trap| trap.to_string());
                let what = what.strip_prefix("wasm trap: ").unwrap_or(&what);
                CallErrorKind::Trap(format!("{what}{at}"))
            }
        },
    };
    // What the guest has said before a failure of another kind is told apart.
    GuestLog::say_panic(&store.data().log, &panic);
    Err(CallError { call, kind })
}

/// Whether the system has refused memory, such as the address space of a sandbox.
fn is_out_of_memory(error: &wasmtime::Error) -> bool {
    let number = |error: &io::Error| error.raw_os_error();
    let by_number = error.chain().filter_map(|cause| cause.downcast_ref().and_then(number));
    let by_name = error.chain().filter_map(|cause| cause.downcast_ref::<Errno>());
    by_number.map(Errno::from_raw_os_error).chain(by_name.copied()).any(|errno| errno == Errno::NOMEM)
}

/// `, in f <- g <- h`: the guest's innermost functions, as far as the module names them. Those of its language's
/// runtime come first in a panic, and are left out.
fn at(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return String::new();
    };
    let names = backtrace.frames().iter().map(|frame| match frame.func_name() {
        // Demangled, and without the hash that rustc puts behind the path.
        Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
        None => format!("function {}", frame.func_index()),
    });
    let mut names: Vec<String> = names.collect();
    let own = names.iter().position(|name| !is_of_runtime(name)).unwrap_or(0);
    names.drain(..own);
    names.truncate(BACKTRACE);
    for name in &mut names {
        cut(name, MAX_NAME);
    }
    if names.is_empty() { String::new() } else { format!(", in {}", names.join(" <- ")) }
}

/// Whether a function belongs to the runtime of Rust, C or Go, and not to the plugin.
fn is_of_runtime(name: &str) -> bool {
    const MODULES: [&str; 10] = [
        "core::",
        "std::",
        "alloc::",
        "__rustc",
        "hashbrown::",
        "foldhash::",
        "dlmalloc::",
        "rust_",
        "__rust_",
        "runtime.",
    ];
    const FUNCTIONS: [&str; 6] =
        ["abort", "exit", "_Exit", "__assert_fail", "__wasi_proc_exit", "__main_void"];
    let path = name.trim_start_matches(['<', '&', '[', '(']);
    MODULES.iter().any(|module| path.starts_with(module)) || FUNCTIONS.contains(&path)
}
