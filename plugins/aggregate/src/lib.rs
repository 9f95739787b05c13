//! Count, sum, mean, percentiles and other aggregates of fields over the last points, or the last minutes, of each
//! group.
//!
//! How they are computed: see `rolling`. A NaN or an infinity is treated like an absent field.

use std::num::NonZeroUsize;
use std::time::Duration;

use algorithms::{FieldNames, Functions, PerField, Percentiles};
use kapacitor_guest::prelude::*;

mod rolling;

use rolling::Rolling;

/// The number of points if neither `size` nor `period` is given.
const SIZE: NonZeroUsize = NonZeroUsize::new(10).unwrap();

/// The options: `.field(NAME)` for each field, `.fn(NAME)` for each function, `.size(NUMBER)`, `.period(DURATION)` and
/// `.percentile(NAME)`.
#[derive(Options)]
pub struct Aggregate {
    field: FieldNames,
    #[option(default = Functions::default())]
    r#fn: Functions,
    size: Option<NonZeroUsize>,
    period: Option<Duration>,
    #[option(default = Percentiles::Linear)]
    percentile: Percentiles,
    max_groups: Option<NonZeroUsize>,
}

impl Stream for Aggregate {
    type Group = PerField<Rolling>;

    /// As many as fit into 64 MiB: see README.md.
    fn max_groups(&self) -> usize {
        let points = algorithms::most_points(self.size, self.period, SIZE).get();
        let points = if self.size.is_none() { points.min(SIZE.get()) } else { points };
        let bytes = points.saturating_mul(300).saturating_add(280);
        algorithms::max_groups(
            self.max_groups,
            bytes.saturating_mul(self.field.names().len()).saturating_add(110),
        )
    }

    fn check(&self) -> Result<()> {
        algorithms::check_period(self.period)
    }

    fn point(&self, windows: &mut PerField<Rolling>, point: Point<'_>, out: &mut Output) -> Result<()> {
        let extent = algorithms::extent(self.size, self.period, SIZE);
        let mut edited = point.edit();
        for (place, value) in self.field.numbers(point)? {
            let window = windows.of(place);
            if window.push(point.time(), value, extent, &self.r#fn) {
                for (name, result) in self.r#fn.results(window.numbers(), self.percentile) {
                    edited = edited.with(self.field.result(place, name), result);
                }
            }
        }
        out.send(edited)
    }
}

register!(Aggregate);

#[cfg(test)]
mod tests;
