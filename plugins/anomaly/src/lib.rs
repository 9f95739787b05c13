//! How unusual a value is, without any setting: six views of the series, and what is rare in each.
//!
//! What they are: see [`ensemble`]. How a view's number becomes a share of points: see [`tail`].

mod ensemble;
mod tail;
#[cfg(test)]
mod tests;
mod views;

use std::num::NonZeroUsize;

use algorithms::{FieldNames, PerField, Verdict};
use kapacitor_guest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ensemble::{Ensemble, Rest};

/// The largest number of points of `rest`, which bounds the memory of a group.
const LONGEST_REST: u64 = 10_000;

/// The options, see README.md.
#[derive(Options)]
pub struct Anomaly {
    field: FieldNames,
    #[option(default = 3.0)]
    threshold: f64,
    #[option(default = 100)]
    warmup: u64,
    #[option(default = 100)]
    rest: u64,
    #[option(default = "score")]
    r#as: FieldName,
    #[option(default = "anomaly")]
    flag: FieldName,
    reason: Option<FieldName>,
    max_groups: Option<NonZeroUsize>,
    /// Values that were marked as anomalies.
    anomalies: Counter,
}

/// The state of a field of a group.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Series {
    ensemble: Ensemble,
    rest: Rest,
}

impl Stream for Anomaly {
    type Group = PerField<Series>;

    /// For each field: the state of 14 KiB, and 10 KiB each for what it was restored from and for a snapshot.
    fn max_groups(&self) -> usize {
        algorithms::max_groups(self.max_groups, 34 * 1024 * self.field.names().len())
    }

    fn check(&self) -> Result<()> {
        let names = [&self.r#as, &self.flag].into_iter().chain(&self.reason);
        algorithms::different_names(&names.map(|name| &**name).collect::<Vec<_>>())?;
        algorithms::at_least_zero("threshold", self.threshold)?;
        algorithms::rule("rest", self.rest <= LONGEST_REST, "must be at most 10000")
    }

    fn point(&self, group: &mut Self::Group, point: Point<'_>, out: &mut Output) -> Result<()> {
        let mut edited = point.edit();
        for (index, value) in self.field.numbers(point)? {
            let Series { ensemble, rest } = group.of(index);
            let finding = ensemble.push(point.time(), value);
            let verdict = if ensemble.count() > self.warmup {
                let score = rest.pass(ensemble.count(), finding.score, self.rest);
                Verdict::above(score, self.threshold)
            } else {
                Verdict::default()
            };
            if verdict.anomaly {
                self.anomalies.inc();
            }
            let name = |name| self.field.result(index, name);
            edited = verdict.add_to(edited, name(&self.r#as), name(&self.flag));
            if let Some(reason) = &self.reason
                && verdict.anomaly
            {
                edited = edited.with(name(reason), finding.view.name());
            }
        }
        out.send(edited)
    }
}

impl SerdeSnapshot<PerField<Series>> for Anomaly {}

register!(Anomaly, snapshot);
