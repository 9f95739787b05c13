//! The level of Kapacitor's alerts for a field: by limits that are given, or by how far a value is from those before it.
//!
//! With the methods `stddev` and `mad` the limits are numbers of standard deviations, or of what stands for them: for
//! values x before a point, `(value - mean(x)) / s(x)`, where s is the sample standard deviation, or
//! `(value - median(x)) / (1.4826 MAD(x))`. Source of the latter: F. R. Hampel, *The influence curve and its role in
//! robust estimation*, Journal of the American Statistical Association 69, 1974.

use std::num::NonZeroUsize;
use std::time::Duration;

use algorithms::{FieldNames, PerField, at_least_zero, deviations, extent, rule, word};
use kapacitor_guest::options::{OptionValue, Scalar, ValueType};
use kapacitor_guest::prelude::*;
use kapacitor_guest::statistics::{Extent, Moments, Quantiles, Sliding};

mod level;
#[cfg(test)]
mod tests;

use level::{Level, Limits};

/// What the limits are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    /// The value.
    Static,
    /// The distance from the mean, in standard deviations.
    StdDev,
    /// The distance from the median, in median absolute deviations times 1.4826.
    Mad,
}

impl Scalar for Method {
    const TYPE: ValueType = ValueType::String;

    fn convert(value: &OptionValue<'_>) -> Option<std::result::Result<Self, String>> {
        word(value, &[("static", Self::Static), ("stddev", Self::StdDev), ("mad", Self::Mad)])
    }
}

/// The number of points in a window for which neither `size` nor `period` is given.
const SIZE: NonZeroUsize = NonZeroUsize::new(100).unwrap();

/// The number of values that there must be before a level, unless `warmup` or the window has fewer.
const WARMUP: usize = 30;

/// The options.
#[derive(Options)]
pub struct ThresholdBand {
    field: FieldNames,
    info: Option<f64>,
    warn: Option<f64>,
    crit: Option<f64>,
    info_low: Option<f64>,
    warn_low: Option<f64>,
    crit_low: Option<f64>,
    #[option(default = Method::Static)]
    method: Method,
    size: Option<NonZeroUsize>,
    period: Option<Duration>,
    warmup: Option<usize>,
    #[option(default = 0.0)]
    min_spread: f64,
    #[option(default = "level")]
    r#as: FieldName,
    deviation: Option<FieldName>,
    max_groups: Option<NonZeroUsize>,
}

/// The values before a point. Only the one of the method is filled.
#[derive(Debug, Default)]
pub struct Before {
    moments: Sliding<Moments>,
    quantiles: Quantiles,
}

impl Before {
    /// How far a value is from the middle of those before it that the window reaches from its time, in spreads of at least
    /// `min_spread`; the value is then added. `None` if there are fewer than `warmup`, if the value is too late for the
    /// window, or if the window begins anew with it.
    ///
    /// Where all values are the same, any other one has the greatest deviation that there is.
    fn deviation(&mut self, time: i64, value: f64, extent: Extent, options: &ThresholdBand) -> Option<f64> {
        let (before, middle, spread, taken, now);
        if options.method == Method::StdDev {
            self.moments.advance(time, extent);
            let moments = self.moments.aggregate().unwrap_or_default();
            (before, middle, spread) = (self.moments.len(), moments.mean(), moments.sample_std_dev());
            (taken, now) = (self.moments.push(time, value, extent), self.moments.len());
        } else {
            self.quantiles.advance(time, extent);
            before = self.quantiles.len();
            middle = self.quantiles.median();
            spread = self.quantiles.median_absolute_deviation().map(|mad| mad * Quantiles::SIGMA_PER_MAD);
            (taken, now) = (self.quantiles.push(time, value, extent), self.quantiles.len());
        }
        let has_begun_anew = now == 1;
        if !taken || has_begun_anew || before < options.warmup() {
            return None;
        }
        Some(deviations(value - middle?, spread?.max(options.min_spread)))
    }
}

impl ThresholdBand {
    fn limits(&self) -> Limits {
        Limits { high: [self.info, self.warn, self.crit], low: [self.info_low, self.warn_low, self.crit_low] }
    }

    /// The most points of the window, if a number bounds it.
    fn most(&self) -> Option<usize> {
        self.size.or(self.period.is_none().then_some(SIZE)).map(NonZeroUsize::get)
    }

    /// How many values there must be before a level other than `OK`.
    fn warmup(&self) -> usize {
        self.warmup.unwrap_or_else(|| self.most().map_or(WARMUP, |most| most.min(WARMUP)))
    }

    /// Checks the options that only the methods with a window have.
    fn check_window(&self) -> Result<()> {
        let has_some = self.size.is_some()
            || self.period.is_some()
            || self.warmup.is_some()
            || self.deviation.is_some()
            || self.min_spread != 0.0;
        if self.method == Method::Static {
            return if has_some {
                Err("the method 'static' has no window: leave out `size`, `period`, `warmup`, `min_spread` and \
                     `deviation`"
                    .into())
            } else {
                Ok(())
            };
        }
        at_least_zero("min_spread", self.min_spread)?;
        let is_free = self.deviation.as_ref() != Some(&self.r#as);
        rule("deviation", is_free, "must be another name than `as`")?;
        let most = self.most().unwrap_or(usize::MAX);
        rule("size", most >= 2, "must be at least 2, since one value has no spread")?;
        rule("warmup", self.warmup() >= 2, "must be at least 2, since one value has no spread")?;
        rule("warmup", self.warmup() <= most, "must not be above the number of points in the window")
    }
}

impl Stream for ThresholdBand {
    type Group = PerField<Before>;

    /// Of windows of a time, whose number of points is not known.
    const MAX_GROUPS: usize = 5_000;

    fn max_groups(&self) -> usize {
        let bytes = match (self.method, self.most()) {
            (Method::Static, _) => 600,
            (_, None) => return self.max_groups.map_or(Self::MAX_GROUPS, NonZeroUsize::get),
            (Method::StdDev, Some(most)) => most.saturating_mul(96).saturating_add(600),
            (Method::Mad, Some(most)) => most.saturating_mul(48).saturating_add(600),
        };
        algorithms::max_groups(self.max_groups, bytes.saturating_mul(self.field.names().len()))
    }

    fn check(&self) -> Result<()> {
        algorithms::check_period(self.period)?;
        self.check_window()?;
        if self.method == Method::Static {
            return self.limits().check();
        }
        self.limits().check_deviations()
    }

    fn point(&self, group: &mut PerField<Before>, point: Point<'_>, out: &mut Output) -> Result<()> {
        let mut edited = point.edit();
        let (limits, extent) = (self.limits(), extent(self.size, self.period, SIZE));
        let in_spreads = limits.of_deviations();
        for (place, value) in self.field.numbers(point)? {
            let level = if self.method == Method::Static {
                limits.level(value)
            } else {
                let deviation = group.of(place).deviation(point.time(), value, extent, self);
                if let (Some(name), Some(deviation)) = (&self.deviation, deviation) {
                    edited = edited.with(self.field.result(place, name), deviation);
                }
                deviation.map_or(Level::Ok, |deviation| in_spreads.level(deviation))
            };
            edited = edited.with(self.field.result(place, &self.r#as), level.name());
        }
        out.send(edited)
    }
}

register!(ThresholdBand);
