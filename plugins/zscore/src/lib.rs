//! How many standard deviations a value is from the mean of the points before it.
//!
//! The mean and the standard deviation are those of a window of points, or exponentially weighted. What they are: see
//! [`usual`].

mod usual;

use std::num::NonZeroUsize;
use std::time::Duration;

use algorithms::{FieldNames, PerField, UsualDistance, Verdict, deviations};
use kapacitor_guest::prelude::*;

use crate::usual::{Usual, Weights};

/// The number of points of a window that the options do not describe.
const SIZE: NonZeroUsize = NonZeroUsize::new(60).unwrap();
/// The number of points that a window needs unless `warmup` says otherwise.
const WARMUP: usize = 10;

/// The options, see README.md.
#[derive(Options)]
pub struct Zscore {
    field: FieldNames,
    size: Option<NonZeroUsize>,
    period: Option<Duration>,
    alpha: Option<f64>,
    #[option(default = 3.0)]
    threshold: f64,
    warmup: Option<NonZeroUsize>,
    #[option(default = 0.0)]
    min_stddev: f64,
    signed: Flag,
    #[option(default = "score")]
    r#as: FieldName,
    #[option(default = "anomaly")]
    flag: FieldName,
    max_groups: Option<NonZeroUsize>,
    /// Values that were marked as anomalies.
    anomalies: Counter,
}

/// The state of a field.
#[derive(Debug, Default)]
pub struct Series {
    before: Usual,
    /// How far values are from the mean.
    distance: UsualDistance,
}

impl Zscore {
    /// Which points count, and how much.
    fn weights(&self) -> Weights {
        if let Some(alpha) = self.alpha {
            return Weights::Falling { alpha };
        }
        // The window has the point itself, too.
        let size = self.window_size().saturating_add(1);
        Weights::Window(algorithms::extent(Some(size), self.period, size))
    }

    /// The largest number of points before a point that its window can have.
    fn window_size(&self) -> NonZeroUsize {
        algorithms::most_points(self.size, self.period, SIZE)
    }

    /// The number of points before the first score.
    fn warmup(&self) -> u64 {
        let default = || match self.alpha {
            // All but an eighth of the weight is then on other points than the first.
            Some(alpha) => (2.0 / alpha).ceil() as u64,
            None => self.window_size().get().min(WARMUP) as u64,
        };
        self.warmup.map_or_else(default, |warmup| warmup.get() as u64)
    }

    /// What there is to say of a value after those before it.
    fn judge(&self, value: f64, before: Option<(f64, f64)>, usual: &mut UsualDistance) -> Verdict {
        let Some((mean, std_dev)) = before else { return Verdict::default() };
        let sigma = usual.spread(std_dev.max(self.min_stddev));
        usual.push(value - mean);
        let score = deviations(value - mean, sigma);
        let verdict = Verdict::above(score.abs(), self.threshold);
        if self.signed.is_set() { Verdict { score: Some(score), ..verdict } } else { verdict }
    }
}

impl Stream for Zscore {
    type Group = PerField<Series>;

    /// Of windows of a time, whose number of points is not known.
    const MAX_GROUPS: usize = 10_000;

    fn max_groups(&self) -> usize {
        let bytes = match (self.alpha, self.size, self.period) {
            (Some(_), ..) => 1000,
            (None, None, Some(_)) => return self.max_groups.map_or(Self::MAX_GROUPS, NonZeroUsize::get),
            // There is room for a power of two of points, one more than those of the window.
            _ => {
                let points = self.window_size().get().saturating_add(1).checked_next_power_of_two();
                points.unwrap_or(usize::MAX).saturating_mul(56).saturating_add(1000)
            }
        };
        algorithms::max_groups(self.max_groups, bytes.saturating_mul(self.field.names().len()))
    }

    fn check(&self) -> Result<()> {
        algorithms::check_period(self.period)?;
        algorithms::different_names(&[&self.r#as, &self.flag])?;
        algorithms::at_least_zero("threshold", self.threshold)?;
        algorithms::at_least_zero("min_stddev", self.min_stddev)?;
        if let Some(alpha) = self.alpha {
            algorithms::share("alpha", alpha)?;
            let has_window = self.size.is_some() || self.period.is_some();
            algorithms::rule("alpha", !has_window, "must not be given together with `size` or `period`")?;
        } else {
            let size = self.window_size();
            algorithms::rule("size", size.get() > 1, "must be at least 2")?;
            let fits = self.warmup.is_none_or(|warmup| warmup <= size);
            algorithms::rule("warmup", fits, "must be at most the number of points of the window")?;
        }
        algorithms::rule("warmup", self.warmup() > 1, "must be at least 2")
    }

    fn point(&self, series: &mut Self::Group, point: Point<'_>, out: &mut Output) -> Result<()> {
        let (weights, warmup) = (self.weights(), self.warmup());
        let mut edited = point.edit();
        for (place, value) in self.field.numbers(point)? {
            let series = series.of(place);
            let before = series.before.push(point.time(), value, weights, warmup);
            let verdict = self.judge(value, before, &mut series.distance);
            if verdict.anomaly {
                self.anomalies.inc();
            }
            let name = |name| self.field.result(place, name);
            edited = verdict.add_to(edited, name(&self.r#as), name(&self.flag));
        }
        out.send(edited)
    }
}

register!(Zscore);

#[cfg(test)]
mod tests;
