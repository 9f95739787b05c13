//! Moving average of fields over the last points, or the last minutes, of each group.
//!
//! How it is computed: over a number of points by `kapacitor_guest::statistics::MovingAverage`, and over a time by
//! `algorithms::Total` in a sliding window. A NaN or an infinity is treated like an absent field.

use std::num::NonZeroUsize;
use std::time::Duration;

use algorithms::{FieldNames, PerField, Total};
use kapacitor_guest::prelude::*;
use kapacitor_guest::statistics::{MovingAverage, Sliding};

/// The number of points if neither `size` nor `period` is given.
const SIZE: NonZeroUsize = NonZeroUsize::new(10).unwrap();

/// The options: `.field(NAME)` for each field, `.size(NUMBER)`, `.period(DURATION)` and `.as(NAME)`.
#[derive(Options)]
pub struct MovingAvg {
    field: FieldNames,
    size: Option<NonZeroUsize>,
    period: Option<Duration>,
    #[option(default = "avg")]
    r#as: FieldName,
}

/// The averages of a group.
#[derive(Default)]
pub struct Averages {
    /// Of one field over a number of points, as most tasks have it: without a detour over the heap.
    only: MovingAverage,
    others: Option<Box<Others>>,
}

/// The averages of other calls.
#[derive(Default)]
struct Others {
    /// Of several fields over a number of points.
    counted: PerField<MovingAverage>,
    /// Over a time.
    timed: PerField<Sliding<Total>>,
}

impl Stream for MovingAvg {
    type Group = Averages;

    /// A group with a window of 100 points takes up to 1.1 KB.
    const MAX_GROUPS: usize = 50_000;

    fn check(&self) -> Result<()> {
        algorithms::check_period(self.period)
    }

    fn point(&self, averages: &mut Averages, point: Point<'_>, out: &mut Output) -> Result<()> {
        if let ([field], None) = (self.field.names(), self.period) {
            let mean = averages.only.push(point.number(field)?, self.size.unwrap_or(SIZE));
            return out.send(point.with(&self.r#as, mean));
        }
        self.averages(averages.others.get_or_insert_default(), point, out)
    }
}

impl MovingAvg {
    /// Adds the averages of several fields, or over a time.
    fn averages(&self, averages: &mut Others, point: Point<'_>, out: &mut Output) -> Result<()> {
        let mut edited = point.edit();
        for (place, value) in self.field.numbers(point)? {
            let mean = if self.period.is_none() {
                Some(averages.counted.of(place).push(value, self.size.unwrap_or(SIZE)))
            } else {
                let window = averages.timed.of(place);
                let is_taken =
                    window.push(point.time(), value, algorithms::extent(self.size, self.period, SIZE));
                window.aggregate().filter(|_| is_taken).and_then(|total| total.mean())
            };
            if let Some(mean) = mean {
                edited = edited.with(self.field.result(place, &self.r#as), mean);
            }
        }
        out.send(edited)
    }
}

register!(MovingAvg);

#[cfg(test)]
mod tests;
