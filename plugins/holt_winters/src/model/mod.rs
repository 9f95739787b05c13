//! Exponential smoothing of a level, a trend and a season.
//!
//! The forecast of the next number y is made before it comes, from the level l, the trend b for a step, damped by φ, and the
//! season s of m steps:
//!
//! ```text
//! additive:                               multiplicative:
//!     p = l + φ b,  ŷ = p + s                 p = l + φ b,  ŷ = p s
//!     l ← α (y - s) + (1 - α) p               l ← α y / s + (1 - α) p
//!     b ← β (l - l before) + (1 - β) φ b      b ← β (l - l before) + (1 - β) φ b
//!     s ← γ (y - p) + (1 - γ) s               s ← γ y / p + (1 - γ) s
//! ```
//!
//! Sources: C. C. Holt, *Forecasting seasonals and trends by exponentially weighted moving averages*, ONR report 52, 1957;
//! P. R. Winters, *Forecasting sales by exponentially weighted moving averages*, Management Science 6, 1960; E. S. Gardner
//! and E. `McKenzie`, *Forecasting trends in time series*, Management Science 31, 1985, for φ.
//!
//! The variance of the residuals y - ŷ is smoothed as well, with a weight that is never less than δ. A number that is
//! further from the forecast than a number of spreads is learnt as if it were at that distance: S. Gelper, R. Fried and C.
//! Croux, *Robust forecasting with exponential and Holt-Winters smoothing*, Journal of Forecasting 29, 2010.

use algorithms::Expected;
use serde::{Deserialize, Serialize};

mod start;

/// Numbers in a row beyond the clip after which they are learnt as they are: the series has changed.
const BELIEVED: u8 = 8;

/// What stands for a season where there is none: steps of the warm-up, and of a gap in which the trend goes on.
const NO_SEASON: usize = 10;

/// How a series is smoothed.
#[derive(Clone, Copy, Debug)]
pub struct Smoothing {
    /// Steps of a season; 0 for none.
    pub season: usize,
    pub multiplicative: bool,
    /// Weights of the newest number for level, trend, season and variance, above 0 and at most 1; that of the trend and
    /// the season may be 0.
    pub alpha: f64,
    pub beta: f64,
    pub gamma: f64,
    pub delta: f64,
    /// How much of the trend is left after each step, above 0 and at most 1.
    pub damping: f64,
    /// How many spreads from the forecast a number may be to be learnt as it is; infinite for any.
    pub clip: f64,
    /// The least spread.
    pub min_spread: f64,
}

impl Smoothing {
    /// The number of steps that the first forecast needs.
    pub fn warmup(&self) -> usize {
        if self.season == 0 { NO_SEASON } else { 2 * self.season }
    }

    /// Whether a number can be learnt: a factor of nothing, or less, has no meaning.
    fn takes(&self, value: f64) -> bool {
        !self.multiplicative || value > 0.0
    }
}

/// A series whose forecasts have begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    multiplicative: bool,
    level: f64,
    trend: f64,
    /// The season; one neutral value if there is none.
    season: Vec<f64>,
    /// The place of the next step in the season.
    place: usize,
    /// The variance of the residuals.
    variance: f64,
    /// The number of residuals so far.
    count: u32,
    /// Numbers in a row beyond the clip.
    strange: u8,
}

impl Model {
    /// Whether the model is one of a season of this length and kind.
    pub fn is_of(&self, smoothing: &Smoothing) -> bool {
        self.multiplicative == smoothing.multiplicative && self.season.len() == smoothing.season.max(1)
    }

    /// What the next number is expected to be.
    pub fn expected(&self, smoothing: &Smoothing) -> Expected {
        let spread = self.variance.sqrt().max(smoothing.min_spread);
        Expected { value: self.forecast(smoothing), spread }
    }

    fn forecast(&self, smoothing: &Smoothing) -> f64 {
        let (base, season) = (self.level + smoothing.damping * self.trend, self.season[self.place]);
        if smoothing.multiplicative { base * season } else { base + season }
    }

    /// Learns the next number. Returns `false` if a number has become too large for `f64`, or the level of a
    /// multiplicative season has become 0 or less: the model is of no use then.
    pub fn learn(&mut self, value: f64, smoothing: &Smoothing) -> bool {
        if !smoothing.takes(value) {
            return self.pass(1, smoothing);
        }
        let expected = self.expected(smoothing);
        let is_strange = expected.score(value) > smoothing.clip;
        self.strange = if is_strange { self.strange.saturating_add(1) } else { 0 };
        let clipped = if self.strange > BELIEVED { value } else { expected.clipped(value, smoothing.clip) };
        self.smooth(clipped, smoothing);
        self.count = self.count.saturating_add(1);
        let weight = smoothing.delta.max(1.0 / f64::from(self.count));
        let square = (clipped - expected.value) * (clipped - expected.value);
        self.variance = (self.variance + weight * (square - self.variance)).min(f64::MAX);
        self.is_sound(smoothing)
    }

    /// One step of the recursion.
    fn smooth(&mut self, value: f64, smoothing: &Smoothing) {
        let Smoothing { alpha, beta, gamma, damping, .. } = *smoothing;
        let (before, season) = (self.level, self.season[self.place]);
        let base = before + damping * self.trend;
        let (of_level, of_season) = if smoothing.multiplicative {
            (value / season, value / base)
        } else {
            (value - season, value - base)
        };
        self.level = alpha * of_level + (1.0 - alpha) * base;
        self.trend = beta * (self.level - before) + (1.0 - beta) * damping * self.trend;
        if smoothing.season > 0 {
            self.season[self.place] = gamma * of_season + (1.0 - gamma) * season;
        }
        self.place = (self.place + 1) % self.season.len();
    }

    /// Passes over steps without a number; returns as [`Model::learn`]. The trend goes on for a season at most.
    pub fn pass(&mut self, steps: u64, smoothing: &Smoothing) -> bool {
        let trending = if smoothing.season == 0 { NO_SEASON } else { smoothing.season };
        for _ in 0..steps.min(trending as u64) {
            self.trend *= smoothing.damping;
            self.level += self.trend;
        }
        self.turn(i128::from(steps));
        self.is_sound(smoothing)
    }

    /// Moves the place in the season, forwards or backwards.
    pub fn turn(&mut self, steps: i128) {
        let length = self.season.len() as i128;
        self.place = (self.place as i128 + steps).rem_euclid(length) as usize;
    }

    fn is_sound(&self, smoothing: &Smoothing) -> bool {
        let numbers = [self.level, self.trend, self.forecast(smoothing), self.variance];
        let base = self.level + smoothing.damping * self.trend;
        numbers.iter().all(|number| number.is_finite()) && (!smoothing.multiplicative || base > 0.0)
    }
}

#[cfg(test)]
mod tests;
