//! A robust random cut forest, which learns from a stream what is usual.
//!
//! Source: S. Guha, N. Mishra, G. Roy and O. Schrijvers, *Robust random cut forest based anomaly detection on streams*,
//! ICML, 2016.

mod cuts;
mod saved;
mod tree;

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::random::Random;
use saved::SavedForest;
use tree::Tree;

/// The shape of a [`RandomCutForest`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ForestShape {
    /// The number of trees.
    pub trees: usize,
    /// The number of points in each tree, at most [`ForestShape::LARGEST_TREE`].
    pub size: usize,
    /// The number of points after which one that came has 1/e of the weight of a new one, when it is drawn which are in
    /// a tree. If it is not above `size`, the points of each tree are the last `size`.
    pub history: usize,
    /// The number of coordinates of a point.
    pub dimensions: usize,
    /// What the random numbers are made from.
    pub seed: u64,
}

impl ForestShape {
    /// The largest number of points in a tree.
    pub const LARGEST_TREE: usize = Tree::MOST as usize;

    /// The number of bytes that a forest of this shape takes.
    pub const fn bytes(&self) -> u64 {
        let point = (self.dimensions as u64).saturating_mul(24).saturating_add(44);
        let tree = point.saturating_mul(self.size as u64).saturating_add(200);
        tree.saturating_mul(self.trees as u64)
    }
}

/// A forest of random cut trees, each with a sample of the points so far.
///
/// Each tree has a sample of its own in which newer points are more likely: P. S. Efraimidis and P. G. Spirakis, *Weighted
/// random sampling with a reservoir*, Information Processing Letters 97, 2006, with weights that grow exponentially. A
/// point takes O(log n) in each tree: it is scored in all of them, and goes into those whose sample it gets into, where
/// another one leaves.
///
/// ```
/// use algorithms::{ForestShape, RandomCutForest};
///
/// let shape = ForestShape { trees: 20, size: 64, history: 64, dimensions: 1, seed: 1 };
/// let mut forest = RandomCutForest::new(shape);
/// for number in 0..64 {
///     forest.push(&[f64::from(number % 8)], &[1.0]);
/// }
/// assert!(forest.push(&[4.0], &[1.0]) < 2.0);
/// assert!(forest.push(&[100.0], &[1.0]) > 50.0);
/// ```
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "SavedForest")]
pub struct RandomCutForest {
    shape: ForestShape,
    /// The number of points so far.
    seen: u64,
    trees: Vec<(Tree, Sample)>,
}

/// The points of a tree, the one that is the first to leave first.
type Sample = BinaryHeap<Sampled>;

/// A point in the sample of a tree.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
struct Sampled {
    /// The point with the least rank is the first to leave.
    rank: f64,
    leaf: u16,
}

impl RandomCutForest {
    /// A forest that has seen nothing.
    pub fn new(shape: ForestShape) -> Self {
        let tree =
            |number| (Tree::new(shape.dimensions, Random::part(shape.seed, number)), BinaryHeap::new());
        Self { shape, seen: 0, trees: (0..shape.trees as u64).map(tree).collect() }
    }

    /// The shape.
    pub fn shape(&self) -> ForestShape {
        self.shape
    }

    /// The number of points so far.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The score of a point: the mean over all trees of the collusive displacement that is expected of it, from 0 to
    /// `size`. Then it is added.
    ///
    /// Coordinates beyond ±1e300 and NaN are not allowed. Each dimension has a positive weight of at most 1, with which its
    /// distances count: how likely it is that a cut goes through it.
    ///
    /// # Panics
    ///
    /// If the point does not have `dimensions` coordinates and weights.
    pub fn push(&mut self, point: &[f64], weights: &[f64]) -> f64 {
        let ForestShape { size, history, dimensions, .. } = self.shape;
        assert!(point.len() == dimensions && weights.len() == dimensions, "a point of another forest");
        let mut sum = 0.0;
        for (tree, sample) in &mut self.trees {
            sum += tree.displacement(point, weights);
            let time = self.seen as f64;
            // The logarithm of the rank of Efraimidis and Spirakis, in which nothing overflows.
            let rank = if history <= size { time } else { time / history as f64 + gumbel(tree.random()) };
            if sample.len() >= size {
                if sample.peek().is_some_and(|least| rank <= least.rank) {
                    continue;
                }
                if let Some(least) = sample.pop() {
                    tree.remove(least.leaf);
                }
            } else if sample.is_empty() {
                sample.reserve_exact(size);
                tree.reserve(size);
            }
            sample.push(Sampled { rank, leaf: tree.insert(point, weights) });
        }
        self.seen += 1;
        if self.trees.is_empty() { 0.0 } else { sum / self.trees.len() as f64 }
    }
}

/// A random number with a standard Gumbel distribution.
fn gumbel(random: &mut Random) -> f64 {
    // Above 0, and below 1.
    let share = random.share() + 0.5 / (1_u64 << 53) as f64;
    -(-share.ln()).ln()
}

/// The point with the least rank is the greatest, so that a heap gives it first.
impl Ord for Sampled {
    fn cmp(&self, other: &Self) -> Ordering {
        other.rank.total_cmp(&self.rank).then(other.leaf.cmp(&self.leaf))
    }
}

impl PartialOrd for Sampled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Sampled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Sampled {}

#[cfg(test)]
mod tests;
