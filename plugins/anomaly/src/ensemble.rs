//! Six views of a series, and what they say together.
//!
//! Each view makes a number of a value, and its [`Tail`] says which share p of the numbers before is at least as large.
//! The score is that of the harmonic mean of the six shares: it is nearly as small as the smallest one, and smaller if
//! several are small. The views need not be independent of each other. D. J. Wilson, *The harmonic mean p-value for combining
//! dependent tests*, PNAS 116, 2019.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::tail::Tail;
use crate::views::{Day, Mean, Shares, Spread};

/// By how much a score must be above the last ones, so that one that rises slowly is one alarm.
pub const MARGIN: f64 = 0.1;

/// Larger values count as this, so that no difference is infinite.
const LARGEST: f64 = 1e300;

/// The way in which a value is unusual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The value is far from the mean of all values, in which one of 5,000 points ago counts 1/e.
    Level,
    /// It is far from the mean of the last 50.
    Recent,
    /// It is far from what is usual in this hour of the day.
    Hour,
    /// The mean of the last 20 is far from that of the last 1,000.
    Shift,
    /// The last 20 are farther from the mean than is usual, or nearer.
    Spread,
    /// The last 50 have another distribution than those before.
    Distribution,
}

impl View {
    /// The number of views.
    const COUNT: f64 = 6.0;

    /// The name that a point gets.
    pub fn name(self) -> &'static str {
        match self {
            Self::Level => "level",
            Self::Recent => "recent",
            Self::Hour => "hour",
            Self::Shift => "shift",
            Self::Spread => "spread",
            Self::Distribution => "distribution",
        }
    }
}

/// How unusual a value is, and in which way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// The negative decimal logarithm of about the share of points that are as unusual: at least 0.
    pub score: f64,
    /// The view in which it is the most unusual.
    pub view: View,
}

/// The state of a series.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ensemble {
    /// The number of values so far.
    count: u64,
    /// The first value. All else is the difference from it, so that small changes of large values are not lost.
    origin: f64,
    level: Mean,
    recent: Mean,
    day: Day,
    short: Mean,
    long: Mean,
    spread: Spread,
    shares: Shares,
    /// The distributions of what the views say, in the order of [`View`]; that of the spread is of larger ones.
    tails: [Tail; 6],
    /// That of smaller spreads.
    narrow: Tail,
}

impl Ensemble {
    /// The number of values so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Adds a finite value, and says how unusual it is. The time is in nanoseconds since 1970.
    pub fn push(&mut self, time: i64, value: f64) -> Finding {
        let value = value.clamp(-LARGEST, LARGEST);
        if self.count == 0 {
            self.origin = value;
        }
        self.count += 1;
        let value = value - self.origin;
        let spread = self.spread.push(value);
        self.short.push(value, 20.0);
        let shift = (self.short.get() - self.long.get()).abs();
        self.long.push(value, 1000.0);
        let numbers = [
            (View::Level, self.level.distance(value, 5000.0)),
            (View::Recent, self.recent.distance(value, 50.0)),
            (View::Hour, self.day.push(time, value)),
            (View::Shift, shift),
            (View::Spread, spread.max(0.0)),
            (View::Distribution, self.shares.push(value)),
        ];
        // The sum of 1/p.
        let mut sum = 0.0;
        let mut least = (1.0, View::Level);
        for ((view, number), tail) in numbers.into_iter().zip(&mut self.tails) {
            let mut share = tail.push(number);
            if view == View::Spread {
                // The smaller of the shares of two sides counts twice.
                let narrow = self.narrow.push((-spread).max(0.0));
                share = (2.0 * share.min(narrow)).min(1.0);
            }
            sum += 1.0 / share;
            if share < least.0 {
                least = (share, view);
            }
        }
        Finding { score: (sum / View::COUNT).log10(), view: least.1 }
    }
}

#[cfg(test)]
impl Ensemble {
    /// The memory that it takes beside its own size, in bytes.
    pub fn heap(&self) -> usize {
        let tails = self.tails.iter().chain([&self.narrow]).map(Tail::heap).sum::<usize>();
        tails + self.day.heap() + self.shares.heap()
    }
}

/// Lets one alarm pass for each anomaly: a score counts only if none of the last ones was about as large.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rest {
    /// Numbers and scores of points, each score larger than the ones behind it.
    largest: VecDeque<(u64, f64)>,
}

impl Rest {
    /// The score of a point, or 0 if it is not by [`MARGIN`] above those of the `length` points before it.
    pub fn pass(&mut self, number: u64, score: f64, length: u64) -> f64 {
        while self.largest.front().is_some_and(|(before, _)| before + length < number) {
            self.largest.pop_front();
        }
        let passes = self.largest.front().is_none_or(|(_, before)| score > *before + MARGIN);
        while self.largest.back().is_some_and(|(_, before)| *before <= score) {
            self.largest.pop_back();
        }
        self.largest.push_back((number, score));
        if passes { score } else { 0.0 }
    }
}

#[cfg(test)]
impl Rest {
    /// The memory that it takes beside its own size, in bytes.
    pub fn heap(&self) -> usize {
        self.largest.capacity() * size_of::<(u64, f64)>()
    }
}
