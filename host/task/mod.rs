//! One UDF node of one task: the calls into its sandbox, and what happens when one of them fails.
//!
//! It never uses `session`, `routing` or `shared`: a task gets all that it needs when it is started.
//!
//! A [`Task`] outlives its sandbox. Its [`Supervisor`] gives the input to a running guest (`instance`), and brings
//! it back after a failure (`recovery`, from a `savepoint` and a `journal`). What a call returned goes to
//! Kapacitor only when all of it has passed the guard, so that a call that failed has left nothing behind.

mod counts;
mod error;
mod instance;
mod journal;
mod liveness;
mod plugin_metrics;
mod plugin_program;
mod program;
mod recovery;
mod reply;
mod reporter;
mod running;
mod savepoint;
mod setup;
mod snapshot_cache;
mod snapshots;
mod supervisor;
mod throttle;
mod trial;
mod troubles;

#[cfg(test)]
mod policy_tests;
#[cfg(test)]
mod recovery_tests;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod test_bench;

use liveness::Liveness;
use plugin_program::PluginProgram;
use program::Program;
use supervisor::Supervisor;

use crate::sandbox::SandboxPermit;

pub use counts::Counts;
pub use error::{Failure, StartError, TaskError};
pub use plugin_metrics::PluginMetrics;
pub use reply::Reply;
pub use running::TaskSpec;
pub use snapshots::Taken;
pub use supervisor::MAX_RECOVERIES;
pub use trial::{ForcedFailures, Observer, Trial, TrialEnd};
pub use troubles::{LastError, LastTroubles, Troubles};

/// A started task.
pub struct Task<P: Program = PluginProgram> {
    /// Keeps the guest running.
    supervisor: Supervisor<P>,
    /// See [`crate::state::SnapshotHeader::options_sha256`].
    options_sha256: [u8; 32],
    /// Whether the data is live.
    liveness: Liveness,
    /// The right to have a sandbox; `None` for a candidate version that has not replaced the running task yet.
    permit: Option<SandboxPermit>,
}
