//! Whether a task has a running guest.

use crate::guard::Guard;
use crate::sandbox::MemoryReservation;
use crate::task::instance::Instance;
use crate::task::program::Guest;

/// The guest of a task, if it has one.
pub enum GuestSlot<G> {
    /// The guest runs.
    Running(Instance<G>),
    /// The guest has failed, and the input goes on unchanged.
    Bypassed {
        /// Checks the input, which becomes output.
        guard: Guard,
        /// Counts the batch that is open in the guard.
        open_batch: MemoryReservation,
        /// Number of points that the guest had seen.
        points_seen: u64,
    },
    /// The guest has failed and must not be called again. A fresh one takes its place, or the task ends.
    Lost,
}

impl<G: Guest> GuestSlot<G> {
    /// Number of points that the guest's state has seen.
    pub fn points_seen(&self) -> u64 {
        match self {
            Self::Running(instance) => instance.points_seen,
            Self::Bypassed { points_seen, .. } => *points_seen,
            Self::Lost => 0,
        }
    }

    /// What the guest returned from its last call with frames.
    pub fn output(&self) -> &[u8] {
        match self {
            Self::Running(instance) => instance.guest.output(),
            Self::Bypassed { .. } | Self::Lost => &[],
        }
    }

    /// Whether a batch is open in the output.
    pub fn is_in_batch(&self) -> bool {
        match self {
            Self::Running(instance) => instance.guard.in_batch(),
            Self::Bypassed { guard, .. } => guard.in_batch(),
            Self::Lost => false,
        }
    }
}
