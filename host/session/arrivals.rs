//! Since when input waits.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Input that comes within this time of other input counts as come together with it.
const TOGETHER: Duration = Duration::from_millis(100);

/// Maximum number of times that are kept.
const MOST: usize = 256;

/// Notes when input came, to tell how old the oldest is that still waits.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// Bytes that came so far.
    received: u64,
    /// What had come before, and when more came; the oldest first.
    marks: VecDeque<(u64, Instant)>,
}

impl Arrivals {
    /// Notes that this number of bytes has come `now`.
    #[inline]
    pub fn note(&mut self, bytes: usize, now: Instant) {
        if self.marks.back().is_none_or(|(_, at)| now.saturating_duration_since(*at) >= TOGETHER) {
            self.mark(now);
        }
        self.received += bytes as u64;
    }

    fn mark(&mut self, now: Instant) {
        if self.marks.len() == MOST {
            // What remains is exact to the time between two marks, which doubles.
            let mut keep = false;
            self.marks.retain(|_| {
                keep = !keep;
                keep
            });
        }
        self.marks.push_back((self.received, now));
    }

    /// When the oldest of the last `waiting` bytes came; `None` for none.
    #[inline]
    pub fn oldest(&mut self, waiting: usize) -> Option<Instant> {
        if waiting == 0 {
            self.marks.clear();
            return None;
        }
        let gone = self.received.saturating_sub(waiting as u64);
        while self.marks.get(1).is_some_and(|(before, _)| *before <= gone) {
            self.marks.pop_front();
        }
        self.marks.front().map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_is_that_of_what_still_waits() {
        let (mut arrivals, start) = (Arrivals::default(), Instant::now());
        let at = |tenths: u32| start + tenths * TOGETHER;
        assert_eq!(arrivals.oldest(0), None);
        arrivals.note(10, start);
        arrivals.note(10, start + TOGETHER / 2);
        arrivals.note(10, at(3));
        assert_eq!(arrivals.oldest(30), Some(start));
        assert_eq!(arrivals.oldest(11), Some(start));
        assert_eq!(arrivals.oldest(10), Some(at(3)));
        assert_eq!(arrivals.oldest(1), Some(at(3)));
        assert_eq!(arrivals.oldest(0), None);
        arrivals.note(5, at(9));
        assert_eq!(arrivals.oldest(5), Some(at(9)));
    }

    #[test]
    fn marks_are_bounded() {
        let (mut arrivals, start) = (Arrivals::default(), Instant::now());
        for tenths in 0..10_000 {
            arrivals.note(1, start + tenths * TOGETHER);
            assert!(arrivals.marks.len() <= MOST);
        }
        assert_eq!(arrivals.oldest(10_000), Some(start));
    }
}
