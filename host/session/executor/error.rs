//! Why a piece of work of a session fails.

use thiserror::Error;

use crate::routing::RouteError;
use crate::sandbox::BudgetError;
use crate::state::SnapshotError;
use crate::task::{StartError, TaskError};
use crate::udf_node::UdfNode;

/// Why the session must end.
#[derive(Debug, Error)]
pub enum WorkError {
    /// Kapacitor's fault: it starts a task twice.
    #[error("a second init on the same connection")]
    SecondInit,
    /// Kapacitor's fault: it sends data to a task that was not started.
    #[error("a point or batch before init")]
    DataBeforeInit,
    /// A client that has the state would get none after a failure.
    #[error(
        "a task whose state belongs to the client can't go on without its plugin after a failure: set policy.on-trap of the function {0} to \"recover\", \"restart\" or \"fail\" in place of \"pass-through\""
    )]
    PassesThrough(String),
    /// The fault of a client that has the state: it gives one to a task that has begun with another.
    #[error("restore behind a point, a snapshot or another restore")]
    LateRestore,
    /// The state that a client gives does not fit.
    #[error("the state that the client gives does not fit: {0}: put back what it fits, or start without it")]
    ClientState(#[source] SnapshotError),
    /// Kapacitor's fault: it gives a state to a task that was not started.
    #[error("restore before init")]
    RestoreBeforeInit,
    /// The fault of the TICKscript or of `udf.toml`: they name no plugin that can run the task.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// A limit of the host is reached.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The task can't be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The plugin's fault, mostly: the task can't go on.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The state that the task had can't be loaded now. It stays where it is.
    #[error("the state it had needs {0}: it is kept, so start the task again when there is room")]
    NoMemoryForState(String),
    /// The state that the task had does not fit, and the operator's policy is to refuse it then.
    #[error(
        "the state it had does not fit: {reason}: put back what it fits, or let it start clean with `kapacitor-wasm state drop {task} --node {node} --function {function}` or on-mismatch = \"fresh\"",
        task = .udf.task,
        node = .udf.node,
        function = .udf.function
    )]
    Misfit {
        /// Why it does not fit.
        reason: String,
        /// The UDF node that the state belongs to.
        udf: Box<UdfNode>,
    },
}
