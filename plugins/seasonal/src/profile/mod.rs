//! What is usual in each slot of a season, learnt visit by visit.
//!
//! A *visit* is the time that a series spends in a slot, such as a Monday from 8 to 9 o'clock. A slot learns from whole
//! visits, once they are over. So it does not matter how many points a visit has, and what happens during a visit is
//! compared with the visits before it.
//!
//! After a visit whose numbers have the mean m and the variance v (the mean of the squares of their deviations), the mean μ
//! and the variance σ² of its slot become those of a mixture in which the visit has the weight w:
//!
//! ```text
//! d = m - μ
//! μ ← μ + w d
//! σ² ← (1 - w) (σ² + w d²) + w v
//! ```
//!
//! w is 1 / (k + 1) after k visits, which makes the plain mean and variance of them, and never less than α: from then on
//! this is exponential smoothing (T. Finch, *Incremental calculation of weighted mean and variance*, University of
//! Cambridge, 2009). It has the memory of n = min(k, 2 / α - 1) visits of equal weight, and the sample variance
//! s² = σ² n / (n - 1).
//!
//! A few visits tell little about a variance. So the one that is expected is a mean of s², with the weight n - 1, and of
//! s₀², with the weight 4, which is the median of the s² of the slots near it. The spread is that of a new visit, whose own
//! mean and that of n others differ:
//!
//! ```text
//! spread² = ((n - 1) s² + 4 s₀²) / (n + 3) (1 + 1 / n)
//! ```
//!
//! The mean is G. K. Smyth's moderated variance: *Linear models and empirical Bayes methods for assessing differential
//! expression in microarray experiments*, Statistical Applications in Genetics and Molecular Biology 3, 2004.

use algorithms::{Expected, UsualDistance};
use kapacitor_guest::statistics::{Moments, Profile, Season};
use serde::{Deserialize, Serialize};

/// Visits in a row whose mean is beyond the clip before their slot takes the level of the last one.
const BELIEVED_VISITS: u8 = 3;

/// Points in a row that are before the open visit until it is given up, since a wrong time in the future began it.
const BELIEVED_POINTS: u8 = 8;

/// The slots on each side that are near one: this part of the season.
const NEAR: usize = 12;

/// The weight of the variance of the slots near one, as that of this many visits.
const PRIOR: f64 = 4.0;

/// How a profile learns.
#[derive(Clone, Copy, Debug)]
pub struct Learning {
    pub season: Season,
    /// The length of a slot in nanoseconds, rounded up.
    pub slot_length: i64,
    /// The least weight of a visit, above 0 and at most 0.5.
    pub alpha: f64,
    /// The number of visits from which on a slot is known, at least 2.
    pub warmup: u32,
    /// How many spreads from what is expected a number may be to be learnt as it is; infinite for any.
    pub clip: f64,
    /// The least spread.
    pub min_spread: f64,
}

/// What is usual in a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Slot {
    mean: f64,
    variance: f64,
    visits: u32,
    /// Visits in a row whose mean was beyond the clip.
    strange: u8,
}

impl Slot {
    /// The number of visits that it remembers; `None` while it is new.
    fn count(&self, learning: &Learning) -> Option<f64> {
        (self.visits >= learning.warmup).then(|| f64::from(self.visits).min(2.0 / learning.alpha - 1.0))
    }

    /// The variance of visits; `None` while the slot is new.
    fn sample_variance(&self, learning: &Learning) -> Option<f64> {
        self.count(learning).map(|count| self.variance * (count / (count - 1.0)))
    }

    /// Learns from a visit that is over.
    fn learn(&mut self, visit: &Visit, learning: &Learning) {
        let (Some(seen), Some(mean), Some(variance)) =
            (visit.seen.mean(), visit.clipped.mean(), visit.clipped.population_variance())
        else {
            return;
        };
        let is_strange = visit.expected.is_some_and(|expected| expected.score(seen) > learning.clip);
        self.strange = if is_strange { self.strange + 1 } else { 0 };
        if self.strange == BELIEVED_VISITS {
            // The level has changed for good. The spread is at least that of this visit; it would be learnt from
            // clipped numbers otherwise, and could be 0 for ever.
            let variance = visit.seen.population_variance().unwrap_or(0.0).max(self.variance);
            let visits = self.visits.min(learning.warmup);
            *self = Self { mean: seen, variance: variance.min(f64::MAX), visits, strange: 0 };
            return;
        }
        self.visits = self.visits.saturating_add(1);
        let weight = learning.alpha.max(1.0 / f64::from(self.visits));
        let difference = mean - self.mean;
        // Never infinite, even where the difference is.
        self.mean = if difference.is_finite() {
            self.mean + weight * difference
        } else {
            (1.0 - weight) * self.mean + weight * mean
        };
        let between = if weight < 1.0 { weight * difference * difference } else { 0.0 };
        self.variance = ((1.0 - weight) * (self.variance + between) + weight * variance).min(f64::MAX);
    }
}

