//! Whether the mean of a series has changed, by the test of Page and Hinkley.
//!
//! The sums: see [`sums`]. Options and results are those of `drift.PageHinkley` of river.

mod sums;

use std::num::NonZeroU64;

use algorithms::{Direction, FieldNames, PerField, Verdict};
use kapacitor_guest::options::{OptionValue, Scalar, ValueType};
use kapacitor_guest::prelude::*;

use crate::sums::{Settings, Sums};

/// The options, see README.md.
#[derive(Options)]
pub struct PageHinkley {
    field: FieldNames,
    #[option(default = NonZeroU64::new(30).unwrap())]
    min_instances: NonZeroU64,
    #[option(default = 0.005)]
    delta: f64,
    #[option(default = 50.0)]
    threshold: f64,
    #[option(default = 0.9999)]
    alpha: f64,
    standardized: Flag,
    #[option(default = Mode::Both)]
    mode: Mode,
    #[option(default = "score")]
    r#as: FieldName,
    #[option(default = "anomaly")]
    flag: FieldName,
    #[option(default = "direction")]
    direction: FieldName,
}

/// Which changes count: `.mode('up')`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Up,
    Down,
    Both,
}

impl Scalar for Mode {
    const TYPE: ValueType = ValueType::String;

    fn convert(value: &OptionValue<'_>) -> Option<std::result::Result<Self, String>> {
        match value {
            OptionValue::String("up") => Some(Ok(Self::Up)),
            OptionValue::String("down") => Some(Ok(Self::Down)),
            OptionValue::String("both") => Some(Ok(Self::Both)),
            OptionValue::String(other) => Some(Err(format!("must be `up`, `down` or `both`, got `{other}`"))),
            _ => None,
        }
    }
}

impl PageHinkley {
    /// Adds a value, and says whether the mean has changed, and whither.
    fn judge(&self, sums: &mut Sums, value: f64) -> (Verdict, Option<Direction>) {
        let settings = Settings {
            min_instances: self.min_instances.get(),
            delta: self.delta,
            alpha: self.alpha,
            standardized: self.standardized.is_set(),
            up: self.mode != Mode::Down,
            down: self.mode != Mode::Up,
        };
        let Some((score, direction)) = sums.push(value, settings) else {
            return (Verdict::default(), None);
        };
        let verdict = Verdict::above(score, self.threshold);
        if verdict.anomaly {
            *sums = Sums::default();
        }
        (verdict, Some(direction).filter(|_| verdict.anomaly))
    }
}

impl Stream for PageHinkley {
    type Group = PerField<Sums>;

