//! What goes wrong in a task, by whose fault it is.

use thiserror::Error;

use crate::guard::Violation;
use crate::sandbox::{CallError, CallErrorKind};
use crate::state::SnapshotError;

/// How one call into the plugin failed, by the plugin's fault. The policy `on-trap` says what follows.
#[derive(Debug, Error)]
pub enum Failure {
    /// The call trapped or exceeded a limit.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The call returned a response that Kapacitor must not see.
    #[error("{call}: {violation}")]
    Violation {
        /// The guest's function.
        call: &'static str,
        /// The response.
        violation: Violation,
    },
    /// The plugin returned an Error response, with this text.
    #[error("{0}")]
    Returned(String),
    /// The workbench has the call fail.
    #[error("failed on purpose")]
    Forced,
    /// The guest was lost before.
    #[error("the sandbox is gone")]
    Gone,
}

impl Failure {
    /// Whether what failed may be the batch as a whole rather than the frame that was given last, since the call
    /// exceeded a limit that all of the batch counts for.
    pub fn is_of_batch(&self) -> bool {
        match self {
            Self::Call(error) => matches!(error.kind, CallErrorKind::Memory { .. }),
            Self::Violation { violation, .. } => violation.is_of_batch(),
            Self::Returned(_) | Self::Forced | Self::Gone => false,
        }
    }

    /// Whether the call took too long, which may be because of the number of its points.
    pub fn is_of_time(&self) -> bool {
        matches!(
            self,
            Self::Call(CallError {
                kind: CallErrorKind::Deadline { .. } | CallErrorKind::Stalled { .. },
                ..
            })
        )
    }
}

/// Why a plugin can't be started with the options of a task.
#[derive(Debug, Error)]
pub enum StartError {
    /// The plugin's fault: it can't be instantiated under its limits, or fails at `udf_init`.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The TICKscript's fault: the plugin does not accept its options, and says this.
    #[error("{0}")]
    Options(String),
}

/// Why a task must end.
#[derive(Debug, Error)]
pub enum TaskError {
    /// The plugin failed, and the policy is to end the task then.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The plugin fails again and again.
    #[error("{failure}; the plugin has failed more than policy.failures-per-minute = {most} times")]
    TooManyFailures {
        /// The last failure.
        failure: Failure,
        /// The policy's limit.
        most: u32,
    },
    /// The plugin fails at everything, also without its state.
    #[error("{failure}; the plugin has failed {times} times in a row, and started anew after each failure")]
    FailsAlways {
        /// The last failure.
        failure: Failure,
        /// Number of failures in a row.
        times: u32,
    },
    /// The plugin can't be started again after a failure.
    #[error("can't be started again: {0}")]
    Restart(StartError),
    /// The plugin can't be started without the state that it had.
    #[error(transparent)]
    StartClean(StartError),
    /// The state that recovery has saved does not go back into a fresh guest.
    #[error("its saved state can't be given back: {0}")]
    Savepoint(SnapshotError),
    /// The input, which goes on unchanged, is nothing that Kapacitor takes back.
    #[error("input that is passed through: {0}")]
    PassThrough(Violation),
}
