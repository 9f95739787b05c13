//! A state that begins beyond a limit, ends at another one, and changes only after a time: a Schmitt trigger with a delay.
//!
//! Source of the two limits: O. H. Schmitt, *A thermionic trigger*, Journal of Scientific Instruments 15, 1938.

use std::time::Duration;

use algorithms::{FieldNames, PerField, different_names, rule};
use kapacitor_guest::prelude::*;

mod state;

use state::{Band, Bands, State, Tracker};

/// The options.
#[derive(Options)]
pub struct Hysteresis {
    field: FieldNames,
    high: Option<f64>,
    high_reset: Option<f64>,
    low: Option<f64>,
    low_reset: Option<f64>,
    #[option(default = Duration::ZERO)]
    duration: Duration,
    reset_duration: Option<Duration>,
    #[option(default = "state")]
    r#as: FieldName,
    #[option(default = "active")]
    flag: FieldName,
}

impl Hysteresis {
    fn bands(&self) -> Bands {
        let band = |enter: Option<f64>, leave: Option<f64>| {
            enter.map(|enter| Band { enter, leave: leave.unwrap_or(enter) })
        };
        Bands { high: band(self.high, self.high_reset), low: band(self.low, self.low_reset) }
    }

    /// How long a change to a state must hold, in nanoseconds.
    fn hold(&self, next: State) -> i64 {
        let hold = match (next, self.reset_duration) {
            (State::Normal, Some(reset)) => reset,
            _ => self.duration,
        };
        i64::try_from(hold.as_nanos()).unwrap_or(i64::MAX)
    }
}

impl Stream for Hysteresis {
    type Group = PerField<Tracker>;

    fn check(&self) -> Result<()> {
        different_names(&[&*self.r#as, &*self.flag])?;
        if self.high.is_none() && self.low.is_none() {
            return Err("no limit is given: give `high`, `low` or both".into());
        }
        let limits = [
            ("high", self.high),
            ("high_reset", self.high_reset),
            ("low", self.low),
            ("low_reset", self.low_reset),
        ];
        for (name, limit) in limits {
            rule(name, limit.is_none_or(f64::is_finite), "must be a finite number")?;
        }
        rule("high_reset", self.high.is_some() || self.high_reset.is_none(), "is of no use without `high`")?;
        rule("low_reset", self.low.is_some() || self.low_reset.is_none(), "is of no use without `low`")?;
        let Bands { high, low } = self.bands();
        let is_above = |a: Option<f64>, b: Option<f64>| a.zip(b).is_some_and(|(a, b)| a > b);
        let (high_enter, high_leave) = (high.map(|band| band.enter), high.map(|band| band.leave));
        let (low_enter, low_leave) = (low.map(|band| band.enter), low.map(|band| band.leave));
        rule("high_reset", !is_above(high_leave, high_enter), "must not be above `high`")?;
        rule("low_reset", !is_above(low_enter, low_leave), "must not be below `low`")?;
        // Otherwise a value could be high and low at once.
        rule("low", !is_above(low_enter, high_leave), "must not be above `high`, nor above `high_reset`")?;
        rule("low_reset", !is_above(low_leave, high_enter), "must not be above `high`")
    }

    fn point(&self, group: &mut PerField<Tracker>, point: Point<'_>, out: &mut Output) -> Result<()> {
        let mut edited = point.edit();
        let bands = self.bands();
        for (place, value) in self.field.numbers(point)? {
            let state = group.of(place).push(point.time(), value, &bands, |next| self.hold(next));
            edited = edited
                .with(self.field.result(place, &self.r#as), state.name())
                .with(self.field.result(place, &self.flag), state != State::Normal);
        }
        out.send(edited)
    }
}

register!(Hysteresis);

#[cfg(test)]
mod tests {
    use super::*;
    use kapacitor_guest::testing::{Harness, OptionArgument, point};

    const SECOND: i64 = 1_000_000_000;

    fn start(options: &[(&'static str, OptionArgument)]) -> Result<Harness<Hysteresis>> {
        Harness::start([("field", "value".into())].into_iter().chain(options.iter().cloned()))
    }

    #[test]
    fn state_and_flag_are_added() {
        let seconds = |seconds| Duration::from_secs(seconds).into();
        let mut harness = start(&[
            ("high", 90.0.into()),
            ("high_reset", 80.0.into()),
            ("duration", seconds(60)),
            ("reset_duration", seconds(10)),
        ])
        .unwrap();
        let cases = [
            (0, 95.0, "normal"),
            (59, 95.0, "normal"),
            (60, 95.0, "high"),
            (70, 75.0, "high"),
            (79, 70.0, "high"),
            (80, 70.0, "normal"),
        ];
        for (seconds, value, expected) in cases {
            let input = point().at(seconds * SECOND).field("value", value);
            let sent = harness.point(&input).unwrap().remove(0);
            assert_eq!(sent.fields["state"], expected.into(), "{seconds}");
            assert_eq!(sent.fields["active"], (expected == "high").into());
        }
    }

    #[test]
    fn fields_have_states_of_their_own() {
        let options = [("field", "a".into()), ("field", "b".into()), ("low", 5.0.into())];
        let mut harness = Harness::<Hysteresis>::start(options).unwrap();
        let sent = harness.point(&point().field("a", 3).field("b", 5)).unwrap().remove(0);
        assert_eq!((&sent.fields["a_state"], &sent.fields["b_state"]), (&"low".into(), &"normal".into()));
        let sent = harness.point(&point().field("a", 7)).unwrap().remove(0);
        assert_eq!(sent.fields["a_active"], false.into());
        assert!(!sent.fields.contains_key("b_active"));
    }

    #[test]
    fn options_are_checked() {
        let cases = [
            (&[][..], "no limit is given: give `high`, `low` or both"),
            (&[("high", f64::INFINITY)], "option `high`: must be a finite number"),
            (&[("low", 1.0), ("low_reset", f64::NAN)], "option `low_reset`: must be a finite number"),
            (&[("low", 1.0), ("high_reset", 2.0)], "option `high_reset`: is of no use without `high`"),
            (&[("high", 1.0), ("high_reset", 2.0)], "option `high_reset`: must not be above `high`"),
            (&[("low", 1.0), ("low_reset", 0.0)], "option `low_reset`: must not be below `low`"),
            (
                &[("high", 9.0), ("high_reset", 1.0), ("low", 2.0)],
                "option `low`: must not be above `high`, nor above `high_reset`",
            ),
            (
                &[("high", 9.0), ("low", 2.0), ("low_reset", 9.5)],
                "option `low_reset`: must not be above `high`",
            ),
        ];
        for (limits, expected) in cases {
            let options: Vec<_> = limits.iter().map(|(name, limit)| (*name, (*limit).into())).collect();
            assert_eq!(start(&options).unwrap_err().to_string(), expected);
        }
        let same = start(&[("high", 9.0.into()), ("as", "active".into())]).unwrap_err();
        assert_eq!(same.to_string(), "two results have the name `active`: choose another");
    }
}
