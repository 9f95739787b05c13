//! How far a value is from the median of a window, measured by the median absolute deviation: a Hampel filter.
//!
//! Sources: F. R. Hampel, *The influence curve and its role in robust estimation*, Journal of the American Statistical
//! Association 69, 1974; for a window that moves R. K. Pearson, *Outliers in process modeling and identification*, IEEE
//! Transactions on Control Systems Technology 10, 2002.

use std::num::NonZeroUsize;
use std::time::Duration;

use algorithms::{FieldNames, PerField, UsualDistance, Verdict, deviations};
use kapacitor_guest::prelude::*;
use kapacitor_guest::statistics::Quantiles;

/// The number of points of a window that the options do not describe.
const SIZE: NonZeroUsize = NonZeroUsize::new(60).unwrap();
/// The number of points that a window needs unless `warmup` says otherwise.
const WARMUP: usize = 10;
/// The fewest points among which one can be an outlier: half of two are one.
const FEWEST: usize = 3;

/// The options, see README.md.
#[derive(Options)]
pub struct Mad {
    field: FieldNames,
    size: Option<NonZeroUsize>,
    period: Option<Duration>,
    // Above 3.5 as in B. Iglewicz and D. C. Hoaglin, How to detect and handle outliers, 1993.
    #[option(default = 3.5)]
    threshold: f64,
    warmup: Option<NonZeroUsize>,
    #[option(default = 0.0)]
    min_stddev: f64,
    signed: Flag,
    filtered: Option<FieldName>,
    #[option(default = "score")]
    r#as: FieldName,
    #[option(default = "anomaly")]
    flag: FieldName,
    max_groups: Option<NonZeroUsize>,
}

/// The state of a field.
#[derive(Debug, Default)]
pub struct Series {
    window: Quantiles,
    /// How far values are from the median.
    usual: UsualDistance,
}

impl Mad {
    /// The largest number of points of the window.
    fn size(&self) -> usize {
        algorithms::most_points(self.size, self.period, SIZE).get()
    }

    /// The number of points of a window, the newest one included, before there is a score.
    fn warmup(&self) -> usize {
        self.warmup.map_or_else(|| self.size().min(WARMUP), NonZeroUsize::get)
    }

    /// What there is to say of the newest value of a window.
    fn judge(&self, value: f64, Series { window, usual }: &mut Series) -> Verdict {
        let spread = window.median().zip(window.median_absolute_deviation());
        let Some((median, mad)) = spread.filter(|_| window.len() >= self.warmup()) else {
            return Verdict::default();
        };
        let sigma = usual.spread((Quantiles::SIGMA_PER_MAD * mad).max(self.min_stddev));
        usual.push(value - median);
        let score = deviations(value - median, sigma);
        let verdict = Verdict::above(score.abs(), self.threshold);
        if self.signed.is_set() { Verdict { score: Some(score), ..verdict } } else { verdict }
    }
}

impl Stream for Mad {
    type Group = PerField<Series>;

    /// Of windows of a time, whose number of points is not known.
    const MAX_GROUPS: usize = 10_000;

    fn max_groups(&self) -> usize {
        if self.size.is_none() && self.period.is_some() {
            return self.max_groups.map_or(Self::MAX_GROUPS, NonZeroUsize::get);
        }
        let bytes = self.size().saturating_mul(48).saturating_add(600);
        algorithms::max_groups(self.max_groups, bytes.saturating_mul(self.field.names().len()))
    }

    fn check(&self) -> Result<()> {
        algorithms::check_period(self.period)?;
        let names = [&self.r#as, &self.flag].into_iter().chain(&self.filtered);
        algorithms::different_names(&names.map(|name| &**name).collect::<Vec<_>>())?;
        algorithms::at_least_zero("threshold", self.threshold)?;
        algorithms::at_least_zero("min_stddev", self.min_stddev)?;
        algorithms::rule("size", self.size() >= FEWEST, "must be at least 3")?;
        algorithms::rule("warmup", self.warmup() >= FEWEST, "must be at least 3")?;
        algorithms::rule(
            "warmup",
            self.warmup() <= self.size(),
            "must be at most the number of points of the window",
        )
    }

    fn point(&self, series: &mut Self::Group, point: Point<'_>, out: &mut Output) -> Result<()> {
        let extent = algorithms::extent(self.size, self.period, SIZE);
        let mut edited = point.edit();
        for (place, value) in self.field.numbers(point)? {
            let series = series.of(place);
            let taken = series.window.push(point.time(), value, extent);
            let verdict = if taken { self.judge(value, series) } else { Verdict::default() };
            let name = |name| self.field.result(place, name);
            edited = verdict.add_to(edited, name(&self.r#as), name(&self.flag));
            if let Some(filtered) = &self.filtered {
                let median = series.window.median().filter(|_| verdict.anomaly);
                edited = edited.with(name(filtered), median.unwrap_or(value));
            }
        }
        out.send(edited)
    }
}

register!(Mad);

#[cfg(test)]
mod tests;
