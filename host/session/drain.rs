//! The end of a session: pending work is finished, and then unsent bytes are written, within a deadline.

use std::time::Duration;

use tokio::time::Instant;

/// How far a session is on the way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Kapacitor may send more.
    Open,
    /// Kapacitor sends no more; pending work is finished until this time.
    Draining(Instant),
    /// All work is done; unsent bytes are written until this time.
    Closing(Instant),
}

/// The stage of a session, and the time that its end takes.
///
/// The deadline holds for each side by itself: for the plugin's work together, and for each wait for a Kapacitor
/// that reads slowly.
#[derive(Debug)]
pub struct Drain {
    stage: Stage,
    /// `sessions.drain-deadline`.
    limit: Duration,
    /// When the work that is under way began.
    work_since: Instant,
    /// How long work has taken since the input ended.
    worked: Duration,
}

impl Drain {
    /// An open session.
    pub fn new(limit: Duration) -> Self {
        Self { stage: Stage::Open, limit, work_since: Instant::now(), worked: Duration::ZERO }
    }

    /// Whether Kapacitor may send more.
    pub fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Whether pending work is being finished.
    pub fn is_draining(&self) -> bool {
        matches!(self.stage, Stage::Draining(_))
    }

    /// Whether all work is done.
    pub fn is_closing(&self) -> bool {
        matches!(self.stage, Stage::Closing(_))
    }

    /// When the session is given up.
    pub fn deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Open => None,
            Stage::Draining(at) | Stage::Closing(at) => Some(at),
        }
    }

    /// Kapacitor sends no more.
    pub fn begin(&mut self) {
        self.work_since = Instant::now();
        self.stage = Stage::Draining(self.work_since + self.limit);
    }

    /// All work is done.
    pub fn close(&mut self) {
        self.stage = Stage::Closing(self.deadline().unwrap_or_else(|| Instant::now() + self.limit));
    }

    /// Work begins.
    pub fn work_began(&mut self) {
        if self.is_draining() {
            self.work_since = Instant::now();
        }
    }

    /// Work has ended.
    pub fn work_ended(&mut self) {
        if self.is_draining() {
            self.worked += self.work_since.elapsed();
            if self.is_exceeded() {
                // Kapacitor's slow reading has moved the deadline, and the plugin has used it up.
                self.stage = Stage::Draining(Instant::now());
            }
        }
    }

    /// Whether the plugin has used up the time for its work.
    pub fn is_exceeded(&self) -> bool {
        self.worked > self.limit
    }

    /// Kapacitor has read something, if slowly: the deadline begins anew, unless the plugin has used it up.
    pub fn extend(&mut self) {
        if !self.is_exceeded() {
            let later = Instant::now() + self.limit;
            match &mut self.stage {
                Stage::Open => {}
                Stage::Draining(at) | Stage::Closing(at) => *at = later,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn slow_reading_moves_the_deadline() {
        let mut drain = Drain::new(LIMIT);
        drain.extend();
        assert_eq!(drain.deadline(), None);
        drain.begin();
        let first = drain.deadline().unwrap();
        std::thread::sleep(Duration::from_millis(2));
        drain.extend();
        let moved = drain.deadline().unwrap();
        assert!(moved > first);
        drain.close();
        assert_eq!((drain.is_closing(), drain.deadline()), (true, Some(moved)));
    }

    #[test]
    fn work_that_takes_too_long_ends_the_drain_at_once() {
        let mut drain = Drain::new(Duration::from_millis(1));
        drain.begin();
        drain.work_began();
        std::thread::sleep(Duration::from_millis(3));
        drain.work_ended();
        assert!(drain.is_exceeded() && drain.deadline().unwrap() <= Instant::now());
        drain.extend();
        assert!(drain.deadline().unwrap() <= Instant::now());
    }

    #[test]
    fn work_of_an_open_session_does_not_count() {
        let mut drain = Drain::new(Duration::ZERO);
        drain.work_began();
        std::thread::sleep(Duration::from_millis(1));
        drain.work_ended();
        assert!(drain.is_open() && !drain.is_exceeded());
    }
}
