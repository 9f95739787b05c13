//! A range in which a value is expected, and what detectors add to a point that know one.

use kapacitor_guest::Edited;

use crate::fields::{FieldNames, Place};
use crate::usual_distance::UsualDistance;
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
    /// The same with the spread that counts, see [`UsualDistance`], which learns how far the value is away.
    #[must_use]
    pub fn compared(self, value: f64, usual: &mut UsualDistance) -> Self {
        let spread = usual.spread(self.spread);
        usual.push(value - self.value);
        Self { spread, ..self }
    }

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

/// The options of a detector that expects a value, by which its results are added to a point.
#[derive(Clone, Copy, Debug)]
pub struct Comparison<'a> {
    /// The fields that the detector looks at.
    pub field: &'a FieldNames,
    /// The score above which a value is an anomaly.
    pub threshold: f64,
    /// The name of the expected value.
    pub expected: &'a str,
    /// The names of the lowest and the highest value that are no anomalies.
    pub bounds: (&'a str, &'a str),
    /// The name of the score.
    pub score: &'a str,
    /// The name of the flag of anomalies.
    pub flag: &'a str,
}

impl<'a> Comparison<'a> {
    /// Adds to a point what the value of a field, which is at this place among the fields, was expected to be, and how far
    /// it is from that; only the flag if nothing was expected. Bounds beyond `f64` are left out.
    pub fn add_to(
        &self,
        mut point: Edited<'a>,
        place: Place,
        value: f64,
        expected: Option<Expected>,
    ) -> Edited<'a> {
        let name = |name| self.field.result(place, name);
        let mut verdict = Verdict::default();
        if let Some(expected) = expected {
            verdict = expected.verdict(value, self.threshold);
            point = point.with(name(self.expected), expected.value);
            let (lower, upper) = expected.bounds(self.threshold);
            if lower.is_finite() && upper.is_finite() {
                point = point.with(name(self.bounds.0), lower).with(name(self.bounds.1), upper);
            }
        }
        verdict.add_to(point, name(self.score), name(self.flag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kapacitor_guest::prelude::*;
    use kapacitor_guest::testing::{Harness, point};

    #[test]
    fn bounds_are_numbers_or_infinite() {
        let expected = Expected { value: 1.0, spread: f64::INFINITY };
        assert_eq!(expected.bounds(0.0), (1.0, 1.0));
        assert_eq!(expected.bounds(2.0), (f64::NEG_INFINITY, f64::INFINITY));
        assert_eq!(expected.score(1e300), 0.0);
    }

    #[test]
    fn a_spread_of_nothing_counts_as_the_usual_distance() {
        let (expected, mut usual) = (Expected { value: 10.0, spread: 0.0 }, UsualDistance::default());
        let spreads = [10.0, 12.0, 10.0, 10.0, 10.0].map(|value| expected.compared(value, &mut usual).spread);
        assert_eq!(spreads[..2], [0.0, 0.0]);
        assert!(
            (spreads[2] - 2.0_f64.sqrt()).abs() < 1e-15 && (spreads[4] - 1.0).abs() < 1e-15,
            "{spreads:?}"
        );
        assert_eq!(Expected { spread: 0.5, ..expected }.compared(10.0, &mut usual).spread, 0.5);
    }

    #[test]
    fn values_are_clipped_to_the_nearest_bound() {
        let expected = Expected { value: 10.0, spread: 2.0 };
        assert_eq!([3.0, 9.0, 15.0].map(|value| expected.clipped(value, 2.0)), [6.0, 9.0, 14.0]);
        assert_eq!(expected.clipped(1e300, f64::INFINITY), 1e300);
        assert_eq!(Expected { spread: 0.0, ..expected }.clipped(11.0, f64::INFINITY), 11.0);
    }

    /// Expects 10, once a number has come.
    #[derive(Options)]
    struct Ten {
        field: FieldNames,
        spread: f64,
    }

    impl Stream for Ten {
        type Group = bool;

        fn point(&self, known: &mut bool, point: Point<'_>, out: &mut Output) -> Result<()> {
            let comparison = Comparison {
                field: &self.field,
                threshold: 3.0,
                expected: "expected",
                bounds: ("lower", "upper"),
                score: "score",
                flag: "anomaly",
            };
            let expected = known.then_some(Expected { value: 10.0, spread: self.spread });
            *known = true;
            let mut edited = point.edit();
            for (place, value) in self.field.numbers(point)? {
                edited = comparison.add_to(edited, place, value, expected);
            }
            out.send(edited)
        }
    }

    register!(Ten);

    #[test]
    fn a_point_has_what_is_known() {
        for (spread, names) in [
            (2.0, &["a", "anomaly", "expected", "lower", "score", "upper"][..]),
            (f64::MAX, &["a", "anomaly", "expected", "score"]),
        ] {
            let mut ten = Harness::<Ten>::start([("field", "a".into()), ("spread", spread.into())]).unwrap();
            let sent = ten.points([point().field("a", 1), point().field("a", 17)]).unwrap();
            assert_eq!(sent[0].fields.keys().collect::<Vec<_>>(), ["a", "anomaly"]);
            let mut found: Vec<_> = sent[1].fields.keys().collect();
            found.sort_unstable();
            assert_eq!(found, names);
            assert_eq!(sent[1].fields["anomaly"], (spread == 2.0).into());
        }
    }
}
