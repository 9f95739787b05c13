//! A plugin: one `.wasm` file, admitted, compiled once, shared by all its sandboxes.
//!
//! A plugin is asked for its Info in a sandbox before any task gets it. This room never keeps a running guest, and
//! knows nothing of tasks.

mod admission;
mod admission_error;
mod code_store;
mod compile;
mod compile_lane;
mod compile_process;
mod handover;
mod instrument;
mod interface;
mod library;
mod metrics_text;
mod plugin_file;
mod pulled;
mod stamp;
mod watcher;

pub use admission::Plugin;
pub use admission_error::{AdmissionError, AdmissionErrorKind};
pub use code_store::CodeStore;
pub use compile::{Compiler, Stage};
pub use compile_process::{CompileLimits, compile_stdin};
pub use handover::HandoverFolder;
pub use interface::{ABI, WASI};
pub use library::{Library, Loader, Observer, Plugins, list};
pub use pulled::{pulled, pulled_or_refused, trust, wanted};
pub use watcher::watch;
