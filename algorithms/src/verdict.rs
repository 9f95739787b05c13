//! What detectors add to a point: a score, and whether it is an anomaly.

use std::borrow::Cow;

use kapacitor_guest::Edited;

/// The greatest score of detectors that divide by a standard deviation, see [`deviations`].
pub const MAX_SCORE: f64 = 1e9;

/// How many standard deviations a distance is: `distance / sigma`, from -[`MAX_SCORE`] to [`MAX_SCORE`], and never NaN for
/// numbers that are none.
///
/// With a `sigma` of 0, where all numbers were the same, no distance is 0 and any other one the greatest score. With an
/// infinite `sigma`, whose square is beyond `f64`, every distance is 0.
///
/// ```
/// use algorithms::{MAX_SCORE, deviations};
///
/// assert_eq!(deviations(-3.0, 2.0), -1.5);
/// assert_eq!(deviations(0.0, 0.0), 0.0);
/// assert_eq!(deviations(1e-9, 0.0), MAX_SCORE);
/// ```
#[inline]
pub fn deviations(distance: f64, sigma: f64) -> f64 {
    if distance == 0.0 || sigma == f64::INFINITY {
        return 0.0;
    }
    (distance / sigma).clamp(-MAX_SCORE, MAX_SCORE)
}

/// What a detector says of a value. The default is that of a value that has no score yet.
///
/// ```
/// use algorithms::{FieldNames, Verdict};
/// use kapacitor_guest::prelude::*;
/// use kapacitor_guest::testing::{Harness, point};
///
/// /// How far a value is from zero.
/// #[derive(Options)]
/// struct Distance {
///     field: FieldNames,
///     #[option(default = "score")]
///     r#as: FieldName,
///     #[option(default = "anomaly")]
///     flag: FieldName,
///     #[option(default = 3.0)]
///     threshold: f64,
/// }
///
/// impl Stream for Distance {
///     type Group = ();
///
///     fn check(&self) -> Result<()> {
///         algorithms::at_least_zero("threshold", self.threshold)
///     }
///
///     fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
///         let mut edited = point.edit();
///         for (index, value) in self.field.numbers(point)? {
///             let verdict = Verdict::above(value.abs(), self.threshold);
///             let name = |name| self.field.result(index, name);
///             edited = verdict.add_to(edited, name(&self.r#as), name(&self.flag));
///         }
///         out.send(edited)
///     }
/// }
///
/// register!(Distance);
///
/// let mut harness = Harness::<Distance>::start([("field", "a".into())]).unwrap();
/// let sent = harness.point(&point().field("a", -4)).unwrap();
/// assert_eq!(sent[0].number("score").unwrap(), 4.0);
/// assert_eq!(sent[0].fields["anomaly"], true.into());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Verdict {
    /// How unusual the value is; `None` if that can't be said yet.
    pub score: Option<f64>,
    /// Whether it is an anomaly.
    pub anomaly: bool,
}

impl Verdict {
    /// That of a score, which is an anomaly if it is above the threshold.
    #[inline]
    pub fn above(score: f64, threshold: f64) -> Self {
        Self { score: Some(score), anomaly: score > threshold }
    }

    /// Adds it to a point: the score, if there is one, and the flag always.
    #[inline]
    pub fn add_to<'a>(
        self,
        point: Edited<'a>,
        score: impl Into<Cow<'a, str>>,
        flag: impl Into<Cow<'a, str>>,
    ) -> Edited<'a> {
        let point = match self.score {
            Some(value) => point.with(score, value),
            None => point,
        };
        point.with(flag, self.anomaly)
    }
}

/// Whither a series has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The numbers have become larger.
    Up,
    /// The numbers have become smaller.
    Down,
}

impl Direction {
    /// The number that detectors of changes add to a point: 1 for up, -1 for down, 0 for no change.
    ///
    /// ```
    /// use algorithms::Direction;
    ///
    /// assert_eq!([Some(Direction::Up), Some(Direction::Down), None].map(Direction::number), [1.0, -1.0, 0.0]);
    /// ```
    #[inline]
    pub fn number(change: Option<Self>) -> f64 {
        match change {
            Some(Self::Up) => 1.0,
            Some(Self::Down) => -1.0,
            None => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_are_finite() {
        let numbers = [0.0, -0.0, 1.0, -1.0, 5e-324, -1e300, f64::MAX, f64::INFINITY, f64::NEG_INFINITY];
        for distance in numbers {
            for sigma in [0.0, 5e-324, 1.0, f64::MAX, f64::INFINITY] {
                let score = deviations(distance, sigma);
                assert!(score.abs() <= MAX_SCORE, "{distance} / {sigma} = {score}");
                assert!(
                    score == 0.0 || score.signum() == distance.signum(),
                    "{distance} / {sigma} = {score}"
                );
            }
        }
    }
}
