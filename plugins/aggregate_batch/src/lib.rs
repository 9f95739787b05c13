//! Count, sum, mean, percentiles and other aggregates of fields of each batch, in one point.
//!
//! A NaN or an infinity is treated like an absent field.

use algorithms::{
    Deviations, FieldNames, Functions, Numbers, Part, Percentiles, Total, no_numbers, numbers_of,
};
use kapacitor_guest::prelude::*;
use kapacitor_guest::statistics::{Aggregate as _, Extremes};

/// The options: `.field(NAME)` for each field, `.fn(NAME)` for each function, and `.percentile(NAME)`.
#[derive(Options)]
pub struct AggregateBatch {
    field: FieldNames,
    #[option(default = Functions::default())]
    r#fn: Functions,
    #[option(default = Percentiles::Linear)]
    percentile: Percentiles,
}

impl Batch for AggregateBatch {
    type Group = ();

    /// As Kapacitor's own aggregates, such as `|mean()`, do.
    const PROVIDES: Edge = Edge::Stream;

    fn batch(&self, _: &mut (), points: &Points<'_>, out: &mut Output) -> Result<()> {
        let mut point = NewPoint::like(points);
        let mut is_empty = true;
        for (place, name) in self.field.placed() {
            let summary = Summary::of(numbers_of(points, name), &self.r#fn);
            is_empty &= summary.count == 0;
            for (name, result) in self.r#fn.results(summary.numbers(), self.percentile) {
                point = point.field(self.field.result(place, name), result);
            }
        }
        if is_empty && !points.is_empty() {
            return Err(no_numbers(self.field.names()));
        }
        if point.fields.is_empty() { Ok(()) } else { out.send(point) }
    }
}

/// What the functions need of the numbers of a batch.
#[derive(Debug, Default)]
struct Summary {
    count: usize,
    total: Total,
    deviations: Deviations,
    extremes: Option<Extremes>,
    sorted: Vec<f64>,
}

impl Summary {
    /// Goes once over the numbers. What no function needs stays empty: of a large batch, the numbers themselves are
    /// kept for percentiles only.
    fn of(numbers: impl Iterator<Item = f64>, functions: &Functions) -> Self {
        let [total, deviations, extremes, sorted] =
            [Part::Total, Part::Deviations, Part::Extremes, Part::Sorted].map(|part| functions.need(part));
        let mut summary = Self::default();
        for value in numbers {
            summary.count += 1;
            if total {
                summary.total.push(value);
            }
            if deviations {
                summary.deviations.push(value);
            }
            if extremes {
                let one = Extremes::one(value);
                summary.extremes = Some(summary.extremes.map_or(one, |extremes| extremes.merge(&one)));
            }
            if sorted {
                summary.sorted.push(value);
            }
        }
        summary.sorted.sort_unstable_by(f64::total_cmp);
        summary
    }

    fn numbers(&self) -> Numbers<'_> {
        Numbers {
            total: self.total,
            deviations: self.deviations,
            extremes: self.extremes,
            sorted: &self.sorted,
        }
    }
}

register!(AggregateBatch);

#[cfg(test)]
mod tests;
