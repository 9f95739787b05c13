//! Compares the mean of each batch with that of the batches before it, by Welch's t-test.
//!
//! Source: see `welch`.

#[cfg(test)]
mod tests;
mod welch;

use std::num::NonZeroUsize;

use algorithms::{FieldNames, PerField, Side, check_alpha, no_numbers, numbers_of};
use kapacitor_guest::prelude::*;
use kapacitor_guest::statistics::{Aggregate, Extent, Moments, Window};

/// The options: `.field(NAME)`, `.history(NUMBER)`, `.alpha(NUMBER)`, `.side(WORD)`, `.flag(NAME)` and `.max_groups(NUMBER)`.
#[derive(Options)]
pub struct Ttest {
    field: FieldNames,
    #[option(default = NonZeroUsize::new(10).expect("is not zero"))]
    history: NonZeroUsize,
    #[option(default = 0.01)]
    alpha: f64,
    #[option(default = Side::Both)]
    side: Side,
    #[option(default = "anomaly")]
    flag: FieldName,
    max_groups: Option<NonZeroUsize>,
}

/// What came before, of one field of a group.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The first value. All others are taken relative to it, so that a large mean costs no digits of the difference
    /// between two.
    origin: Option<f64>,
    /// The moments of the last batches.
    batches: Window<Moments>,
}

impl Batch for Ttest {
    type Group = PerField<History>;

    const PROVIDES: Edge = Edge::Stream;
    fn max_groups(&self) -> usize {
        let bytes = self.history.get().saturating_mul(64).saturating_add(400);
        algorithms::max_groups(self.max_groups, bytes.saturating_mul(self.field.names().len()))
    }

    fn check(&self) -> Result<()> {
        check_alpha(self.alpha)?;
        if self.history.get() <= 1000 { Ok(()) } else { Err("option `history`: must be at most 1000".into()) }
    }

    fn batch(&self, histories: &mut PerField<History>, points: &Points<'_>, out: &mut Output) -> Result<()> {
        let mut result = NewPoint::like(points);
        for (place, name) in self.field.placed() {
            let history = histories.of(place);
            let Some((origin, now)) = history.moments(numbers_of(points, name)) else { continue };
            let before = history.batches.iter().map(|(_, batch)| *batch).reduce(|all, next| all.merge(&next));
            let test = before.and_then(|before| welch::test(&now, &before, self.side));
            history.batches.push(points.tmax(), now, Extent::last(self.history));
            let mean =
                |moments: Moments| moments.mean().map(|mean| origin + mean).filter(|mean| mean.is_finite());
            for (name, number) in [
                ("mean", mean(now)),
                ("mean_before", before.and_then(mean)),
                ("t", test.and_then(|test| test.t)),
                ("df", test.and_then(|test| test.freedom)),
                ("p", test.map(|test| test.p)),
            ] {
                if let Some(number) = number {
                    result = result.field(self.field.result(place, name), number);
                }
            }
            let anomaly = test.is_some_and(|test| test.p < self.alpha);
            result = result.field(self.field.result(place, &self.flag), anomaly);
        }
        if result.fields.is_empty() { Err(no_numbers(self.field.names())) } else { out.send(result) }
    }
}

impl History {
    /// The origin, and the moments of values relative to it; `None` without values.
    fn moments(&mut self, values: impl Iterator<Item = f64>) -> Option<(f64, Moments)> {
        let mut values = values.peekable();
        let first = *values.peek()?;
        let origin = *self.origin.get_or_insert(first);
        let mut moments = Moments::default();
        values.for_each(|value| moments.push(value - origin));
        Some((origin, moments))
    }
}

register!(Ttest);
