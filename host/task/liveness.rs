//! Whether the data of a task is live, rather than a replay's.

use crate::state::now;

/// Maximum age of a live point in nanoseconds: three hours, since
/// a batch query may have an offset.
const MAX_LATE: i128 = 3 * 3600 * 1_000_000_000;

/// Maximum time by which the timestamp of a live point lies in the future, in nanoseconds. A replay's timestamps start at the wall
/// clock and then run ahead of it.
const MAX_AHEAD: i128 = 2 * 1_000_000_000;

/// Window, in points, for deciding whether the data is live; large enough that one host with a wrong clock, or
/// a few late points, do not decide.
const WINDOW: u64 = 10_000;

/// Counts of live and of other points; older ones count less and less.
#[derive(Clone, Copy, Debug, Default)]
pub struct Liveness {
    live: u64,
    other: u64,
}

impl Liveness {
    /// Notes the `time` of the last of some points, in nanoseconds since 1970.
    pub fn note(&mut self, time: i64, points: u64) {
        let late = i128::from(now()) - i128::from(time);
        let count = if (-MAX_AHEAD..=MAX_LATE).contains(&late) { &mut self.live } else { &mut self.other };
        *count += points.max(1);
        if self.live + self.other > WINDOW {
            self.live /= 2;
            self.other /= 2;
        }
    }

    /// Whether most of the recent data was live; `None` before the first point.
    pub fn is_live(&self) -> Option<bool> {
        let Self { live, other } = *self;
        (live + other > 0).then_some(live >= other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_skewed_clock_does_not_decide() {
        let mut liveness = Liveness::default();
        assert_eq!(liveness.is_live(), None);
        for _ in 0..100 {
            liveness.note(now(), 90);
            liveness.note(now() - 24 * 3600 * 1_000_000_000, 10);
        }
        assert_eq!(liveness.is_live(), Some(true));
        // A replay of a day that runs ahead of the clock.
        for second in 0..300 {
            liveness.note(now() + (3 + second) * 1_000_000_000, 100);
        }
        assert_eq!(liveness.is_live(), Some(false));
    }
}
