//! Anomalies of one field or of several together, by a robust random cut forest.
//!
//! The forest: see `algorithms::RandomCutForest`. The score is how many of its own standard deviations the displacement
//! of a point is above the usual one.

mod learned;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;

use algorithms::{FieldNames, ForestShape, Verdict, at_least_zero, rule};
use kapacitor_guest::prelude::*;

use learned::Learned;

/// The most points before the first score, unless `warmup` says otherwise: trees of that size know what is usual.
const WARMUP: usize = 256;

/// The largest state of a group, in bytes.
const LARGEST: u64 = 32 << 20;

/// The options: `.field(NAME)`, which may be given several times, `.trees(NUMBER)`, `.size(NUMBER)`, `.history(NUMBER)`,
/// `.shingle(NUMBER)`, `.warmup(NUMBER)`, `.threshold(NUMBER)`, `.seed(NUMBER)`, `.as(NAME)`, `.flag(NAME)` and `.max_groups(NUMBER)`.
#[derive(Options)]
pub struct RandomCutForest {
    field: FieldNames,
    #[option(default = NonZeroUsize::new(10).unwrap())]
    trees: NonZeroUsize,
    #[option(default = 1024)]
    size: usize,
    history: Option<NonZeroUsize>,
    #[option(default = NonZeroUsize::MIN)]
    shingle: NonZeroUsize,
    warmup: Option<NonZeroUsize>,
    #[option(default = 10.0)]
    threshold: f64,
    #[option(default = 0)]
    seed: i64,
    #[option(default = "score")]
    r#as: FieldName,
    #[option(default = "anomaly")]
    flag: FieldName,
    max_groups: Option<NonZeroUsize>,
}

impl RandomCutForest {
    fn shape(&self) -> ForestShape {
        ForestShape {
            trees: self.trees.get(),
            size: self.size,
            history: self.history.map_or(self.size.saturating_mul(10), NonZeroUsize::get),
            dimensions: self.shingle.get().saturating_mul(self.field.names().len()),
            seed: self.seed.cast_unsigned(),
        }
    }

    fn warmup(&self) -> u64 {
        self.warmup.map_or(self.size.min(WARMUP), NonZeroUsize::get) as u64
    }
}

impl Stream for RandomCutForest {
    type Group = Learned;

    /// For a group: the state, what it was restored from, and a snapshot.
    fn max_groups(&self) -> usize {
        algorithms::max_groups(self.max_groups, 3 * self.shape().bytes() as usize)
    }

    fn check(&self) -> Result<()> {
        algorithms::different_names(&[&self.r#as, &self.flag])?;
        const MOST: usize = ForestShape::LARGEST_TREE;
        let shape = self.shape();
        rule("size", (2..=MOST).contains(&self.size), &format!("must be from 2 to {MOST}"))?;
        let bytes = shape.bytes();
        let least = format!(
            "must be less, together with `size`, `shingle` and the number of fields: a group would take {} MiB, and at \
             most {} MiB are allowed",
            bytes >> 20,
            LARGEST >> 20
        );
        rule("trees", bytes <= LARGEST, &least)?;
        at_least_zero("threshold", self.threshold)
    }

    fn point(&self, learned: &mut Learned, point: Point<'_>, out: &mut Output) -> Result<()> {
        let names = self.field.names();
        let values = names.iter().map(|name| point.number(name)).collect::<Result<Vec<f64>>>()?;
        let score = learned.push(&values, self.shape(), self.warmup());
        let verdict = score.map_or(Verdict::default(), |score| Verdict::above(score, self.threshold));
        out.send(verdict.add_to(point.edit(), &self.r#as, &self.flag))
    }
}

impl SerdeSnapshot<Learned> for RandomCutForest {}

register!(RandomCutForest, snapshot);
