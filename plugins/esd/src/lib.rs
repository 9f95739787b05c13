//! The outliers of each batch by the generalized ESD test, also of series with a season (S-H-ESD).
//!
//! Sources: see `procedure` for the test, and `residuals` for trend and season.

mod procedure;
mod residuals;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::time::Duration;

use algorithms::{Side, check_alpha, values_of};
use kapacitor_guest::prelude::*;
use kapacitor_guest::statistics::Season;

use procedure::Test;
use residuals::subtract_medians;

/// The options; README.md describes them.
#[derive(Options)]
pub struct Esd {
    field: FieldName,
    #[option(default = 0.05)]
    alpha: f64,
    #[option(default = Side::Both)]
    side: Side,
    max_anomalies: Option<NonZeroUsize>,
    max_share: Option<f64>,
    hybrid: Flag,
    size: Option<NonZeroUsize>,
    period: Option<Duration>,
    #[option(default = NonZeroUsize::new(24).expect("is not zero"))]
    slots: NonZeroUsize,
    trend: Option<Duration>,
    last: Option<Duration>,
    #[option(default = "score")]
    r#as: FieldName,
    #[option(default = "anomaly")]
    flag: FieldName,
}

/// The largest share of outliers unless `max_anomalies` is given.
const SHARE: f64 = 0.1;

/// The most slots of a period, and pieces of a trend: each takes memory.
const MOST_CLASSES: usize = 100_000;

impl Batch for Esd {
    type Group = ();

    fn check(&self) -> Result<()> {
        check_alpha(self.alpha)?;
        let rules = [
            (
                self.max_share.is_none_or(|share| share > 0.0 && share <= 0.5),
                "option `max_share`: must be a number above 0 and at most 0.5",
            ),
            (
                self.size.is_none() || self.period.is_none(),
                "options `size` and `period`: only one can be given",
            ),
            (self.period != Some(Duration::ZERO), "option `period`: must be above 0"),
            (self.trend != Some(Duration::ZERO), "option `trend`: must be above 0"),
            (self.slots.get() <= MOST_CLASSES, "option `slots`: must be at most 100000"),
            (
                self.size.is_none_or(|size| size.get() <= MOST_CLASSES),
                "option `size`: must be at most 100000",
            ),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, rule)| Err(rule.into()))
    }

    fn batch(&self, _: &mut (), points: &Points<'_>, out: &mut Output) -> Result<()> {
        let mut values = values_of(points, &self.field);
        shrink(&mut values);
        self.subtract_trend(&mut values, points);
        self.subtract_season(&mut values, points);
        let test = Test { alpha: self.alpha, side: self.side, hybrid: self.hybrid.is_set() };
        let count = values.iter().filter(|value| !value.is_nan()).count();
        let outliers = test.outliers(&values, self.most(count));
        let begin = self.last.map_or(i64::MIN, |last| points.tmax().saturating_sub(nanoseconds(last)));
        let mut batch = out.batch(points)?;
        let (mut rest, mut next) = (points.iter(), 0);
        for outlier in outliers {
            let Some(point) = rest.nth(outlier.place - next) else { break };
            next = outlier.place + 1;
            if point.time() >= begin {
                let point = point.with(&self.r#as, outlier.score).with("critical", outlier.critical);
                batch.send(point.with(&self.flag, true));
            }
        }
        Ok(())
    }
}

impl Esd {
    /// The most outliers among this number of values, at least one.
    fn most(&self, count: usize) -> usize {
        let share = self.max_share.or(self.max_anomalies.is_none().then_some(SHARE));
        let of_share = share.map_or(usize::MAX, |share| (share * count as f64) as usize);
        of_share.min(self.max_anomalies.map_or(usize::MAX, NonZeroUsize::get)).max(1)
    }

    /// Subtracts the median of the piece in which a value lies. Pieces are equally long, and as many as come nearest
    /// to the length that the option says.
    fn subtract_trend(&self, values: &mut [f64], points: &Points<'_>) {
        let Some(trend) = self.trend else { return };
        let times = || points.iter().map(|point| i128::from(point.time()));
        let (Some(first), Some(last)) = (times().min(), times().max()) else { return };
        let (span, length) = (last - first + 1, trend.as_nanos() as i128);
        // More pieces than points would be of no use.
        let pieces = ((span + length / 2) / length).clamp(1, values.len().min(MOST_CLASSES) as i128);
        let piece = |time: i128| ((time - first) * pieces / span) as usize;
        subtract_medians(values, times().map(piece), pieces as usize);
    }

    /// Subtracts the median of the values at the same phase of the season.
    fn subtract_season(&self, values: &mut [f64], points: &Points<'_>) {
        if let Some(size) = self.size {
            subtract_medians(values, (0..size.get()).cycle(), size.get());
        } else if let Some(period) = self.period {
            let season = Season::new(period, self.slots);
            subtract_medians(values, points.iter().map(|point| season.slot(point.time())), season.slots());
        }
    }
}

/// Makes the values so small that the difference of a few of them is finite.
fn shrink(values: &mut [f64]) {
    if values.iter().any(|value| value.abs() > f64::MAX / 8.0) {
        values.iter_mut().for_each(|value| *value /= 8.0);
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

register!(Esd);
