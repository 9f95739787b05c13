//! Exponential moving average of fields: older numbers count less.
//!
//! How it is computed: see `kapacitor_guest::statistics::ExponentialMoments`. A NaN or an infinity is treated like an
//! absent field.

use std::num::NonZeroUsize;
use std::time::Duration;

use algorithms::{FieldNames, PerField};
use kapacitor_guest::prelude::*;

mod average;

use average::Average;

/// The span if neither `alpha` nor `size` nor `half_life` is given.
const SIZE: NonZeroUsize = NonZeroUsize::new(10).unwrap();

/// The options: `.field(NAME)` for each field, one of `.alpha(NUMBER)`, `.size(NUMBER)` and `.half_life(DURATION)`, and
/// `.as(NAME)`.
#[derive(Options)]
pub struct Ema {
    field: FieldNames,
    alpha: Option<f64>,
    size: Option<NonZeroUsize>,
    half_life: Option<Duration>,
    #[option(default = "ema")]
    r#as: FieldName,
}

impl Stream for Ema {
    type Group = PerField<Average>;

    fn check(&self) -> Result<()> {
        let given = [self.alpha.is_some(), self.size.is_some(), self.half_life.is_some()];
        if given.into_iter().filter(|is_given| *is_given).count() > 1 {
            return Err("options `alpha`, `size` and `half_life`: only one of them may be given".into());
        }
        self.alpha.map_or(Ok(()), |alpha| algorithms::share("alpha", alpha))?;
        algorithms::rule("half_life", self.half_life != Some(Duration::ZERO), "must be more than 0s")
    }

    fn point(&self, averages: &mut PerField<Average>, point: Point<'_>, out: &mut Output) -> Result<()> {
        let mut edited = point.edit();
        for (place, value) in self.field.numbers(point)? {
            let average = averages.of(place);
            let mean = match self.half_life {
                Some(half_life) => average.push_at(point.time(), value, half_life),
                None => average.push(value, self.alpha()),
            };
            if let Some(mean) = mean {
                edited = edited.with(self.field.result(place, &self.r#as), mean);
            }
        }
        out.send(edited)
    }
}

impl Ema {
    /// The weight of the newest number.
    fn alpha(&self) -> f64 {
        self.alpha.unwrap_or_else(|| 2.0 / (self.size.unwrap_or(SIZE).get() as f64 + 1.0))
    }
}

register!(Ema);

#[cfg(test)]
mod tests;
