//! Scores each point of a batch by how much it stands out from the spectrum of the batch: see `saliency.rs`.

mod saliency;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;

use algorithms::{Verdict, at_least_zero, deviations, finite, numbers_of, rule};
use kapacitor_guest::prelude::*;
use kapacitor_guest::statistics::MovingAverage;

use saliency::saliency;

/// The largest number of points with the field in a batch.
const MOST: usize = 100_000;

/// The options: `.field(NAME)`, `.width(NUMBER)`, `.size(NUMBER)`, `.estimated(NUMBER)`, `.threshold(NUMBER)`,
/// `.as(NAME)` and `.flag(NAME)`.
#[derive(Options)]
pub struct SpectralResidual {
    field: FieldName,
    #[option(default = 3)]
    width: usize,
    #[option(default = NonZeroUsize::new(21).unwrap())]
    size: NonZeroUsize,
    #[option(default = 5)]
    estimated: usize,
    #[option(default = 4.0)]
    threshold: f64,
    #[option(default = "score")]
    r#as: FieldName,
    #[option(default = "anomaly")]
    flag: FieldName,
}

impl Batch for SpectralResidual {
    type Group = ();

    fn check(&self) -> Result<()> {
        rule("width", self.width % 2 == 1 && self.width < 100, "must be an odd number from 1 to 99")?;
        rule("estimated", self.estimated <= 1000, "must be at most 1000")?;
        rule("flag", self.flag != self.r#as, "must be another name than `as`")?;
        at_least_zero("threshold", self.threshold)
    }

    fn batch(&self, _: &mut (), points: &Points<'_>, out: &mut Output) -> Result<()> {
        let series: Vec<f64> = numbers_of(points, &self.field).collect();
        if series.len() > MOST {
            return Err(Error::skip(format!(
                "the batch has {} points with the field `{}`, and at most {MOST} can be transformed: make the window \
                 shorter, or take means of several points",
                series.len(),
                self.field
            )));
        }
        let scores = scores(&saliency(&series, self.width, self.estimated), self.size);
        let mut batch = out.batch(points)?;
        for (point, score) in points.iter().filter(|point| finite(*point, &self.field).is_some()).zip(scores)
        {
            let verdict = score.map_or(Verdict::default(), |score| Verdict::above(score, self.threshold));
            batch.send(verdict.add_to(point.edit(), &self.r#as, &self.flag));
        }
        Ok(())
    }
}

/// Means of less than this share of the largest saliency count as that: it may be nothing but rounding errors.
const LEAST_MEAN: f64 = 1e-6;

/// How far the saliency of each point is above the mean of that of the `size` points before it, as a multiple of that
/// mean; `None` for the first points.
fn scores(saliency: &[f64], size: NonZeroUsize) -> Vec<Option<f64>> {
    let least = LEAST_MEAN * saliency.iter().copied().fold(0.0, f64::max);
    let mut before = MovingAverage::default();
    let score = |value: &f64| {
        let mean = before.mean().filter(|_| before.len() == size.get()).map(|mean| mean.max(least));
        before.push(*value, size);
        mean.map(|mean| deviations(value - mean, mean))
    };
    saliency.iter().map(score).collect()
}

register!(SpectralResidual);
