//! A task whose state belongs to the client: see `InitRequest.clientState` in `udf.proto`.
//!
//! The client stores the state and gives it back, so that each point counts once. A state that is not exactly what the
//! client asks for would break that: the host refuses where it would otherwise make do with another one.

use std::time::Instant;

use super::active_task::ActiveTask;
use super::error::WorkError;
use crate::logging::log_for;
use crate::protocol::SnapshotResponse;
use crate::state::{Snapshot, SnapshotError};
use crate::task::Taken;
use crate::units::Bytes;

impl ActiveTask {
    /// The task starts with the state that the client has `given`, or without one.
    ///
    /// # Errors
    ///
    /// Why the task can't have the state.
    pub async fn begin_with(&mut self, given: Option<&[u8]>) -> Result<(), WorkError> {
        if self.initial_state_chosen {
            return Err(WorkError::LateRestore);
        }
        self.initial_state_chosen = true;
        let Some(bytes) = given else { return Ok(()) };
        let snapshot = Snapshot::parse(bytes).map_err(WorkError::ClientState)?;
        self.task.check_fit(&snapshot).map_err(WorkError::ClientState)?;
        match self.task.restore(&snapshot).await {
            Ok(()) => {
                self.say_restored("client", &snapshot, "the state belongs to the client");
                Ok(())
            }
            // It fits, and is there another time.
            Err(SnapshotError::NoMemory(needs)) => Err(WorkError::NoMemoryForState(needs)),
            Err(reason) => Err(WorkError::ClientState(reason)),
        }
    }

    /// The state behind all points so far, in at most `most` bytes, or why there is none.
    ///
    /// # Errors
    ///
    /// Why the task must end.
    pub async fn exact_snapshot(&mut self, most: Bytes) -> Result<SnapshotResponse, WorkError> {
        let begin = Instant::now();
        match self.task.exact_snapshot(most).await? {
            Taken::Snapshot(snapshot) => {
                self.note_snapshot(begin, &snapshot);
                let (bytes, points_seen) = (snapshot.len().to_string(), self.task.points_seen().to_string());
                log_for!(debug, self.labels, bytes, points_seen, "snapshot given");
                Ok(SnapshotResponse { snapshot, error: String::new() })
            }
            Taken::Unavailable(error) => {
                let error = error.to_string();
                log_for!(warn, self.labels, err = &error, "no snapshot taken");
                Ok(SnapshotResponse { snapshot: Vec::new(), error })
            }
        }
    }
}
