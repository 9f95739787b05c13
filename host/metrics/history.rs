//! How fast UDF nodes work, now and in the last minutes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Number of rates that are kept of each node.
pub const MOST_RATES: usize = 60;

/// Interval at which whoever shows rates has them noted.
pub const NOTE_RATES: Duration = Duration::from_secs(5);

/// What a node has done so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Points that Kapacitor sent.
    pub points_in: u64,
    /// Points that Kapacitor gets.
    pub points_out: u64,
    /// Time for which the plugin has computed.
    pub computed: Duration,
}

impl Progress {
    /// Adds that of another session.
    pub fn add(&mut self, other: &Self) {
        self.points_in += other.points_in;
        self.points_out += other.points_out;
        self.computed += other.computed;
    }
}

/// What a node does in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Points that Kapacitor sends.
    pub points_in: f32,
    /// Points that Kapacitor gets.
    pub points_out: f32,
    /// Time in seconds for which the plugin computes.
    pub computed: f32,
}

/// The rates of a node.
#[derive(Debug, Default)]
pub struct History {
    last: Progress,
    rates: VecDeque<Rate>,
}

impl History {
    /// Notes what the node has done up to `now`, since `before`, when this was called last.
    pub fn note(&mut self, progress: Progress, before: Instant, now: Instant) {
        let seconds = now.saturating_duration_since(before).as_secs_f32();
        let last = std::mem::replace(&mut self.last, progress);
        if seconds <= 0.0 {
            return;
        }
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f32 / seconds;
        if self.rates.len() == MOST_RATES {
            self.rates.pop_front();
        }
        self.rates.push_back(Rate {
            points_in: rate(progress.points_in, last.points_in),
            points_out: rate(progress.points_out, last.points_out),
            computed: progress.computed.saturating_sub(last.computed).as_secs_f32() / seconds,
        });
    }

    /// The node counts from now on what the node of `other` has done, too. What that was noted for is no work of this
    /// one.
    pub fn take_in(&mut self, other: &Self) {
        self.last.add(&other.last);
    }

    /// The last rate.
    pub fn now(&self) -> Option<Rate> {
        self.rates.back().copied()
    }

    /// All rates, the oldest first.
    pub fn rates(&self) -> impl Iterator<Item = &Rate> {
        self.rates.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_what_was_done_in_a_second() {
        let mut history = History::default();
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let progress = |points_in| Progress { points_in, points_out: 0, computed: second / 2 };
        history.note(progress(20), start, start + 2 * second);
        assert_eq!(history.now(), Some(Rate { points_in: 10.0, points_out: 0.0, computed: 0.25 }));
        history.note(progress(20), start, start);
        assert_eq!(history.rates().count(), 1);
        for i in 1..=MOST_RATES as u64 {
            history.note(progress(20 + i), start, start + second);
        }
        assert_eq!(history.rates().count(), MOST_RATES);
        assert!(history.rates().all(|rate| rate.points_in == 1.0));
    }
}
