//! Finds the groups that differ from the others in the same window, by the local outlier factor.
//!
//! Source: see `factor`.

mod factor;
mod features;
#[cfg(test)]
mod tests;
mod window;

use std::num::NonZeroUsize;

use algorithms::{FieldNames, different_names, no_numbers, numbers_of};
use kapacitor_guest::prelude::*;

use features::{Feature, Summary};
use window::{Member, Window};

/// The options; README.md describes them.
#[derive(Options)]
pub struct LofGroups {
    field: FieldNames,
    feature: Vec<Feature>,
    #[option(default = NonZeroUsize::new(20).expect("is not zero"))]
    neighbors: NonZeroUsize,
    #[option(default = NonZeroUsize::new(8).expect("is not zero"))]
    min_groups: NonZeroUsize,
    #[option(default = 4.0)]
    threshold: f64,
    #[option(default = "score")]
    r#as: FieldName,
    #[option(default = "anomaly")]
    flag: FieldName,
    window: Shared<Window>,
}

/// The most groups of a window with up to [`FEW_FEATURES`] features. Each is compared with each other: these take a tenth of
/// a second.
const MOST_GROUPS: usize = 5_000;

/// The most features with which a window may have [`MOST_GROUPS`] groups. With more, it has fewer groups, so that it takes no
/// more time.
const FEW_FEATURES: usize = 4;

/// The most neighbours: each takes memory for each group.
const MOST_NEIGHBORS: usize = 100;

impl Batch for LofGroups {
    type Group = ();

    const PROVIDES: Edge = Edge::Stream;

    fn check(&self) -> Result<()> {
        let twice =
            (1..self.feature.len()).find(|place| self.feature[..*place].contains(&self.feature[*place]));
        if let Some(place) = twice {
            return Err(format!("option `feature`: '{}' is given twice", self.feature[place].name()).into());
        }
        let rules = [
            (self.neighbors.get() <= MOST_NEIGHBORS, "option `neighbors`: must be at most 100"),
            (
                (3..=MOST_GROUPS).contains(&self.min_groups.get()),
                "option `min_groups`: must be from 3 to 5000",
            ),
            (
                self.min_groups.get() <= self.most_groups(),
                "option `min_groups`: a window with so many features has fewer groups",
            ),
            (
                self.threshold >= 0.0 && self.threshold.is_finite(),
                "option `threshold`: must be a number of at least 0",
            ),
        ];
        if let Some((_, rule)) = rules.into_iter().find(|(holds, _)| !holds) {
            return Err(rule.into());
        }
        let names = self.field.names().iter();
        let features: Vec<String> =
            names.flat_map(|name| self.features().iter().map(|feature| feature.result(name))).collect();
        let mut results: Vec<&str> = features.iter().map(String::as_str).collect();
        results.extend([&*self.r#as, &*self.flag]);
        different_names(&results)
    }

    fn batch(&self, _: &mut (), points: &Points<'_>, out: &mut Output) -> Result<()> {
        let member = self.member(points)?;
        let mut window = self.window.borrow_mut();
        let most = self.most_groups();
        window.add(points.group(), points.tmax(), member, most, |members| self.compare(members, out))
    }
}

impl LofGroups {
    /// The features of each field.
    fn features(&self) -> &[Feature] {
        if self.feature.is_empty() { &[Feature::Mean] } else { &self.feature }
    }

    /// The most groups of a window: their comparisons take O(n² d) for n groups with d features.
    fn most_groups(&self) -> usize {
        let features = self.field.names().len() * self.features().len();
        (MOST_GROUPS * MOST_GROUPS * FEW_FEATURES / features.max(FEW_FEATURES)).isqrt()
    }

    /// The group of a batch, with its features.
    fn member(&self, points: &Points<'_>) -> Result<Member> {
        let mut member = Member { point: NewPoint::like(points), features: Vec::new() };
        for name in self.field.names() {
            let summary = Summary::of(numbers_of(points, name))
                .ok_or_else(|| no_numbers(std::slice::from_ref(name)))?;
            for feature in self.features() {
                let number = summary.feature(*feature).ok_or_else(|| {
                    Error::skip(format!("the {} of field `{name}` is no number", feature.name()))
                })?;
                member.features.push(number);
                member.point.fields.insert(feature.result(name), number.into());
            }
        }
        Ok(member)
    }

    /// Sends the groups of a window with their scores, if there are enough of them.
    fn compare(&self, members: Vec<Member>, out: &mut Output) -> Result<()> {
        let scores = self.scores(&members);
        for (place, member) in members.into_iter().enumerate() {
            let score = scores.as_ref().map(|scores| scores[place]);
            let anomaly = score.is_some_and(|score| score > self.threshold);
            let point = match score {
                Some(score) => member.point.field(&*self.r#as, score),
                None => member.point,
            };
            out.send(point.field(&*self.flag, anomaly))?;
        }
        Ok(())
    }

    /// The scores of the groups; `None` if there are too few.
    fn scores(&self, members: &[Member]) -> Option<Vec<f64>> {
        let first = members.first().filter(|_| members.len() >= self.min_groups.get())?;
        let column = |place: usize| {
            let mut column: Vec<f64> = members.iter().map(|member| member.features[place]).collect();
            features::make_comparable(&mut column);
            column
        };
        let columns: Vec<_> = (0..first.features.len()).map(column).collect();
        // With more than half of the others, the neighbours of all groups would be about the same.
        let neighbors = self.neighbors.get().min((members.len() - 1) / 2);
        Some(factor::factors(&columns, neighbors))
    }
}

register!(LofGroups);
