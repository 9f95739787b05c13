//! What a host tells of itself: the answer of `/status.json`, and which tasks of it a request asks for.
//!
//! A [`Status`] is made by the host, and read by whatever shows it. Names say their units as those of metrics do:
//! times are in seconds, points in time in seconds since 1970, sizes in bytes. Keys are added in later versions, but
//! none changes its meaning. So a reader ignores what it does not know, and takes a key that is missing for nothing.

#![forbid(unsafe_code)]

mod function;
mod hidden;
mod host;
pub mod page;
mod plugin;
mod query;
mod size;
mod sort;
mod task;

use serde::{Deserialize, Serialize};

pub use function::{Function, Info, InfoOption, Route, Socket};
pub use hidden::{is_hidden, on_one_line, put_visible};
pub use host::{Host, Limit, Limits, Reload};
pub use plugin::{Plugin, PluginStatus};
pub use query::{MOST_TASKS, Query, QueryError};
pub use size::size;
pub use sort::Sort;
pub use task::{
    BlockedSeconds, History, LastError, LastSkipped, PluginMetric, PluginVersion, PointsSkipped, Rates,
    RefusedStart, Snapshot, Task, TaskState, TasksInState,
};

/// Age in seconds up to which an error is recent.
pub const RECENT_SECONDS: f64 = 300.0;

/// All that a host tells of itself.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Status {
    /// The process.
    pub host: Host,
    /// What all tasks together may take, and take.
    pub limits: Limits,
    /// The functions, by name.
    pub functions: Vec<Function>,
    /// The plugins, by name.
    pub plugins: Vec<Plugin>,
    /// Number of UDF nodes that the host knows, by what they do, whether they are in `tasks` or not.
    pub tasks_in_state: TasksInState,
    /// Number of those whose last error is at most [`RECENT_SECONDS`] old.
    pub tasks_with_recent_error: u64,
    /// Number of those that the request asked for; `tasks` has some of them.
    pub tasks_matching: u64,
    /// UDF nodes of tasks: those that the request asked for, in its order.
    pub tasks: Vec<Task>,
    /// The newest tasks that could not start, and have not started since; the newest first.
    pub refused_starts: Vec<RefusedStart>,
}
