//! Whether the mean of a series has left its target, by a two-sided CUSUM.
//!
//! The sums: see [`sums`]. The target and the standard deviation are given, or learnt from the first points.

mod sums;

use std::num::NonZeroUsize;

use algorithms::{Direction, FieldNames, PerField, Verdict, deviations};
use kapacitor_guest::options::{OptionValue, Scalar, ValueType};
use kapacitor_guest::prelude::*;
use kapacitor_guest::statistics::Moments;
use serde::{Deserialize, Serialize};

use crate::sums::Sums;

/// The options, see README.md.
#[derive(Options)]
pub struct Cusum {
    field: FieldNames,
    target: Option<f64>,
    stddev: Option<f64>,
    #[option(default = NonZeroUsize::new(100).unwrap())]
    warmup: NonZeroUsize,
    #[option(default = 0.0)]
    min_stddev: f64,
    #[option(default = 0.5)]
    drift: f64,
    #[option(default = 5.0)]
    threshold: f64,
    #[option(default = Restart::Learn)]
    restart: Restart,
    #[option(default = "score")]
    r#as: FieldName,
    #[option(default = "anomaly")]
    flag: FieldName,
    #[option(default = "direction")]
    direction: FieldName,
}

/// What begins anew after a change: `.restart('learn')`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Restart {
    /// The sums, and what was learnt.
    Learn,
    /// The sums.
    Sums,
    /// Nothing.
    Never,
}

impl Scalar for Restart {
    const TYPE: ValueType = ValueType::String;

    fn convert(value: &OptionValue<'_>) -> Option<std::result::Result<Self, String>> {
        match value {
            OptionValue::String("learn") => Some(Ok(Self::Learn)),
            OptionValue::String("sums") => Some(Ok(Self::Sums)),
            OptionValue::String("never") => Some(Ok(Self::Never)),
            OptionValue::String(other) => {
                Some(Err(format!("must be `learn`, `sums` or `never`, got `{other}`")))
            }
            _ => None,
        }
    }
}

/// The state of a field.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Chart {
    /// The points that the target and the standard deviation are learnt from.
    learnt: Moments,
    sums: Sums,
}

impl Cusum {
    /// The target and the standard deviation, if they are known.
    fn usual(&self, learnt: &Moments) -> Option<(f64, f64)> {
        if let (Some(target), Some(stddev)) = (self.target, self.stddev) {
            return Some((target, stddev));
        }
        if learnt.count() < self.warmup.get() as u64 {
            return None;
        }
        let stddev = self.stddev.or_else(|| Some(learnt.sample_std_dev()?.max(self.min_stddev)));
        self.target.or(learnt.mean()).zip(stddev)
    }

    /// Adds a value, and says whether the mean has changed, and whither.
    fn judge(&self, chart: &mut Chart, value: f64) -> (Verdict, Option<Direction>) {
        let Some((target, stddev)) = self.usual(&chart.learnt) else {
            chart.learnt.push(value);
            return (Verdict::default(), None);
        };
        chart.sums.push(deviations(value - target, stddev), self.drift);
        let Sums { upper, lower } = chart.sums;
        let verdict = Verdict::above(upper.max(lower), self.threshold);
        if !verdict.anomaly {
            return (verdict, None);
        }
        match self.restart {
            Restart::Learn => *chart = Chart::default(),
            Restart::Sums => chart.sums = Sums::default(),
            Restart::Never => {}
        }
        (verdict, Some(if upper > lower { Direction::Up } else { Direction::Down }))
    }
}

impl Stream for Cusum {
    type Group = PerField<Chart>;

    fn check(&self) -> Result<()> {
        algorithms::different_names(&[&self.r#as, &self.flag, &self.direction])?;
        let is_number = |value: Option<f64>| value.is_none_or(f64::is_finite);
        algorithms::rule("target", is_number(self.target), "must be a number")?;
        self.stddev.map_or(Ok(()), |stddev| algorithms::above_zero("stddev", stddev))?;
        algorithms::rule("warmup", self.warmup.get() > 1, "must be at least 2")?;
        algorithms::at_least_zero("min_stddev", self.min_stddev)?;
        algorithms::at_least_zero("drift", self.drift)?;
        algorithms::above_zero("threshold", self.threshold)
    }

    fn point(&self, charts: &mut Self::Group, point: Point<'_>, out: &mut Output) -> Result<()> {
        let mut edited = point.edit();
        for (place, value) in self.field.numbers(point)? {
            let (verdict, change) = self.judge(charts.of(place), value);
            let name = |name| self.field.result(place, name);
            edited = verdict.add_to(edited, name(&self.r#as), name(&self.flag));
            edited = edited.with(name(&self.direction), Direction::number(change));
        }
        out.send(edited)
    }
}

impl SerdeSnapshot<PerField<Chart>> for Cusum {}

register!(Cusum, snapshot);

#[cfg(test)]
mod tests;
