//! Compares the distribution of each batch with that of the batches before it, by the two-sample Kolmogorov-Smirnov
//! test.
//!
//! Sources: see `statistic` and `probability`.

mod history;
mod probability;
mod statistic;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;

use algorithms::{FieldNames, PerField, check_alpha, different_names, no_numbers, numbers_of};
use kapacitor_guest::prelude::*;

use history::History;

/// The options: `.field(NAME)`, `.history(NUMBER)`, `.size(NUMBER)`, `.alpha(NUMBER)`, `.flag(NAME)` and `.max_groups(NUMBER)`.
#[derive(Options)]
pub struct KsTest {
    field: FieldNames,
    #[option(default = NonZeroUsize::new(10).expect("is not zero"))]
    history: NonZeroUsize,
    #[option(default = NonZeroUsize::new(1000).expect("is not zero"))]
    size: NonZeroUsize,
    #[option(default = 0.01)]
    alpha: f64,
    #[option(default = "anomaly")]
    flag: FieldName,
    max_groups: Option<NonZeroUsize>,
}

/// The largest `history` and `size`.
const MOST: usize = 100_000;

impl Batch for KsTest {
    type Group = PerField<History>;

    const PROVIDES: Edge = Edge::Stream;
    fn max_groups(&self) -> usize {
        let bytes = self.size.get().next_power_of_two().saturating_mul(8).saturating_add(600);
        algorithms::max_groups(self.max_groups, bytes.saturating_mul(self.field.names().len()))
    }

    fn check(&self) -> Result<()> {
        check_alpha(self.alpha)?;
        different_names(&["d", "p", &self.flag])?;
        if self.history.get() > MOST {
            Err("option `history`: must be at most 100000".into())
        } else if self.size.get() > MOST {
            Err("option `size`: must be at most 100000".into())
        } else {
            Ok(())
        }
    }

    fn batch(&self, histories: &mut PerField<History>, points: &Points<'_>, out: &mut Output) -> Result<()> {
        let mut result = NewPoint::like(points);
        for (place, name) in self.field.placed() {
            let mut now: Vec<f64> = numbers_of(points, name).collect();
            if now.is_empty() {
                continue;
            }
            let history = histories.of(place);
            let mut before = history.values();
            history.push(&now, self.history.get(), self.size.get());
            let mut anomaly = false;
            if !before.is_empty() {
                now.sort_unstable_by(f64::total_cmp);
                before.sort_unstable_by(f64::total_cmp);
                let distance = statistic::distance(&now, &before);
                let p = probability::of(distance, now.len(), before.len());
                let d = distance as f64 / now.len() as f64 / before.len() as f64;
                result =
                    result.field(self.field.result(place, "d"), d).field(self.field.result(place, "p"), p);
                anomaly = p < self.alpha;
            }
            result = result.field(self.field.result(place, &self.flag), anomaly);
        }
        if result.fields.is_empty() { Err(no_numbers(self.field.names())) } else { out.send(result) }
    }
}

register!(KsTest);
