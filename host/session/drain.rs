//! The end of a session: pending work is finished, and then unsent bytes are written, within a deadline.

use std::time::Duration;

use tokio::time::Instant;

/// Minimum time by which a deadline is moved.
const STEP: Duration = Duration::from_millis(10);

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

/// Multiple of `sessions.drain-deadline` that pending work may take on the wall clock: the last resort on a machine
/// that is overloaded. With the default it is below the 90 seconds that systemd gives a service to stop.
pub const LAST_RESORT: u32 = 10;

/// The stage of a session, and the time that its end takes.
///
/// The deadline holds for each side by itself: for the CPU time of the plugin's work together, and for each wait for
/// a Kapacitor that reads slowly.
#[derive(Debug)]
pub struct Drain {
    stage: Stage,
    /// `sessions.drain-deadline`.
    limit: Duration,
    /// When the input ended, or when Kapacitor has read something since then.
    since: Instant,
    /// CPU time of the plugin's work before the input ended.
    computed_before: Duration,
}

impl Drain {
    /// An open session.
    pub fn new(limit: Duration) -> Self {
        Self { stage: Stage::Open, limit, since: Instant::now(), computed_before: Duration::ZERO }
    }

    /// Whether Kapacitor may send more.
    pub fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Whether all work is done.
    pub fn is_closing(&self) -> bool {
        matches!(self.stage, Stage::Closing(_))
    }

    /// When the session is given up, unless [`Drain::may_go_on`] then.
    pub fn deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Open => None,
            Stage::Draining(at) | Stage::Closing(at) => Some(at),
        }
    }

    /// Kapacitor sends no more. The plugin's work has `computed` for so long until now.
    pub fn begin(&mut self, computed: Duration) {
        (self.since, self.computed_before) = (Instant::now(), computed);
        self.stage = Stage::Draining(self.since + self.limit);
    }

    /// The session is over, and only the work that is under way is waited for: it may compute for the same time
    /// again.
    pub fn leave(&mut self, computed: Duration) {
        if self.is_open() {
            self.since = Instant::now();
        }
        self.computed_before = computed;
        self.stage = Stage::Draining(Instant::now() + self.limit);
    }

    /// All work is done.
    pub fn close(&mut self) {
        self.stage = Stage::Closing(self.deadline().unwrap_or_else(|| Instant::now() + self.limit));
    }

    /// Work has ended, and the plugin's work has `computed` for so long until now.
    pub fn work_ended(&mut self, computed: Duration) {
        if matches!(self.stage, Stage::Draining(_)) && self.rest(computed).is_none() {
            // Kapacitor's slow reading has moved the deadline, and the plugin has used it up.
            self.stage = Stage::Draining(Instant::now());
        }
    }

    /// Whether the plugin's work has computed for longer than it may.
    pub fn has_computed_too_long(&self, computed: Duration) -> bool {
        self.unused(computed).is_none()
    }

    /// The CPU time that the plugin has not used.
    fn unused(&self, computed: Duration) -> Option<Duration> {
        self.limit.checked_sub(computed.saturating_sub(self.computed_before))
    }

    /// The CPU time that the plugin has left; `None` if it has none.
    fn rest(&self, computed: Duration) -> Option<Duration> {
        let rest = self.unused(computed)?;
        (self.since.elapsed() < LAST_RESORT * self.limit).then_some(rest)
    }

    /// Whether the plugin has used up the time for its work.
    fn is_exceeded(&self, computed: Duration) -> bool {
        self.rest(computed).is_none()
    }

    /// Moves a deadline that has passed while work was under way, for which the plugin has not had all of its CPU
    /// time: the machine is busy. False if the session is given up.
    pub fn may_go_on(&mut self, computed: Duration) -> bool {
        match (self.stage, self.rest(computed)) {
            (Stage::Draining(_), Some(rest)) => {
                self.stage = Stage::Draining(Instant::now() + rest.max(STEP));
                true
            }
            _ => false,
        }
    }

    /// Kapacitor has read something, if slowly: the deadline begins anew, unless the plugin has used it up. It does so
    /// as often as Kapacitor reads, which may take a slow replay minutes; but if the host stops (`stopping`), for no longer
    /// than the last resort in all.
    pub fn extend(&mut self, computed: Duration, stopping: bool) {
        if self.is_exceeded(computed) {
            return;
        }
        let now = Instant::now();
        match &mut self.stage {
            Stage::Open => return,
            Stage::Draining(at) | Stage::Closing(at) => *at = now + self.limit,
        }
        if !stopping {
            self.since = now;
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
        drain.extend(Duration::ZERO, false);
        assert_eq!(drain.deadline(), None);
        drain.begin(Duration::ZERO);
        let first = drain.deadline().unwrap();
        std::thread::sleep(Duration::from_millis(2));
        drain.extend(Duration::ZERO, true);
        let moved = drain.deadline().unwrap();
        assert!(moved > first);
        drain.close();
        assert_eq!((drain.is_closing(), drain.deadline()), (true, Some(moved)));
    }

    #[test]
    fn work_that_computes_for_too_long_ends_the_drain_at_once() {
        let mut drain = Drain::new(LIMIT);
        // What was computed before does not count.
        drain.begin(3 * LIMIT);
        drain.work_ended(4 * LIMIT);
        assert!(!drain.is_exceeded(4 * LIMIT) && drain.deadline().unwrap() > Instant::now());
        let computed = 4 * LIMIT + Duration::from_millis(1);
        drain.work_ended(computed);
        assert!(drain.is_exceeded(computed) && drain.deadline().unwrap() <= Instant::now());
        drain.extend(computed, false);
        assert!(!drain.may_go_on(computed) && drain.deadline().unwrap() <= Instant::now());
    }

    #[test]
    fn work_that_waits_for_the_machine_goes_on_up_to_the_last_resort() {
        let limit = Duration::from_millis(20);
        let mut drain = Drain::new(limit);
        assert!(!drain.may_go_on(Duration::ZERO));
        drain.begin(Duration::ZERO);
        assert!(drain.may_go_on(limit / 2) && drain.deadline().unwrap() > Instant::now());
        std::thread::sleep(LAST_RESORT * limit);
        assert!(!drain.may_go_on(limit / 2));
    }

    #[test]
    fn steady_reader_is_waited_for_unless_the_host_stops() {
        let limit = Duration::from_millis(100);
        for stopping in [false, true] {
            let mut drain = Drain::new(limit);
            drain.begin(Duration::ZERO);
            for _ in 0..LAST_RESORT {
                drain.extend(Duration::ZERO, stopping);
                std::thread::sleep(limit);
            }
            drain.extend(Duration::ZERO, stopping);
            assert_eq!(drain.is_exceeded(Duration::ZERO), stopping);
            assert_eq!(drain.deadline().unwrap() <= Instant::now(), stopping);
        }
    }
}
