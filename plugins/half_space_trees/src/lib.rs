//! Anomalies of one field or of several together, by half-space trees: see `trees.rs`.

mod learned;
#[cfg(test)]
mod tests;
mod trees;

use std::num::NonZeroUsize;

use algorithms::{FieldNames, Verdict, at_least_zero, rule};
use kapacitor_guest::prelude::*;

use learned::{Learned, Range};
use trees::Shape;

/// The largest state of a group, in bytes.
const LARGEST: u64 = 32 << 20;

/// The options: `.field(NAME)`, which may be given several times, `.range(NAME, NUMBER, NUMBER)` for each of them,
/// `.trees(NUMBER)`, `.height(NUMBER)`, `.size(NUMBER)`, `.threshold(NUMBER)`, `.seed(NUMBER)`, `.as(NAME)`,
/// `.flag(NAME)` and `.max_groups(NUMBER)`.
#[derive(Options)]
pub struct HalfSpaceTrees {
    field: FieldNames,
    range: Vec<(String, f64, f64)>,
    #[option(default = NonZeroUsize::new(25).unwrap())]
    trees: NonZeroUsize,
    #[option(default = 8)]
    height: u32,
    #[option(default = 250)]
    size: usize,
    #[option(default = 4.5)]
    threshold: f64,
    #[option(default = 0)]
    seed: i64,
    #[option(default = "score")]
    r#as: FieldName,
    #[option(default = "anomaly")]
    flag: FieldName,
    max_groups: Option<NonZeroUsize>,
}

impl HalfSpaceTrees {
    fn shape(&self) -> Shape {
        let Self { trees, height, size, .. } = *self;
        Shape { trees: trees.get(), height, size, dimensions: self.field.names().len() }
    }

    /// The ranges that are given, in the order of the fields.
    fn ranges(&self) -> Vec<Option<Range>> {
        let of = |name: &FieldName| self.range.iter().find(|(of, ..)| **of == **name);
        self.field
            .names()
            .iter()
            .map(|name| of(name).map(|(_, low, high)| Range::given(*low, *high)))
            .collect()
    }

    fn check_ranges(&self) -> Result<()> {
        for (index, (name, low, high)) in self.range.iter().enumerate() {
            let is_field = self.field.names().iter().any(|field| **field == **name);
            rule("range", is_field, &format!("must be of a field of the option `field`, got `{name}`"))?;
            let is_first = self.range[..index].iter().all(|(other, ..)| other != name);
            rule("range", is_first, &format!("must be given once for `{name}`"))?;
            let is_range = low < high && low.abs() <= Range::BOUND && high.abs() <= Range::BOUND;
            rule(
                "range",
                is_range,
                "must have the smaller number before the larger one, from -1e300 to 1e300",
            )?;
        }
        Ok(())
    }
}

impl Stream for HalfSpaceTrees {
    type Group = Learned;

    /// For a group: the state, what it was restored from, and a snapshot.
    fn max_groups(&self) -> usize {
        algorithms::max_groups(self.max_groups, 3 * self.shape().bytes() as usize)
    }

    fn check(&self) -> Result<()> {
        algorithms::different_names(&[&self.r#as, &self.flag])?;
        self.check_ranges()?;
        const MOST: usize = u16::MAX as usize;
        rule("size", (2..=MOST).contains(&self.size), &format!("must be from 2 to {MOST}"))?;
        rule("height", (1..=20).contains(&self.height), "must be from 1 to 20")?;
        let bytes = self.shape().bytes();
        let rule_for_trees = format!(
            "must be less, or `height`: a group would take {} MiB, and at most {} MiB are allowed",
            bytes >> 20,
            LARGEST >> 20
        );
        rule("trees", bytes <= LARGEST, &rule_for_trees)?;
        at_least_zero("threshold", self.threshold)
    }

    fn point(&self, learned: &mut Learned, point: Point<'_>, out: &mut Output) -> Result<()> {
        let names = self.field.names();
        let values = names.iter().map(|name| point.number(name)).collect::<Result<Vec<f64>>>()?;
        let score = learned.push(&values, self.shape(), self.seed.cast_unsigned(), || self.ranges());
        let verdict = score.map_or(Verdict::default(), |score| Verdict::above(score, self.threshold));
        out.send(verdict.add_to(point.edit(), &self.r#as, &self.flag))
    }
}

impl SerdeSnapshot<Learned> for HalfSpaceTrees {}

register!(HalfSpaceTrees, snapshot);
