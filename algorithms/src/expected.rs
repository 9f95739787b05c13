//! A range in which a value is expected.

use crate::verdict::{Verdict, deviations};

/// What a value is expected to be, and how far from that values usually are.
///
/// ```
/// use algorithms::Expected;
///
/// let expected = Expected { value: 50.0, spread: 2.0 };
/// assert_eq!(expected.score(44.0), 3.0);
/// assert_eq!(expected.bounds(4.0), (42.0, 58.0));
/// assert!(!expected.verdict(44.0, 4.0).anomaly);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Expected {
    /// The value itself.
    pub value: f64,
    /// The standard deviation of values from it: at least 0. It may be infinite, where the variance is beyond `f64`.
    pub spread: f64,
}

impl Expected {
    /// How many spreads a value is away: from 0 to [`MAX_SCORE`](crate::MAX_SCORE).
    #[inline]
    pub fn score(&self, value: f64) -> f64 {
        deviations(value - self.value, self.spread).abs()
    }

    /// The lowest and the highest value that are no anomalies. They are infinite where they are beyond `f64`.
    #[inline]
    pub fn bounds(&self, threshold: f64) -> (f64, f64) {
        let margin = if threshold == 0.0 { 0.0 } else { threshold * self.spread };
        (self.value - margin, self.value + margin)
    }

    /// What a detector says of a value.
    #[inline]
    pub fn verdict(&self, value: f64, threshold: f64) -> Verdict {
        Verdict::above(self.score(value), threshold)
    }

    /// The value, or the nearest one that is at most `spreads` away, which may be infinite.
    #[inline]
    pub fn clipped(&self, value: f64, spreads: f64) -> f64 {
        if spreads == f64::INFINITY {
            return value;
        }
        let (lower, upper) = self.bounds(spreads);
        value.clamp(lower, upper)
    }
}
