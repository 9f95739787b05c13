//! Times that run out.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A time that starts to run when a condition comes to hold, and stops when the condition no longer does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer(Option<Instant>);

impl Timer {
    /// Lets the timer run for `span` from when `condition` comes to hold.
    pub fn run_while(&mut self, condition: bool, span: Duration) {
        if !condition {
            self.0 = None;
        } else if self.0.is_none() {
            self.0 = Some(Instant::now() + span);
        }
    }

    /// Stops the timer.
    pub fn stop(&mut self) {
        self.0 = None;
    }

    /// Whether the timer runs, or has run out.
    pub fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the timer has run out.
    pub fn has_expired(&self) -> bool {
        self.0.is_some_and(|at| at <= Instant::now())
    }

    /// Waits until the timer runs out. Returns at once if it does not run.
    pub async fn expired(self) {
        if let Some(at) = self.0 {
            sleep_until(at).await;
        }
    }
}

impl From<Option<Instant>> for Timer {
    fn from(at: Option<Instant>) -> Self {
        Self(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timer_starts_once_and_stops_with_its_condition() {
        let mut timer = Timer::default();
        timer.run_while(true, Duration::ZERO);
        assert!(timer.has_expired());
        timer.run_while(true, Duration::from_secs(60));
        assert!(timer.has_expired());
        timer.run_while(false, Duration::ZERO);
        assert!(!timer.is_set() && !timer.has_expired());
    }
}
