//! Failures that follow each other without a success between: neither the state that recovery brings back nor the
//! policy helps then.

use crate::config::OnTrap;
use crate::protocol::frame::Kind;

/// Number of points or of batches that `on-trap = "recover"` skips in a row. After that the plugin restarts without
/// state after each failure.
pub const MAX_RECOVERIES: u32 = 20;

/// Number of points or of batches that `on-trap = "restart"` skips in a row. The next failure ends the task.
pub const MAX_RESTARTS: u32 = 60;

/// The failures in a row. Points and batches are counted apart: the points of a batch may pass and its End fail, each
/// time.
#[derive(Debug, Default)]
pub struct Row {
    points: u32,
    batches: u32,
}

impl Row {
    /// Counts a frame of this kind that the guest has failed at. True if that was the last one that `policy` skips.
    pub fn failed(&mut self, kind: &Kind, policy: OnTrap) -> bool {
        let failed = match kind {
            Kind::Begin | Kind::End => &mut self.batches,
            _ => &mut self.points,
        };
        *failed += 1;
        *failed >= if policy == OnTrap::Recover { MAX_RECOVERIES } else { MAX_RESTARTS }
    }

    /// Counts a call that was given `points` points and has not failed, and after which the guest is `inside` a
    /// batch or is not.
    pub fn passed(&mut self, points: u64, inside: bool) {
        if points > 0 {
            self.points = 0;
        }
        if !inside {
            self.batches = 0;
        }
    }
}
