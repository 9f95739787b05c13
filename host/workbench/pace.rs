//! The speed of a replay.

use std::thread;
use std::time::{Duration, Instant};

/// Plays data by its own time, or faster by a factor.
pub struct Pace {
    factor: f64,
    /// When the first data was played, and its time in nanoseconds.
    begin: Option<(Instant, i64)>,
}

impl Pace {
    /// A replay that is faster than the data by this factor.
    pub fn new(factor: f64) -> Self {
        Self { factor, begin: None }
    }

    /// How long data of this time, in nanoseconds, has to wait. Data that is older than the first does not wait.
    pub fn wait(&mut self, time: i64) -> Duration {
        let (begin, first) = *self.begin.get_or_insert_with(|| (Instant::now(), time));
        let since = time.saturating_sub(first).max(0) as f64 / 1e9 / self.factor;
        let due = Duration::try_from_secs_f64(since).unwrap_or(Duration::MAX);
        due.saturating_sub(begin.elapsed())
    }
}

/// Sleeps until data is due.
pub fn sleep(wait: Duration) {
    if !wait.is_zero() {
        thread::sleep(wait);
    }
}

/// Reads `10x` or `real`.
///
/// # Errors
///
/// When the text is neither.
pub fn parse_speed(text: &str) -> Result<f64, String> {
    let factor = match text {
        "real" => Some(1.0),
        _ => text.strip_suffix('x').and_then(|factor| factor.parse().ok()),
    };
    let positive = factor.filter(|factor: &f64| factor.is_finite() && *factor > 0.0);
    positive.ok_or_else(|| format!("`{text}` is no speed: write `real`, or a factor such as `10x`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds() {
        assert_eq!(parse_speed("real"), Ok(1.0));
        assert_eq!(parse_speed("0.5x"), Ok(0.5));
        for wrong in ["", "10", "x", "-1x", "infx", "0x"] {
            assert!(parse_speed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn data_waits_for_its_time() {
        let mut pace = Pace::new(2.0);
        assert_eq!(pace.wait(1_000), Duration::ZERO);
        assert_eq!(pace.wait(0), Duration::ZERO);
        let wait = pace.wait(1_000 + 7_200_000_000_000);
        assert!(wait <= Duration::from_secs(3_600) && wait > Duration::from_secs(3_000), "{wait:?}");
    }
}
