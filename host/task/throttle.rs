//! `limits.cpu-share`: how much of a core's time one sandbox may use in the long run.
//!
//! This is a token bucket of computing time: it fills at the share, and holds as much as [`WINDOW`] fills. A
//! sandbox whose bucket is empty waits before its next points, and they wait with it. Requests such as Snapshot do not
//! wait once they overtake the points, and at the end of the input nothing does.

use std::time::{Duration, Instant};

use crate::units::Share;

/// Time whose share a sandbox may use at once.
pub const WINDOW: Duration = Duration::from_secs(10);

/// The computing time of one sandbox.
#[derive(Debug)]
pub struct CpuThrottle {
    share: Share,
    /// Computing time that was used and is not filled up again yet.
    used: Duration,
    /// When the bucket was filled up last.
    at: Instant,
}

impl CpuThrottle {
    /// A full bucket.
    pub fn new(share: Share) -> Self {
        Self { share, used: Duration::ZERO, at: Instant::now() }
    }

    /// Counts the computing time of a call that has ended.
    pub fn add(&mut self, computed: Duration) {
        if !self.share.is_all() {
            self.used += computed;
        }
    }

    /// How long the next call has to wait; `None` if it need not.
    pub fn wait(&mut self) -> Option<Duration> {
        if self.used.is_zero() { None } else { self.wait_at(Instant::now()) }
    }

    fn wait_at(&mut self, now: Instant) -> Option<Duration> {
        self.used = self.used.saturating_sub(self.share.of(now.duration_since(self.at)));
        self.at = now;
        let over = self.used.checked_sub(self.share.of(WINDOW))?;
        Some(self.share.to_get(over))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_gets_its_share_in_the_long_run() {
        let mut pace = CpuThrottle::new("20%".parse().unwrap());
        let start = Instant::now();
        let (mut now, mut computed) = (start, Duration::ZERO);
        while now < start + 100 * WINDOW {
            now += pace.wait_at(now).unwrap_or_default();
            let call = Duration::from_millis(900);
            pace.add(call);
            (now, computed) = (now + call, computed + call);
        }
        let share = computed.as_secs_f64() / now.duration_since(start).as_secs_f64();
        // The bucket was full at the start, which adds the share of one window.
        assert!((0.20..0.21).contains(&share), "{share}");
    }

    #[test]
    fn a_short_burst_and_a_whole_core_never_wait() {
        let mut pace = CpuThrottle::new("20%".parse().unwrap());
        pace.add(Duration::from_millis(1900));
        assert_eq!(pace.wait(), None);
        let mut whole = CpuThrottle::new(Share::ALL);
        whole.add(1000 * WINDOW);
        assert_eq!(whole.wait(), None);
    }
}
