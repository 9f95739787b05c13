//! Compares the mean of each batch with that of the batches before it, by Welch's t-test.
//!
//! Source: see `welch`.

#[cfg(test)]
mod tests;
mod welch;

use std::num::NonZeroUsize;

use algorithms::{FieldNames, PerField, Side, check_alpha, no_numbers, numbers_of, rule};
use kapacitor_guest::prelude::*;
use kapacitor_guest::statistics::{Aggregate, Extent, Moments, Window};

use welch::Sample;

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

/// The last batches, of one field of a group.
pub type History = Window<Values>;

/// The values of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Values {
    /// The first of them. All others are taken relative to it, so that a large mean costs no digits of the difference
    /// between two. Each batch has its own: were there only one, and it a wrong value that is far away from all that
    /// follow, nothing would be left of their differences.
    origin: f64,
    moments: Moments,
}

impl Batch for Ttest {
    type Group = PerField<History>;

    const PROVIDES: Edge = Edge::Stream;

    fn max_groups(&self) -> usize {
        let bytes = self.history.get().saturating_mul(80).saturating_add(400);
        algorithms::max_groups(self.max_groups, bytes.saturating_mul(self.field.names().len()))
    }

    fn check(&self) -> Result<()> {
        check_alpha(self.alpha)?;
        rule("history", self.history.get() <= 1000, "must be at most 1000")?;
        let is_free = !["mean", "mean_before", "t", "df", "p"].contains(&&*self.flag);
        rule("flag", is_free, "must not be the name of another result")
    }

    fn batch(&self, histories: &mut PerField<History>, points: &Points<'_>, out: &mut Output) -> Result<()> {
        let mut result = NewPoint::like(points);
        for (place, name) in self.field.placed() {
            let Some(values) = Values::of(numbers_of(points, name)) else { continue };
            let history = histories.of(place);
            let now = values.relative_to(values.origin);
            let before = history.iter().map(|(_, batch)| batch.relative_to(values.origin));
            let before = before.reduce(|all, next| all.merge(&next));
            let test = before.and_then(|before| welch::test(&now, &before, self.side));
            history.push(points.tmax(), values, Extent::last(self.history));
            let mean = |sample: Sample| Some(values.origin + sample.mean).filter(|mean| mean.is_finite());
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

impl Values {
    /// `None` without values.
    fn of(mut values: impl Iterator<Item = f64>) -> Option<Self> {
        let origin = values.next()?;
        let mut moments = Moments::one(0.0);
        values.for_each(|value| moments.push(value - origin));
        Some(Self { origin, moments })
    }

    /// The values less this number.
    fn relative_to(&self, origin: f64) -> Sample {
        Sample::of(&self.moments, self.origin - origin)
    }
}

register!(Ttest);
