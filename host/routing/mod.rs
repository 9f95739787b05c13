//! Which plugin a task runs, with which options, and what Kapacitor was told of each function.
//!
//! Uses `plugin`, `state` for the file of an announced Info, and `config`. It never starts a sandbox.

mod announced;
mod function;
mod options;

pub use announced::AnnouncedInfo;
pub use function::{Function, Routed};
pub use options::type_name;
