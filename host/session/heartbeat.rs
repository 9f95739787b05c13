//! The interval of the keepalives that the host sends while the plugin computes or reading has stopped.

use std::time::Duration;

use tokio::time::Instant;

/// Maximum interval between two keepalives.
const SLOWEST: Duration = Duration::from_secs(1);

/// Interval before Kapacitor's timeout is known.
const FIRST: Duration = Duration::from_millis(200);

/// Minimum interval between two keepalives.
const FASTEST: Duration = Duration::from_millis(5);

/// The interval of the host's own keepalives, learnt from Kapacitor's.
///
/// Kapacitor sends a keepalive each half of its timeout, the first one that long after it has connected, and ends
/// a UDF that is silent for a whole timeout. So the host sends one each half of the interval of Kapacitor's keepalives.
#[derive(Debug)]
pub struct Heartbeat {
    opened: Instant,
    /// When the last keepalive was sent, by Kapacitor's clock, in nanoseconds.
    last: Option<i64>,
    interval: Duration,
}

impl Heartbeat {
    /// For a connection that was just opened.
    pub fn new() -> Self {
        Self { opened: Instant::now(), last: None, interval: FIRST }
    }

    /// Notes a keepalive that Kapacitor sent at `time`, in nanoseconds by its clock.
    pub fn note(&mut self, time: i64) {
        let interval = match self.last.replace(time) {
            Some(last) => Duration::from_nanos(u64::try_from(time.saturating_sub(last)).unwrap_or(0)),
            None => self.opened.elapsed(),
        };
        if !interval.is_zero() {
            self.interval = (interval / 2).clamp(FASTEST, SLOWEST);
        }
    }

    /// The interval between two keepalives.
    pub fn interval(&self) -> Duration {
        self.interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_is_half_of_that_of_the_keepalives() {
        let mut heartbeat = Heartbeat::new();
        assert_eq!(heartbeat.interval(), FIRST);
        heartbeat.note(0);
        heartbeat.note(100_000_000);
        assert_eq!(heartbeat.interval(), Duration::from_millis(50));
        heartbeat.note(i64::MAX);
        assert_eq!(heartbeat.interval(), SLOWEST);
        // A clock that goes back says nothing.
        heartbeat.note(i64::MIN);
        assert_eq!(heartbeat.interval(), SLOWEST);
    }
}
