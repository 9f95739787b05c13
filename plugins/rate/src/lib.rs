//! How fast counters rise, for each unit of time, also where they begin again.
//!
//! How it is computed: see `rise` and `algorithms::Steps`. A NaN or an infinity is treated like an absent field.

use std::time::Duration;

use algorithms::{FieldNames, Number, PerField, Steps};
use kapacitor_guest::prelude::*;

mod rise;

/// The options: `.field(NAME)` for each counter, `.unit(DURATION)`, `.max(NUMBER)` and `.as(NAME)`.
#[derive(Options)]
pub struct Rate {
    field: FieldNames,
    #[option(default = Duration::from_secs(1))]
    unit: Duration,
    max: Option<i64>,
    #[option(default = "rate")]
    r#as: FieldName,
}

impl Stream for Rate {
    type Group = PerField<Steps>;

    fn check(&self) -> Result<()> {
        if self.unit.is_zero() {
            return Err("option `unit`: must be more than 0s".into());
        }
        if self.max.is_some_and(|max| max < 1) {
            return Err("option `max`: must be at least 1".into());
        }
        Ok(())
    }

    fn point(&self, series: &mut PerField<Steps>, point: Point<'_>, out: &mut Output) -> Result<()> {
        let mut edited = point.edit();
        for (place, number) in Number::all_of(&self.field, point)? {
            // No counter is below 0.
            if number.as_double() < 0.0 {
                continue;
            }
            let step = series.of(place).next(point.time(), number);
            if let Some(rate) = step.and_then(|step| step.per(self.unit, rise::of(step, self.max))) {
                edited = edited.with(self.field.result(place, &self.r#as), rate);
            }
        }
        out.send(edited)
    }
}

register!(Rate);

#[cfg(test)]
mod tests;
