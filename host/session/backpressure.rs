//! Measures which side of a session stalls: the plugin, or Kapacitor.
//!
//! Both look the same to Kapacitor, whose tasks stand still. So they are measured apart, and a warning says which
//! of the two is slow.

use std::mem;
use std::time::{Duration, Instant};

use crate::logging::{Labels, Tenfold, log_for};

/// Minimum time without a read that is worth a warning.
const SLOW: Duration = Duration::from_secs(1);

/// Minimum interval between two warnings.
const QUIET: Duration = Duration::from_secs(60);

/// The side that stalls a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    /// The plugin computes, and input waits.
    Plugin,
    /// Kapacitor does not read what it is sent.
    Kapacitor,
}

/// The stalls of one session.
#[derive(Debug, Default)]
pub struct Backpressure {
    now: Option<(Stall, Instant)>,
    /// When reading stopped, while it is stopped.
    stopped: Option<Instant>,
    plugin: Duration,
    kapacitor: Duration,
    dropped: u64,
    /// Says when the log mentions the dropped points.
    dropped_told: Tenfold,
    warned: Option<Instant>,
}

impl Backpressure {
    /// Notes that the session stalls on `side` from now on, and whether it has `stopped` reading.
    #[inline]
    pub fn set_stalled_on(&mut self, side: Option<Stall>, stopped: bool) {
        if side != self.now.map(|(side, _)| side) {
            self.change(side);
        }
        if stopped != self.stopped.is_some() {
            self.stopped = stopped.then(Instant::now);
        }
    }

    fn change(&mut self, side: Option<Stall>) {
        let now = Instant::now();
        match self.now.take() {
            Some((Stall::Plugin, since)) => self.plugin += now - since,
            Some((Stall::Kapacitor, since)) => self.kapacitor += now - since,
            None => {}
        }
        self.now = side.map(|side| (side, now));
    }

    /// How long the session has waited for the plugin, and for Kapacitor.
    pub fn waited(&self) -> (Duration, Duration) {
        let now = |side| match self.now {
            Some((stalled, since)) if stalled == side => since.elapsed(),
            _ => Duration::ZERO,
        };
        (self.plugin + now(Stall::Plugin), self.kapacitor + now(Stall::Kapacitor))
    }

    /// Counts points that were dropped, and returns how many there were so far.
    pub fn dropped(&mut self, points: u64, labels: &Labels) -> u64 {
        self.dropped += points;
        if self.dropped_told.is_due(self.dropped) {
            log_for!(
                warn,
                labels,
                slow = self.slow(),
                dropped = self.dropped.to_string(),
                "more input waits than sessions.queue, points were dropped so far: see policy.on-full"
            );
        }
        self.dropped
    }

    /// The side that is slow, in words.
    fn slow(&self) -> &'static str {
        match self.now {
            Some((Stall::Kapacitor, _)) => "Kapacitor does not read: look for a slow node behind the UDF",
            _ => "the plugin computes",
        }
    }

    /// Warns if nothing was read for a long time.
    pub fn report(&mut self, labels: &Labels) {
        let slow = self.stopped.is_some_and(|since| since.elapsed() >= SLOW);
        if slow && self.warned.is_none_or(|at| at.elapsed() >= QUIET) {
            self.warned = Some(Instant::now());
            log_for!(
                warn,
                labels,
                slow = self.slow(),
                "more input waits than sessions.queue, and Kapacitor has to wait with all tasks on the same data: see policy.on-full"
            );
        }
    }

    /// Logs the times of the stalls at the end of the session.
    pub fn end(&mut self, labels: &Labels) {
        self.change(None);
        let in_ms =
            |time: Duration| humantime::format_duration(Duration::from_millis(time.as_millis() as u64));
        let waited_for_plugin = in_ms(mem::take(&mut self.plugin)).to_string();
        let waited_for_kapacitor = in_ms(mem::take(&mut self.kapacitor)).to_string();
        if self.dropped > 0 {
            let dropped = self.dropped.to_string();
            log_for!(info, labels, waited_for_plugin, waited_for_kapacitor, dropped, "connection ended");
        } else {
            log_for!(debug, labels, waited_for_plugin, waited_for_kapacitor, "connection ended");
        }
    }
}
