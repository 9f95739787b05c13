//! Passes on the points whose value has changed by more than a band since the last one that was passed on.
//!
//! This is the send-on-delta of M. Miskowicz, *Send-on-delta concept: an event-based data reporting strategy*, Sensors 6,
//! 2006; historians of process data call it exception reporting.

use std::time::Duration;

use algorithms::{FieldNames, Number, PerField, at_least_zero, rule};
use kapacitor_guest::prelude::*;

#[cfg(test)]
mod tests;

/// The options.
#[derive(Options)]
pub struct Deadband {
    field: FieldNames,
    #[option(default = 0.0)]
    band: f64,
    #[option(default = 0.0)]
    percent: f64,
    heartbeat: Option<Duration>,
}

/// The last point of a group that was passed on.
#[derive(Debug, Default)]
pub struct Passed {
    /// The time of the point; `None` before the first one.
    time: Option<i64>,
    /// The value of each field; `None` if no point that was passed on had it.
    values: PerField<Option<Number>>,
}

impl Deadband {
    /// Whether a value has changed by more than both `band` and `percent` of the last one.
    fn is_change(&self, last: Number, value: Number) -> bool {
        // As doubles, ints beyond 2^53 might be the same.
        let change = value.minus(last).abs();
        // Only the difference of values of different signs overflows, by more than any limit that is of use.
        change == f64::INFINITY
            || change > self.band && change > last.as_double().abs() * (self.percent / 100.0)
    }

    /// Whether a heartbeat is due. A time that lies as far before the last one shows that one of both is wrong, which must
    /// not silence the group until the data has caught up.
    fn is_due(&self, last: i64, time: i64) -> bool {
        self.heartbeat.is_some_and(|heartbeat| u128::from(time.abs_diff(last)) >= heartbeat.as_nanos())
    }
}

impl Stream for Deadband {
    type Group = Passed;

    fn check(&self) -> Result<()> {
        at_least_zero("band", self.band)?;
        at_least_zero("percent", self.percent)?;
        rule("heartbeat", self.heartbeat != Some(Duration::ZERO), "must be above 0")
    }

    fn point(&self, passed: &mut Passed, point: Point<'_>, out: &mut Output) -> Result<()> {
        let time = point.time();
        let mut passes = passed.time.is_none_or(|last| self.is_due(last, time));
        for (place, value) in Number::all_of(&self.field, point)? {
            passes |= passed.values.of(place).is_none_or(|last| self.is_change(last, value));
        }
        if !passes {
            return Ok(());
        }
        passed.time = Some(time);
        for (place, value) in Number::all_of(&self.field, point)? {
            *passed.values.of(place) = Some(value);
        }
        out.send(point)
    }
}

register!(Deadband);
