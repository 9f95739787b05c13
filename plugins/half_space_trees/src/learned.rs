//! What is usual in a group: its trees, and the range of each field.

use algorithms::{Random, deviations};
use kapacitor_guest::statistics::ExponentialMoments;

use crate::trees::{Shape, Trees};

/// A range that is learned is this much longer at each end, as a share of the length.
const MARGIN: f64 = 0.5;

/// A range is learned anew when values take less than this share of what it was learned from.
const TOO_LONG: f64 = 0.25;

/// The usual rarity is that of this number of windows.
const WINDOWS: u64 = 10;

/// The usual rarity is known after a window divided by this.
const COMPARED: usize = 5;

/// The least standard deviation of a rarity that counts: a tenth more or less is never unusual.
const LEAST_SIGMA: f64 = 0.1;

/// The part of a field's values that trees cut up.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Range {
    low: f64,
    length: f64,
}

impl Range {
    /// Values beyond it count as that, so that ranges are finite.
    pub const BOUND: f64 = 1e300;

    /// The range that an option gives.
    pub fn given(low: f64, high: f64) -> Self {
        Self { low, length: high - low }
    }

    /// The range for values from `low` to `high`.
    fn learned(low: f64, high: f64) -> Self {
        // Values that are all the same have a range of about the distance between two numbers of their size.
        let length = (high - low).max(1e-15 * low.abs()).max(f64::MIN_POSITIVE);
        Self { low: low - MARGIN * length, length: (1.0 + 2.0 * MARGIN) * length }
    }

    /// A value on the scale on which the range is from 0 to 1.
    fn scaled(self, value: f64) -> f64 {
        (value - self.low) / self.length
    }

    /// Whether it does for values from `low` to `high`.
    fn fits(self, low: f64, high: f64) -> bool {
        let within = |value| (0.0..=1.0).contains(&self.scaled(value));
        let filled = (high - low) / self.length * (1.0 + 2.0 * MARGIN);
        within(low) && within(high) && filled >= TOO_LONG
    }
}

/// The state of a group.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "Saved")]
pub struct Learned {
    shape: Shape,
    seed: u64,
    random: Random,
    ranges: Vec<Range>,
    /// No trees before the end of the first window.
    trees: Option<Trees>,
    /// The values of the current window, point by point.
    window: Vec<f64>,
    /// The rarities so far, and their number.
    rarities: ExponentialMoments,
    count: u64,
}

/// What is saved of [`Learned`].
#[derive(serde::Deserialize)]
struct Saved {
    shape: Shape,
    seed: u64,
    random: Random,
    ranges: Vec<Range>,
    trees: Option<Trees>,
    window: Vec<f64>,
    rarities: ExponentialMoments,
    count: u64,
}

impl TryFrom<Saved> for Learned {
    type Error = &'static str;

    fn try_from(saved: Saved) -> Result<Self, Self::Error> {
        let Saved { shape, seed, random, ranges, trees, window, rarities, count } = saved;
        let dimensions = shape.dimensions.max(1);
        let points = window.len() / dimensions;
        if window.len() % dimensions != 0 || points > shape.size {
            return Err("the window is not one of whole points");
        }
        if trees
            .as_ref()
            .is_some_and(|trees| ranges.len() != shape.dimensions || !trees.is_sound(shape, points))
        {
            return Err("the trees are not those of the fields");
        }
        let finite = |range: &Range| range.low.is_finite() && range.length.is_finite() && range.length > 0.0;
        if !ranges.iter().all(finite) || !window.iter().all(|value| value.is_finite()) {
            return Err("a range or a value is not finite");
        }
        Ok(Self { shape, seed, random, ranges, trees, window, rarities, count })
    }
}

impl Learned {
    /// Scores the values of a point, one for each field, and learns them. No score before the end of the first window, and
    /// of a fifth of the second one.
    ///
    /// `given` has the range of each field that the options give. If shape or seed are other ones than before, what was
    /// learned is given up.
    pub fn push(
        &mut self,
        values: &[f64],
        shape: Shape,
        seed: u64,
        given: impl FnOnce() -> Vec<Option<Range>>,
    ) -> Option<f64> {
        if self.shape != shape || self.seed != seed {
            *self = Self { shape, seed, random: Random::new(seed), ..Self::default() };
        }
        let start = self.window.len();
        self.window.extend(values.iter().map(|value| value.clamp(-Range::BOUND, Range::BOUND)));
        let mass = self.trees.as_mut().map(|trees| {
            let point = scaled(&self.window[start..], &self.ranges);
            trees.mass_and_learn(&point)
        });
        if self.window.len() >= shape.size * shape.dimensions {
            self.end_window(&given());
        }
        self.score(mass?)
    }

    /// How many standard deviations a point with this mass is rarer than usual; `None` while that is not known.
    fn score(&mut self, mass: f64) -> Option<f64> {
        let (rarity, usual) = (-mass.ln(), self.rarities);
        self.count += 1;
        let remembered = WINDOWS * self.shape.size as u64;
        self.rarities.push(rarity, 1.0 / self.count.min(remembered) as f64);
        let is_known = self.count > (self.shape.size / COMPARED).max(1) as u64;
        let (mean, sigma) = usual.mean().zip(usual.std_dev()).filter(|_| is_known)?;
        Some(deviations(rarity - mean, sigma.max(LEAST_SIGMA)))
    }

    fn end_window(&mut self, given: &[Option<Range>]) {
        let dimensions = self.shape.dimensions;
        let extremes = |dimension: usize| {
            let values = self.window.iter().skip(dimension).step_by(dimensions);
            values.fold((Range::BOUND, -Range::BOUND), |(low, high), value| (value.min(low), value.max(high)))
        };
        let ranges: Vec<Range> = (0..dimensions)
            .map(|dimension| {
                let (low, high) = extremes(dimension);
                let known = self.ranges.get(dimension).copied().filter(|range| range.fits(low, high));
                given[dimension].or(known).unwrap_or_else(|| Range::learned(low, high))
            })
            .collect();
        if self.trees.is_none() || ranges != self.ranges {
            let mut trees = Trees::new(self.shape, &mut self.random);
            for point in self.window.chunks(dimensions) {
                trees.mass_and_learn(&scaled(point, &ranges));
            }
            (self.trees, self.ranges) = (Some(trees), ranges);
        }
        if let Some(trees) = &mut self.trees {
            trees.end_window();
        }
        self.window.clear();
    }
}

/// A point on the scales of its fields.
fn scaled(point: &[f64], ranges: &[Range]) -> Vec<f64> {
    point.iter().zip(ranges).map(|(value, range)| range.scaled(*value)).collect()
}
