//! What is usual in a group.

use algorithms::{ForestShape, RandomCutForest, deviations};
use kapacitor_guest::statistics::ExponentialMoments;

/// Values beyond it count as that, so that distances between them are finite.
const BOUND: f64 = 1e300;

/// The forest of a group, and what is needed to make points of it and a score of what it says.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Learned {
    forest: RandomCutForest,
    /// The values of the last points: those of all fields, point by point, the oldest point first.
    shingle: Vec<f64>,
    /// The values of each field, for its weight; of several fields only.
    spreads: Vec<ExponentialMoments>,
    /// The displacements so far.
    displacements: ExponentialMoments,
    /// The number of them.
    displaced: u64,
    /// The number of points so far.
    points: u64,
}

impl Learned {
    /// Scores the values of a point, one for each field, and learns them. No score before `warmup` points.
    ///
    /// If the shape is another one than before, what was learned is given up.
    pub fn push(&mut self, values: &[f64], shape: ForestShape, warmup: u64) -> Option<f64> {
        if self.forest.shape() != shape {
            *self = Self { forest: RandomCutForest::new(shape), ..Self::default() };
        }
        self.points += 1;
        self.shingle.extend(values.iter().map(|value| value.clamp(-BOUND, BOUND)));
        let complete = self.shingle.len() >= shape.dimensions;
        self.shingle.drain(..self.shingle.len().saturating_sub(shape.dimensions));
        // The mean of all at first, and later that of about as many as the forest remembers.
        let weight = |count: u64| 1.0 / count.min(shape.history as u64) as f64;
        if values.len() > 1 {
            self.spreads.resize(values.len(), ExponentialMoments::default());
            for (spread, value) in self.spreads.iter_mut().zip(values) {
                spread.push(*value, weight(self.points));
            }
        }
        if !complete {
            return None;
        }
        let weights = weights(&self.spreads, shape.dimensions);
        let displacement = self.forest.push(&self.shingle, &weights);
        // The first trees are too small to say anything of what is usual.
        if self.points <= warmup / 2 {
            return None;
        }
        let usual = self.displacements;
        self.displaced += 1;
        self.displacements.push(displacement, weight(self.displaced));
        let (mean, sigma) = usual.mean().zip(usual.std_dev()).filter(|_| self.points > warmup)?;
        // A displacement by one point more is never unusual.
        Some(deviations(displacement - mean, sigma.max(1.0)))
    }
}

/// The weight of each coordinate: the inverse of the standard deviation of its field, so that the units of fields have no
/// effect. The least of them has the weight 1. A field that has never changed has no distances that a weight could be
/// for.
fn weights(spreads: &[ExponentialMoments], dimensions: usize) -> Vec<f64> {
    if spreads.is_empty() {
        return vec![1.0; dimensions];
    }
    let sigmas = || spreads.iter().map(|spread| spread.std_dev().unwrap_or(0.0));
    let least = sigmas().filter(|sigma| *sigma > 0.0).fold(f64::MAX, f64::min);
    let weights = sigmas().map(|sigma| if sigma > 0.0 { least / sigma } else { 1.0 });
    weights.cycle().take(dimensions).collect()
}
