//! The time that passes in the data of all groups together, by which groups fall silent.
//!
//! Nothing here reads a clock, so the same points lead to the same silences.

use crate::buffer::Buffer;
use crate::wire::{self, Fields};

/// Number of points in a row that must have times far from that of the data before it goes on from there.
const BELIEVED: u32 = 8;

/// A clock that goes on with the times of points, and that neither a wrong time nor a gap in the data moves.
#[derive(Debug)]
pub struct DataClock {
    /// The most by which one point may be ahead, and the clock goes on. In nanoseconds, as all times.
    step: i64,
    /// How far a point may be behind without the clock being doubted.
    lateness: i64,
    /// The time of the data; `None` before the first point.
    time: Option<i64>,
    /// The time that has passed.
    passed: i64,
    /// Number of points in a row that were far from the time of the data.
    far: u32,
}

impl DataClock {
    /// A clock that tells when `span` has passed.
    pub fn new(span: i64) -> Self {
        Self { step: (span / 2).max(1), lateness: span, time: None, passed: 0, far: 0 }
    }

    /// Takes the time of a point; returns the time that has passed since the first one.
    pub fn look(&mut self, time: i64) -> i64 {
        let now = *self.time.get_or_insert(time);
        let ahead = time.saturating_sub(now);
        if ahead > self.step || ahead < -self.lateness {
            self.far += 1;
            if self.far >= BELIEVED {
                // A gap in the data, or the end of wrong times. It counts as nothing, because no group could send.
                (self.time, self.far) = (Some(time), 0);
            }
        } else {
            self.far = 0;
            if ahead > 0 {
                self.time = Some(time);
                self.passed = self.passed.saturating_add(ahead);
            }
        }
        self.passed
    }

    /// The time that has passed since the first point.
    pub fn passed(&self) -> i64 {
        self.passed
    }

    /// The time of the data; zero before the first point.
    pub fn time(&self) -> i64 {
        self.time.unwrap_or(0)
    }

    /// Appends what is needed to go on.
    pub fn encode(&self, out: &mut Buffer) {
        if let Some(time) = self.time {
            wire::put_int(1, time, out);
            wire::put_int(2, 1, out);
        }
    }

    /// Goes on from what was encoded. The time that has passed begins anew with zero.
    pub fn decode(&mut self, message: &[u8]) {
        let fields = Fields(message);
        let has_time = fields.clone().with_number(2).is_some();
        let time = fields.with_number(1).map_or(0, |field| field.varint() as i64);
        *self = Self { time: has_time.then_some(time), passed: 0, far: 0, ..*self };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: i64 = 300;

    fn passed(times: impl IntoIterator<Item = i64>) -> i64 {
        let mut clock = DataClock::new(SPAN);
        times.into_iter().map(|time| clock.look(time)).last().unwrap()
    }

    #[test]
    fn clock_goes_on_with_the_data() {
        assert_eq!(passed((0..=100).map(|i| 1000 + i * 60)), 6000);
        // Also if times are not in order.
        assert_eq!(passed((0..=99).map(|i| if i % 3 == 1 { 900 + i * 60 } else { 1000 + i * 60 })), 5940);
    }

    #[test]
    fn gap_in_the_data_counts_as_nothing() {
        let times = (0..=10).map(|i| i * 60).chain((0..=17).map(|i| 1_000_000 + i * 60));
        // The eighth point behind the gap is believed, and ten minutes follow it.
        assert_eq!(passed(times), 600 + 600);
    }

    #[test]
    fn wrong_times_change_nothing() {
        let right = passed((0..1000).map(|i| i * 10));
        for wrong in [i64::MIN, i64::MAX, -1_000_000, 1_000_000] {
            for every in [2, 3, 50] {
                let times = (0..1000).map(|i| if i % every == 1 { wrong } else { i * 10 });
                let found = passed(times);
                assert!((right - 20..=right).contains(&found), "{wrong} every {every}: {found}");
            }
            // From the first point on.
            let found = passed([wrong].into_iter().chain((0..1000).map(|i| i * 10)));
            assert!((right - 80..=right).contains(&found), "{wrong}: {found}");
        }
    }
}
