//! The line through the last points of a field: its slope, what it will be, and when it reaches a limit.
//!
//! How it is computed: see [`line`], and [`regression`] for the window.

use std::num::NonZeroUsize;
use std::time::Duration;

use algorithms::{FieldNames, PerField, Place};
use kapacitor_guest::prelude::*;
use kapacitor_guest::statistics::Extent;

mod line;
mod regression;

use regression::Regression;

/// The number of points of a window, unless the options say otherwise.
const SIZE: NonZeroUsize = NonZeroUsize::new(100).unwrap();

/// The number of points that a line needs, unless the option `warmup` says otherwise.
const WARMUP: usize = 10;

/// The options: see README.md.
#[derive(Options)]
pub struct Forecast {
    field: FieldNames,
    size: Option<NonZeroUsize>,
    period: Option<Duration>,
    #[option(default = Duration::from_secs(3600))]
    horizon: Duration,
    #[option(default = Duration::from_secs(1))]
    unit: Duration,
    limit: Option<f64>,
    sigmas: Option<f64>,
    warmup: Option<usize>,
    #[option(default = "forecast")]
    r#as: FieldName,
    #[option(default = "slope")]
    slope: FieldName,
    #[option(default = "lower")]
    lower: FieldName,
    #[option(default = "upper")]
    upper: FieldName,
    #[option(default = "seconds_to_limit")]
    seconds_to_limit: FieldName,
    max_groups: Option<NonZeroUsize>,
}

impl Forecast {
    fn extent(&self) -> Extent {
        algorithms::extent(self.size, self.period, SIZE)
    }

    fn warmup(&self) -> usize {
        self.warmup.unwrap_or_else(|| self.most().min(WARMUP))
    }

    /// The most points of a window.
    fn most(&self) -> usize {
        algorithms::most_points(self.size, self.period, SIZE).get()
    }

    /// Adds the results for a point that has been pushed.
    fn add<'a>(
        &'a self,
        mut edited: Edited<'a>,
        place: Place,
        time: i64,
        regression: &Regression,
    ) -> Edited<'a> {
        let name = |name| self.field.result(place, name);
        if regression.len() < self.warmup() {
            return edited;
        }
        let Some(line) = regression.sums().and_then(|sums| sums.line()) else { return edited };
        let horizon = self.horizon.as_secs_f64();
        let (slope, forecast) = (line.slope() * self.unit.as_secs_f64(), line.at(time, horizon));
        let margin = self.sigmas.and_then(|sigmas| Some(sigmas * line.error_at(time, horizon)?));
        let bounds = margin.map(|margin| (forecast - margin, forecast + margin));
        let since = regression.oldest().map_or(0.0, |oldest| time.saturating_sub(oldest) as f64 / 1e9);
        let seconds = self.limit.and_then(|limit| line.seconds_to(limit, time, since));
        for (name, result) in [
            (name(&self.r#as), Some(forecast)),
            (name(&self.slope), Some(slope)),
            (name(&self.lower), bounds.map(|(lower, _)| lower)),
            (name(&self.upper), bounds.map(|(_, upper)| upper)),
            (name(&self.seconds_to_limit), seconds),
        ] {
            if let Some(result) = result.filter(|result| result.is_finite()) {
                edited = edited.with(name, result);
            }
        }
        edited
    }
}

impl Stream for Forecast {
    type Group = PerField<Regression>;

    /// Of windows of a time, whose number of points is not known.
    const MAX_GROUPS: usize = 10_000;

    fn max_groups(&self) -> usize {
        if self.size.is_none() && self.period.is_some() {
            return self.max_groups.map_or(Self::MAX_GROUPS, NonZeroUsize::get);
        }
        let bytes = self.most().saturating_mul(53).saturating_add(400);
        algorithms::max_groups(self.max_groups, bytes.saturating_mul(self.field.names().len()))
    }

    fn check(&self) -> Result<()> {
        algorithms::check_period(self.period)?;
        algorithms::rule("size", self.most() >= 2, "must be at least 2")?;
        algorithms::rule("unit", !self.unit.is_zero(), "must be longer than 0s")?;
        algorithms::rule("limit", self.limit.is_none_or(f64::is_finite), "must be a finite number")?;
        self.sigmas.map_or(Ok(()), |sigmas| algorithms::at_least_zero("sigmas", sigmas))?;
        let warmup = self.warmup();
        algorithms::rule("warmup", warmup >= 2, "must be at least 2")?;
        algorithms::rule(
            "warmup",
            warmup <= self.most(),
            "must be at most `size`, which is 100 if it is not given, and 10000 with `period`",
        )?;
        let names = [&self.r#as, &self.slope, &self.lower, &self.upper, &self.seconds_to_limit];
        algorithms::different_names(&names.map(|name| &**name))
    }

    fn point(&self, windows: &mut PerField<Regression>, point: Point<'_>, out: &mut Output) -> Result<()> {
        let (extent, time) = (self.extent(), point.time());
        let mut edited = point.edit();
        for (place, value) in self.field.numbers(point)? {
            let regression = windows.of(place);
            if regression.push(time, value, extent) {
                edited = self.add(edited, place, time, regression);
            }
        }
        out.send(edited)
    }
}

register!(Forecast);

#[cfg(test)]
mod tests;