    fn check(&self) -> Result<()> {
        algorithms::different_names(&[&self.r#as, &self.flag, &self.direction])?;
        algorithms::at_least_zero("delta", self.delta)?;
        algorithms::at_least_zero("threshold", self.threshold)?;
        algorithms::share("alpha", self.alpha)
    }

    fn point(&self, sums: &mut Self::Group, point: Point<'_>, out: &mut Output) -> Result<()> {
        let mut edited = point.edit();
        for (place, value) in self.field.numbers(point)? {
            let (verdict, change) = self.judge(sums.of(place), value);
            let name = |name| self.field.result(place, name);
            edited = verdict.add_to(edited, name(&self.r#as), name(&self.flag));
            edited = edited.with(name(&self.direction), Direction::number(change));
        }
        out.send(edited)
    }
}

impl SerdeSnapshot<PerField<Sums>> for PageHinkley {}

register!(PageHinkley, snapshot);

#[cfg(test)]
mod tests {
    use super::*;
    use kapacitor_guest::testing::{Harness, OptionArgument, flag, point};

    fn start(options: &[(&'static str, OptionArgument)]) -> Result<Harness<PageHinkley>> {
        Harness::start([("field", "value".into())].into_iter().chain(options.iter().cloned()))
    }

    /// The score, if there is one, the flag and the direction of each value.
    fn verdicts(harness: &mut Harness<PageHinkley>, values: &[f64]) -> Vec<(Option<f64>, bool, f64)> {
        let sent =
            values.iter().map(|value| harness.point(&point().field("value", *value)).unwrap().remove(0));
        let verdict = |point: NewPoint| {
            let is_anomaly = point.fields["anomaly"] == true.into();
            (point.number("score").ok(), is_anomaly, point.number("direction").unwrap())
        };
        sent.map(verdict).collect()
    }

    fn small(mode: &'static str) -> Vec<(&'static str, OptionArgument)> {
        vec![
            ("min_instances", 2.into()),
            ("delta", 0.5.into()),
            ("threshold", 4.0.into()),
            ("alpha", 1.0.into()),
            ("mode", mode.into()),
        ]
    }

    #[test]
    fn a_change_has_a_direction_and_all_begins_anew() {
        // The means are 0, 0, 2 and 4; the rise is -0.5, -1, 2.5 and 8 above its least value.
        let mut harness = start(&small("both")).unwrap();
        let found = verdicts(&mut harness, &[0.0, 0.0, 6.0, 8.0, 8.0]);
        let expected = [(None, false, 0.0), (Some(0.0), false, 0.0), (Some(3.5), false, 0.0)];
        assert_eq!(found[..3], expected);
        assert_eq!(found[3], (Some(3.5 + 4.5 - 0.5), true, 1.0));
        assert_eq!(found[4], (None, false, 0.0));
        let found = verdicts(&mut harness, &[8.0, -1.0]);
        assert_eq!(found[1], (Some(5.5), true, -1.0));
    }

    #[test]
    fn a_mode_ignores_the_other_direction() {
        let values = [0.0, 0.0, -6.0, -8.0, -80.0];
        let found = verdicts(&mut start(&small("up")).unwrap(), &values);
        assert!(found[1..].iter().all(|verdict| *verdict == (Some(0.0), false, 0.0)), "{found:?}");
        let found = verdicts(&mut start(&small("down")).unwrap(), &values);
        assert_eq!(found[3], (Some(7.5), true, -1.0));
    }

    #[test]
    fn constant_values_have_no_score_above_zero() {
        for constant in [0.0, 0.1, -7e15, 1e-300, f64::MAX] {
            let found = verdicts(&mut start(&[]).unwrap(), &[constant; 100]);
            assert_eq!(found[29..], [(Some(0.0), false, 0.0); 71], "{constant}");
        }
    }

    #[test]
    fn standardized_values_have_no_unit() {
        let scores = |unit: f64| {
            let values: Vec<f64> =
                (0..300).map(|number| f64::from(number * 7 % 16 + number / 200 * 32)).collect();
            let values: Vec<f64> = values.into_iter().map(|value| unit * value).collect();
            verdicts(&mut start(&[("standardized", flag())]).unwrap(), &values)
        };
        // Powers of two, with which there is no rounding.
        let expected = scores(1.0);
        let found = expected.iter().position(|(_, is_anomaly, _)| *is_anomaly).unwrap();
        assert!((200..260).contains(&found), "{found}");
        assert_eq!([scores(2.0_f64.powi(40)), scores(2.0_f64.powi(-40))], [expected.clone(), expected]);
    }

    #[test]
    fn a_snapshot_has_the_sums() {
        let mut harness = start(&small("both")).unwrap();
        verdicts(&mut harness, &[0.0, 0.0, 6.0]);
        let mut restored = start(&small("both")).unwrap();
        restored.restore(&harness.snapshot()).unwrap();
        assert_eq!(verdicts(&mut restored, &[8.0]), [(Some(7.5), true, 1.0)]);
    }

    #[test]
    fn options_that_make_no_sense_are_refused() {
        let refused = |name, value: OptionArgument| start(&[(name, value)]).unwrap_err().to_string();
        let negative = "must be a number of at least 0";
        assert_eq!(refused("delta", (-1.0).into()), format!("option `delta`: {negative}"));
        assert_eq!(refused("threshold", f64::NAN.into()), format!("option `threshold`: {negative}"));
        assert_eq!(refused("alpha", 0.0.into()), "option `alpha`: must be a number above 0 and at most 1");
        assert_eq!(refused("mode", "x".into()), "option `mode`: must be `up`, `down` or `both`, got `x`");
        assert_eq!(refused("min_instances", 0.into()), "option `min_instances`: must be at least 1, got 0");
    }
}
