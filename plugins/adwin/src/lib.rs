//! Whether the mean of a series has changed, by adaptive windowing (ADWIN).
//!
//! How changes are found: see [`window`]. Options and results are those of `drift.ADWIN` of river.

mod window;

use std::num::{NonZeroU64, NonZeroUsize};

use algorithms::{Direction, FieldNames, PerField};
use kapacitor_guest::prelude::*;

use crate::window::{Settings, Window};

/// The most buckets of one size that a task may ask for: more take memory, and tell no more.
const MOST_BUCKETS: usize = 100;

/// The options, see README.md.
#[derive(Options)]
pub struct Adwin {
    field: FieldNames,
    #[option(default = 0.002)]
    delta: f64,
    #[option(default = NonZeroU64::new(32).unwrap())]
    clock: NonZeroU64,
    #[option(default = 5)]
    max_buckets: usize,
    #[option(default = NonZeroU64::new(5).unwrap())]
    min_window_length: NonZeroU64,
    #[option(default = 10)]
    grace_period: u64,
    #[option(default = 1.0)]
    range: f64,
    #[option(default = "mean")]
    r#as: FieldName,
    #[option(default = "width")]
    width: FieldName,
    #[option(default = "anomaly")]
    flag: FieldName,
    #[option(default = "direction")]
    direction: FieldName,
    max_groups: Option<NonZeroUsize>,
}

impl Stream for Adwin {
    type Group = PerField<Window>;

    /// For windows of a million values: the state, what it was restored from, and a snapshot.
    fn max_groups(&self) -> usize {
        let bytes = self.max_buckets.saturating_mul(20 * (48 + 24 + 24));
        algorithms::max_groups(self.max_groups, bytes.saturating_mul(self.field.names().len()))
    }

    fn check(&self) -> Result<()> {
        algorithms::different_names(&[&self.r#as, &self.width, &self.flag, &self.direction])?;
        algorithms::share("delta", self.delta)?;
        let is_possible = (2..=MOST_BUCKETS).contains(&self.max_buckets);
        algorithms::rule("max_buckets", is_possible, "must be from 2 to 100")?;
        algorithms::at_least_zero("range", self.range)
    }

    fn point(&self, windows: &mut Self::Group, point: Point<'_>, out: &mut Output) -> Result<()> {
        let settings = Settings {
            delta: self.delta,
            clock: self.clock.get(),
            max_buckets: self.max_buckets,
            min_window_length: self.min_window_length.get(),
            grace_period: self.grace_period,
            range: self.range,
        };
        let mut edited = point.edit();
        for (place, value) in self.field.numbers(point)? {
            let window = windows.of(place);
            let change = window.push(value, &settings);
            let name = |name| self.field.result(place, name);
            if let Some(mean) = window.mean() {
                edited = edited.with(name(&self.r#as), mean);
            }
            edited = edited
                .with(name(&self.width), window.width() as f64)
                .with(name(&self.flag), change.is_some())
                .with(name(&self.direction), Direction::number(change));
            if change.is_some() {
                *window = Window::default();
            }
        }
        out.send(edited)
    }
}

impl SerdeSnapshot<PerField<Window>> for Adwin {}

register!(Adwin, snapshot);

#[cfg(test)]
mod tests {
    use super::*;
    use kapacitor_guest::testing::{Harness, OptionArgument, point};

    fn start(options: &[(&'static str, OptionArgument)]) -> Result<Harness<Adwin>> {
        Harness::start([("field", "value".into())].into_iter().chain(options.iter().cloned()))
    }

    /// The mean, the width, the flag and the direction of each value.
    fn results(harness: &mut Harness<Adwin>, values: &[f64]) -> Vec<(f64, f64, bool, f64)> {
        let sent =
            values.iter().map(|value| harness.point(&point().field("value", *value)).unwrap().remove(0));
        let result = |point: NewPoint| {
            let number = |name: &str| point.number(name).unwrap();
            (number("mean"), number("width"), point.fields["anomaly"] == true.into(), number("direction"))
        };
        sent.map(result).collect()
    }

    #[test]
    fn a_step_is_found_and_all_begins_anew() {
        let mut harness = start(&[]).unwrap();
        let steady = results(&mut harness, &[0.0; 96]);
        assert_eq!(steady[95], (0.0, 96.0, false, 0.0));
        let found = results(&mut harness, &[9.0; 33]);
        let (mean, width, is_anomaly, _) = found[30];
        assert!((mean - 9.0 * 31.0 / 127.0).abs() < 1e-12 && width == 127.0 && !is_anomaly, "{found:?}");
        // Buckets of 16 tell no more than that the step is among the last 40.
        let (mean, width, is_anomaly, direction) = found[31];
        assert!((mean - 9.0 * 32.0 / 40.0).abs() < 1e-12 && width == 40.0, "{found:?}");
        assert!(is_anomaly && direction == 1.0);
        assert_eq!(found[32], (9.0, 1.0, false, 0.0));
        let found = results(&mut harness, &[9.0, 0.0].map(|level| [level; 64]).concat());
        assert!(found.iter().any(|result| result.2 && result.3 == -1.0));
    }

    #[test]
    fn small_numbers_need_a_range() {
        let values: Vec<_> = [1e-15, 5e-15].map(|level| [level; 64]).concat();
        let found = |range: f64| {
            results(&mut start(&[("range", range.into())]).unwrap(), &values).iter().any(|result| result.2)
        };
        assert!(!found(1.0) && found(1e-15));
    }

    #[test]
    fn constant_values_never_change() {
        for constant in [0.0, 0.1, -7e15, 1e-300, f64::MAX] {
            let found = results(&mut start(&[("range", 0.0.into())]).unwrap(), &[constant; 200]);
            assert_eq!(found[199], (constant, 200.0, false, 0.0));
        }
    }

    #[test]
    fn a_snapshot_has_the_window() {
        let mut harness = start(&[]).unwrap();
        results(&mut harness, &[1.0; 50]);
        let mut restored = start(&[]).unwrap();
        restored.restore(&harness.snapshot()).unwrap();
        let next = [12.0; 40];
        let found = results(&mut restored, &next);
        assert_eq!(found[0].1, 51.0);
        assert_eq!(found, results(&mut harness, &next));
    }

    #[test]
    fn a_snapshot_may_have_more_buckets_than_the_options_allow() {
        let mut harness = start(&[("max_buckets", 50.into())]).unwrap();
        results(&mut harness, &[1.0; 60]);
        let mut restored = start(&[("max_buckets", 2.into())]).unwrap();
        restored.restore(&harness.snapshot()).unwrap();
        assert_eq!(results(&mut restored, &[1.0; 60])[59], (1.0, 120.0, false, 0.0));
    }

    #[test]
    fn options_that_make_no_sense_are_refused() {
        let refused = |name, value: OptionArgument| start(&[(name, value)]).unwrap_err().to_string();
        assert_eq!(refused("delta", 0.0.into()), "option `delta`: must be a number above 0 and at most 1");
        assert_eq!(refused("range", (-1.0).into()), "option `range`: must be a number of at least 0");
        for buckets in [1, 101] {
            let error = refused("max_buckets", buckets.into());
            assert_eq!(error, "option `max_buckets`: must be from 2 to 100");
        }
        assert_eq!(refused("clock", 0.into()), "option `clock`: must be at least 1, got 0");
    }
}
