//! Whether the data of a task is live, rather than a replay's.

use std::fmt;
use std::time::Duration;

use crate::state::now;

const SECOND: i64 = 1_000_000_000;

/// Maximum age of a live point in nanoseconds: three hours, since
/// a batch query may have an offset.
const MAX_LATE: i128 = 3 * 3600 * SECOND as i128;

/// Maximum time by which the timestamp of a live point lies in the future, in nanoseconds. A replay's timestamps start at the wall
/// clock and then run ahead of it.
const MAX_AHEAD: i128 = 2 * SECOND as i128;

/// Window, in points, for deciding whether the data is live; large enough that one host with a wrong clock, or
/// a few late points, do not decide, and small enough that a bulk upload is forgotten soon.
const WINDOW: u64 = 1_000;

/// Time in nanoseconds after which what came before counts half, so that a bulk upload is forgotten soon also where
/// few points come.
const HALF_LIFE: i64 = 10 * SECOND;

/// Number of points, and time in nanoseconds, after which it is certain whether the data is live.
const CERTAIN: (u64, i64) = (WINDOW / 2, 10 * SECOND);

/// Counts of live and of other points; older ones count less and less.
#[derive(Clone, Copy, Debug, Default)]
pub struct Liveness {
    live: u64,
    other: u64,
    /// When the counts were halved last, in nanoseconds since 1970; zero before the first point.
    halved_at: i64,
    /// When the first point came, in nanoseconds since 1970; zero before that.
    began_at: i64,
    /// How late the last point was that was not live, in nanoseconds; negative if it was early.
    late: i128,
}

/// How far the time of data that is not live is from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLive {
    /// In nanoseconds; negative if the data is early.
    late: i128,
}

impl fmt::Display for NotLive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = Duration::from_secs((self.late.unsigned_abs() / SECOND as u128) as u64);
        let word = if self.late < 0 { "ahead of the clock" } else { "late" };
        write!(f, "{} {word}", humantime::format_duration(seconds))
    }
}

impl Liveness {
    /// Notes some points by the `times` of a few of them, in nanoseconds since 1970.
    pub fn note(&mut self, times: impl ExactSizeIterator<Item = i64>, points: u64) {
        let (now, each) = (now(), points / times.len().max(1) as u64);
        times.for_each(|time| self.note_at(now, time, each));
    }

    fn note_at(&mut self, now: i64, time: i64, points: u64) {
        if self.began_at == 0 {
            (self.began_at, self.halved_at) = (now, now);
        }
        let span = now.saturating_sub(self.halved_at);
        if span >= HALF_LIFE {
            let times = (span / HALF_LIFE).min(63);
            self.live >>= times;
            self.other >>= times;
            self.halved_at = now;
        } else if span < 0 {
            // The clock went back.
            self.halved_at = now;
        }
        let late = i128::from(now) - i128::from(time);
        let points = points.clamp(1, WINDOW);
        if (-MAX_AHEAD..=MAX_LATE).contains(&late) {
            self.live += points;
        } else {
            self.other += points;
            self.late = late;
        }
        while self.live + self.other > WINDOW {
            self.live /= 2;
            self.other /= 2;
        }
    }

    /// Whether most of the recent data was live; `None` before the first point.
    pub fn is_live(&self) -> Option<bool> {
        (self.began_at != 0).then_some(self.live >= self.other)
    }

    /// How far the data is from now, if it is not live and that is certain; `ends`: no more data comes.
    pub fn not_live(&self, ends: bool) -> Option<NotLive> {
        let Self { live, other, began_at, halved_at, late } = *self;
        let certain = ends || other > CERTAIN.0 || halved_at.saturating_sub(began_at) >= CERTAIN.1;
        (other > live && certain).then_some(NotLive { late })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A time of day in 2026.
    const NOW: i64 = 1_782_000_000 * SECOND;

    const DAY: i64 = 24 * 3600 * SECOND;

    #[test]
    fn one_skewed_clock_does_not_decide() {
        let mut liveness = Liveness::default();
        assert_eq!(liveness.is_live(), None);
        for _ in 0..100 {
            liveness.note_at(NOW, NOW, 90);
            liveness.note_at(NOW, NOW - DAY, 10);
        }
        assert_eq!(liveness.is_live(), Some(true));
        // A replay of a day that runs ahead of the clock.
        for second in 0..300 {
            liveness.note_at(NOW, NOW + (3 + second) * SECOND, 100);
        }
        assert_eq!(liveness.is_live(), Some(false));
    }

    #[test]
    fn recent_data_decides_after_a_bulk_upload() {
        for (points, live) in [(20_000, 1_000), (10_000_000, 1_000)] {
            let mut liveness = Liveness::default();
            liveness.note_at(NOW, NOW - 7 * DAY, points);
            for _ in 0..points / 100 {
                liveness.note_at(NOW, NOW - 7 * DAY, 100);
            }
            assert_eq!(liveness.not_live(false).unwrap().to_string(), "7days late");
            (0..live).for_each(|_| liveness.note_at(NOW, NOW, 1));
            assert_eq!(liveness.is_live(), Some(true));
        }
        // One point a second.
        let mut liveness = Liveness::default();
        (0..200).for_each(|_| liveness.note_at(NOW, NOW - 7 * DAY, 1000));
        (1..90).for_each(|second| liveness.note_at(NOW + second * SECOND, NOW + second * SECOND, 1));
        assert_eq!(liveness.is_live(), Some(true));
    }

    #[test]
    fn data_that_is_not_live_says_how_far_it_is_from_now() {
        let far = |time: i64| {
            let mut liveness = Liveness::default();
            liveness.note_at(NOW, time, 1);
            assert_eq!(liveness.not_live(false), None);
            liveness.not_live(true).map(|far| far.to_string())
        };
        assert_eq!(far(NOW), None);
        assert_eq!(far(NOW + 5 * SECOND).unwrap(), "5s ahead of the clock");
        assert_eq!(far(NOW - DAY).unwrap(), "1day late");
        // Seconds that were taken for nanoseconds.
        assert!(far(NOW / SECOND).unwrap().starts_with("56years"));
        let mut liveness = Liveness::default();
        liveness.note_at(NOW, i64::MIN, u64::MAX);
        liveness.note_at(NOW, i64::MAX, u64::MAX);
        assert!(liveness.not_live(true).is_some());
    }
}
