//! A plugin: one `.wasm` file, admitted, compiled once, shared by all its sandboxes.
//!
//! A plugin is asked for its Info in a sandbox before any task gets it. This room never keeps a running guest, and
//! knows nothing of tasks.

mod admission;
mod admission_error;
mod code_folder;
mod compile;
mod interface;
mod library;
mod plugin_file;
mod stamp;
mod watcher;

pub use admission::Plugin;
pub use admission_error::{AdmissionError, AdmissionErrorKind};
pub use code_folder::CodeFolder;
pub use compile::{Compiler, compile_into_folder, limit_this_process};
pub use interface::{ABI, WASI};
pub use library::{Library, Loader, Observer, Plugins, list};
pub use watcher::watch;
