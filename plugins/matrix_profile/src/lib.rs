//! Discords: the parts of each batch whose shape is least like that of any other part.
//!
//! The distances: see `profile.rs`.

mod profile;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;

use algorithms::{Verdict, at_least_zero, deviations, finite, numbers_of, rule};
use kapacitor_guest::prelude::*;
use kapacitor_guest::statistics::{Extent, Quantiles, Window};

use profile::Parts;

/// The largest number of points with the field in a batch: half a second at worst.
const MOST: usize = 10_000;

/// The least standard deviation of distances that counts, as a share of the distance of parts that have nothing in common:
/// that of a correlation of 0.9999.
const LEAST_SIGMA: f64 = 0.01;

/// The name of the result whose name is no option.
const DISTANCE: &str = "distance";

/// The options: `.field(NAME)`, `.length(NUMBER)`, `.discords(NUMBER)`, `.threshold(NUMBER)`, `.as(NAME)` and
/// `.flag(NAME)`.
#[derive(Options)]
pub struct MatrixProfile {
    field: FieldName,
    length: usize,
    #[option(default = NonZeroUsize::MIN)]
    discords: NonZeroUsize,
    #[option(default = 5.0)]
    threshold: f64,
    #[option(default = "score")]
    r#as: FieldName,
    #[option(default = "anomaly")]
    flag: FieldName,
}

/// A part that is least like any other one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Discord {
    /// The number of its first point, of those with the field.
    start: usize,
    /// The distance to the part that is most like it.
    distance: f64,
    /// How many standard deviations the distance is above that of most parts.
    score: f64,
}

impl Batch for MatrixProfile {
    type Group = ();

    fn check(&self) -> Result<()> {
        rule("length", self.length >= 3, "must be at least 3 points")?;
        rule("as", &*self.r#as != DISTANCE, "must not be `distance`, which is another result")?;
        rule("flag", &*self.flag != DISTANCE, "must not be `distance`, which is another result")?;
        rule("flag", self.flag != self.r#as, "must be another name than `as`")?;
        at_least_zero("threshold", self.threshold)
    }

    fn batch(&self, _: &mut (), points: &Points<'_>, out: &mut Output) -> Result<()> {
        let series: Vec<f64> = numbers_of(points, &self.field).collect();
        if series.len() > MOST {
            return Err(Error::skip(format!(
                "the batch has {} points with the field `{}`, and at most {MOST} can be compared: make the window \
                 shorter, or take means of several points",
                series.len(),
                self.field
            )));
        }
        let mut discords = discords(&series, self.length, self.discords.get());
        discords.sort_unstable_by_key(|discord| discord.start);
        let mut discords = discords.into_iter().peekable();
        let mut batch = out.batch(points)?;
        for (index, point) in points.iter().filter(|point| finite(*point, &self.field).is_some()).enumerate()
        {
            if let Some(discord) = discords.next_if(|discord| discord.start == index) {
                let edited = point.with(DISTANCE, discord.distance);
                let verdict = Verdict::above(discord.score, self.threshold);
                batch.send(verdict.add_to(edited, &self.r#as, &self.flag));
            }
        }
        Ok(())
    }
}

/// The discords of a series, at most `most`, the greatest first. No two of them overlap.
fn discords(series: &[f64], length: usize, most: usize) -> Vec<Discord> {
    let Some(profile) = Parts::of(series, length).and_then(|parts| parts.profile()) else {
        return Vec::new();
    };
    let Some(all) = NonZeroUsize::new(profile.len()) else { return Vec::new() };
    let mut distances = Window::default();
    profile.iter().for_each(|distance| _ = distances.push(0, *distance, Extent::last(all)));
    let distances = Quantiles::from(distances);
    let usual = distances.median().unwrap_or_default();
    let sigma = Quantiles::SIGMA_PER_MAD * distances.median_absolute_deviation().unwrap_or_default();
    let sigma = sigma.max(LEAST_SIGMA * (2.0 * length as f64).sqrt());
    let mut order: Vec<usize> = (0..profile.len()).collect();
    // The first of several with the same distance comes first.
    order.sort_by(|a, b| profile[*b].total_cmp(&profile[*a]));
    let mut found: Vec<Discord> = Vec::new();
    for start in order {
        if found.len() == most {
            break;
        }
        if found.iter().all(|other| other.start.abs_diff(start) >= length) {
            let distance = profile[start];
            found.push(Discord { start, distance, score: deviations(distance - usual, sigma) });
        }
    }
    found
}

register!(MatrixProfile);
