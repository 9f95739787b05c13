//! How long calls took: a histogram that is written by one thread at a time and read by any.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the buckets but the last one, which has none.
pub const CALL_TIME_BOUNDS: [Duration; 14] = [
    Duration::from_micros(1),
    Duration::from_micros(5),
    Duration::from_micros(10),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// Number of buckets.
pub const CALL_TIME_BUCKETS: usize = CALL_TIME_BOUNDS.len() + 1;

/// Number of calls in each bucket: those that took no longer than its bound, and longer than the one before.
#[derive(Debug, Default)]
pub struct CallTimes([AtomicU64; CALL_TIME_BUCKETS]);

impl CallTimes {
    /// Counts a call that took this number of nanoseconds.
    #[inline]
    pub fn note(&self, nanoseconds: u64) {
        let bucket = CALL_TIME_BOUNDS.partition_point(|bound| (bound.as_nanos() as u64) < nanoseconds);
        // Only the call under way writes, so nothing is lost between the two.
        self.0[bucket].store(self.0[bucket].load(Relaxed) + 1, Relaxed);
    }

    /// The number of calls in each bucket.
    pub fn counts(&self) -> [u64; CALL_TIME_BUCKETS] {
        self.0.each_ref().map(|count| count.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let times = CallTimes::default();
        for nanoseconds in [0, 1000, 1001, 5_000_000_000, 5_000_000_001, u64::MAX] {
            times.note(nanoseconds);
        }
        let mut expected = [0; CALL_TIME_BUCKETS];
        (expected[0], expected[1]) = (2, 1);
        (expected[CALL_TIME_BUCKETS - 2], expected[CALL_TIME_BUCKETS - 1]) = (1, 2);
        assert_eq!(times.counts(), expected);
    }
}
