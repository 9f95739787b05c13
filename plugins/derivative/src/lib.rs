//! How fast fields change: the difference to the number before, for each unit of time.
//!
//! How it is computed: see `algorithms::Steps`. A NaN or an infinity is treated like an absent field.

use std::time::Duration;

use algorithms::{FieldNames, Number, PerField, Steps};
use kapacitor_guest::prelude::*;

/// The options: `.field(NAME)` for each field, `.unit(DURATION)`, `.non_negative()` and `.as(NAME)`.
#[derive(Options)]
pub struct Derivative {
    field: FieldNames,
    #[option(default = Duration::from_secs(1))]
    unit: Duration,
    non_negative: Flag,
    #[option(default = "derivative")]
    r#as: FieldName,
}

impl Stream for Derivative {
    type Group = PerField<Steps>;

    fn check(&self) -> Result<()> {
        algorithms::rule("unit", !self.unit.is_zero(), "must be more than 0s")
    }

    fn point(&self, series: &mut PerField<Steps>, point: Point<'_>, out: &mut Output) -> Result<()> {
        let mut edited = point.edit();
        for (place, number) in Number::all_of(&self.field, point)? {
            let step = series.of(place).next(point.time(), number);
            let derivative = step.and_then(|step| step.per(self.unit, step.to.minus(step.from)));
            if let Some(derivative) = derivative.filter(|value| !self.non_negative.is_set() || *value >= 0.0)
            {
                edited = edited.with(self.field.result(place, &self.r#as), derivative);
            }
        }
        out.send(edited)
    }
}

register!(Derivative);

#[cfg(test)]
mod tests {
    use kapacitor_guest::testing::{Harness, OptionArgument, flag, lines, point};
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    type Given = (&'static str, OptionArgument);

    fn start(options: impl IntoIterator<Item = Given>) -> Result<Harness<Derivative>> {
        Harness::start([("field", "value".into())].into_iter().chain(options))
    }

    /// What a point gets.
    fn derivative(harness: &mut Harness<Derivative>, time: i64, value: impl Into<OwnedValue>) -> Option<f64> {
        harness.point(&point().at(time).field("value", value)).unwrap()[0].number("derivative").ok()
    }

    #[test]
    fn change_is_for_each_unit() {
        for (unit, factor) in [(None, 1.0), (Some(60), 60.0)] {
            let unit = unit.map(|seconds| ("unit", Duration::from_secs(seconds).into()));
            let mut harness = start(unit).unwrap();
            assert_eq!(derivative(&mut harness, 0, 5), None, "the first number has no change");
            assert_eq!(derivative(&mut harness, 10 * SECOND, 25.0), Some(2.0 * factor));
            assert_eq!(derivative(&mut harness, 14 * SECOND, 5), Some(-5.0 * factor));
            assert_eq!(derivative(&mut harness, 14 * SECOND + SECOND / 2, 5), Some(0.0));
        }
    }

    #[test]
    fn falls_may_be_left_out() {
        let mut harness = start([("non_negative", flag())]).unwrap();
        let values = [(0, 5, None), (1, 9, Some(4.0)), (2, 1, None), (3, 1, Some(0.0)), (4, 2, Some(1.0))];
        for (second, value, expected) in values {
            assert_eq!(derivative(&mut harness, second * SECOND, value), expected);
        }
    }

    #[test]
    fn points_without_a_step_pass_as_they_are() {
        let mut harness = start([]).unwrap();
        assert_eq!(derivative(&mut harness, 5 * SECOND, 1), None);
        assert_eq!(derivative(&mut harness, 5 * SECOND, 100), None, "at the same time");
        assert_eq!(derivative(&mut harness, 4 * SECOND, 100), None, "before");
        assert_eq!(derivative(&mut harness, 6 * SECOND, 2), Some(1.0));
    }

    #[test]
    fn ints_keep_all_their_digits() {
        let mut harness = start([]).unwrap();
        let large = i64::MAX - 10;
        assert_eq!(derivative(&mut harness, 0, large), None);
        assert_eq!(derivative(&mut harness, SECOND, large + 1), Some(1.0));
        assert_eq!(derivative(&mut harness, 2 * SECOND, large + 4), Some(3.0));
    }

    #[test]
    fn fields_and_groups_have_series_of_their_own() {
        let options = [("field", "a".into()), ("field", "b".into()), ("as", "change".into())];
        let mut harness = Harness::<Derivative>::start(options).unwrap();
        let input = "m,host=x a=1,b=20i 1000000000\nm,host=y a=9 1500000000\nm,host=x a=3 2000000000
            m,host=x c=1 2500000000\nm,host=x a=2,b=10i 3000000000";
        let points = lines(input).unwrap().into_iter().map(|point| point.group_by(&["host"]));
        let sent = harness.points(points).unwrap();
        let of = |name: &str| sent.iter().map(|point| point.number(name).ok()).collect::<Vec<_>>();
        assert_eq!(of("a_change"), [None, None, Some(2.0), Some(-1.0)]);
        assert_eq!(of("b_change"), [None, None, None, Some(-5.0)]);
    }

    #[test]
    fn points_without_a_number_are_skipped() {
        let mut harness = start([]).unwrap();
        assert_eq!(derivative(&mut harness, 0, 1), None);
        for value in [f64::NAN, f64::INFINITY] {
            assert!(harness.point(&point().at(SECOND).field("value", value)).unwrap().is_empty());
        }
        assert!(harness.point(&point().at(SECOND).field("other", 1)).unwrap().is_empty());
        assert!(harness.skips()[0].contains("`value`"), "{:?}", harness.skips());
        assert_eq!(derivative(&mut harness, 2 * SECOND, 5), Some(2.0));
    }

    #[test]
    fn unit_is_a_time() {
        let error = start([("unit", Duration::ZERO.into())]).unwrap_err().to_string();
        assert_eq!(error, "option `unit`: must be more than 0s");
    }

    proptest! {
        /// The derivatives of a line are its slope, wherever its points are, also far from 0.
        #[test]
        fn derivative_of_a_line_is_its_slope(
            slope in -1_000_000_i64..1_000_000,
            level in prop_oneof![Just(0), Just(1_i64 << 60), Just(-(1_i64 << 60))],
            steps in proptest::collection::vec(1_i64..1000, 1..30),
        ) {
            let mut harness = start([]).unwrap();
            derivative(&mut harness, 0, level);
            let mut second = 0;
            for step in steps {
                second += step;
                let found = derivative(&mut harness, second * SECOND, level + slope * second);
                prop_assert_eq!(found, Some(slope as f64));
            }
        }
    }
}
