//! Which plugin a task runs, with which options, and what Kapacitor was told of each function.
//!
//! It never starts a sandbox.

mod announced;
mod error;
mod function;
mod options;
mod selector;

pub use announced::{AnnouncedInfo, Drift};
pub use error::{PatternError, RouteError};
pub use function::{Function, Routed};
pub use options::type_name;