/// The visit that goes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Visit {
    /// The time of its first point, in nanoseconds since 1970.
    begin: i64,
    slot: usize,
    /// What the slot has known before.
    expected: Option<Expected>,
    /// The numbers as they came.
    seen: Moments,
    /// The numbers as they are learnt.
    clipped: Moments,
}

/// What is usual at the times of a season. The default knows nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Usual {
    /// The season that the slots are of.
    season: Option<Season>,
    slots: Profile<Slot>,
    visit: Option<Visit>,
    /// Points in a row that were before the open visit.
    late: u8,
    /// How far numbers are from what their slots had learnt.
    distance: UsualDistance,
}

impl Usual {
    /// Takes a finite number with its time, in nanoseconds since 1970. Returns what was expected; `None` while that is not
    /// known.
    ///
    /// If the season is another one than before, all begins anew.
    pub fn push(&mut self, time: i64, value: f64, learning: &Learning) -> Option<Expected> {
        if self.season != Some(learning.season) {
            *self = Self { season: Some(learning.season), ..Self::default() };
        }
        let slot = learning.season.slot(time);
        let is_open = self.enter(time, slot, learning);
        match &mut self.visit {
            Some(visit) if is_open => {
                let expected = visit.expected;
                visit.seen.push(value);
                visit.clipped.push(expected.map_or(value, |expected| expected.clipped(value, learning.clip)));
                expected
            }
            _ => self.expected(slot, learning),
        }
        .map(|expected| expected.compared(value, &mut self.distance))
        .or_else(|| self.between_neighbours(slot, learning))
    }

    /// Makes the visit of a time the open one, and learns from the one before; returns `false` if the time is before the
    /// open visit.
    fn enter(&mut self, time: i64, slot: usize, learning: &Learning) -> bool {
        if let Some(visit) = &self.visit {
            let passed = time.saturating_sub(visit.begin);
            let is_same = visit.slot == slot && passed.saturating_abs() < learning.slot_length;
            if is_same || passed < 0 {
                self.late = if is_same { 0 } else { self.late + 1 };
                if self.late < BELIEVED_POINTS {
                    return is_same;
                }
            } else {
                self.slots.slot(learning.season, visit.begin).learn(visit, learning);
            }
        }
        self.late = 0;
        let expected = self.expected(slot, learning);
        let (seen, clipped) = (Moments::default(), Moments::default());
        self.visit = Some(Visit { begin: time, slot, expected, seen, clipped });
        true
    }

    /// What a slot has learnt; `None` while it is new.
    fn expected(&self, slot: usize, learning: &Learning) -> Option<Expected> {
        let slots = self.slots.slots();
        let own = slots.get(slot)?;
        let (count, variance) = (own.count(learning)?, own.sample_variance(learning)?);
        let near = slots.len() / NEAR;
        let places = (slot + slots.len() - near..=slot + slots.len() + near).map(|place| place % slots.len());
        // At least the slot itself is known.
        let mut known: Vec<f64> = places.filter_map(|place| slots[place].sample_variance(learning)).collect();
        let prior = algorithms::median(&mut known);
        let moderated = ((count - 1.0) * variance + PRIOR * prior) / (count - 1.0 + PRIOR);
        let spread = (moderated * (1.0 + 1.0 / count)).sqrt();
        Some(Expected { value: own.mean, spread: spread.max(learning.min_spread) })
    }

    /// What is expected in a new slot: a number on the line between the centres of the nearest slots on both sides that
    /// are known; `None` if there is none near. The spread is that of both, and half of the distance between them, since
    /// the slot may be anywhere between them.
    #[cold]
    fn between_neighbours(&self, slot: usize, learning: &Learning) -> Option<Expected> {
        let slots = self.slots.slots().len();
        let nearest = |place: &dyn Fn(usize) -> usize| {
            (1..=slots / NEAR).find_map(|steps| Some((steps as f64, self.expected(place(steps), learning)?)))
        };
        let (before, earlier) = nearest(&|steps| (slot + slots - steps) % slots)?;
        let (after, later) = nearest(&|steps| (slot + steps) % slots)?;
        let share = before / (before + after);
        let between = |a: f64, b: f64| (1.0 - share) * a + share * b;
        Some(Expected {
            value: between(earlier.value, later.value),
            spread: between(earlier.spread, later.spread).hypot((later.value - earlier.value) / 2.0),
        })
    }
}

#[cfg(test)]
mod tests;
