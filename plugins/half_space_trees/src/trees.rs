//! Half-space trees, which count how many points of a window are in which part of space.
//!
//! Source: S. C. Tan, K. M. Ting and T. F. Liu, *Fast anomaly detection for streaming data*, IJCAI, 2011. As in the library
//! river, a side is never cut within [`PADDING`] of its ends, and sides that are longer are cut more often.

use algorithms::Random;

/// The share of a side at each of its ends in which it is not cut.
const PADDING: f64 = 0.15;

/// The share of the window that must be in a part for what is below it to count.
const LEAST_SHARE: f64 = 0.1;

/// What trees look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Shape {
    pub trees: usize,
    /// The number of cuts from the root to each leaf.
    pub height: u32,
    /// The number of points of a window, at most [`u16::MAX`].
    pub size: usize,
    pub dimensions: usize,
}

impl Shape {
    /// The number of bytes of the trees and of a window.
    pub fn bytes(&self) -> u64 {
        let tree = 18_u64.checked_shl(self.height).unwrap_or(u64::MAX);
        let window = (8 * self.size as u64).saturating_mul(self.dimensions as u64);
        tree.saturating_mul(self.trees as u64).saturating_add(window)
    }

    /// The number of inner nodes of a tree, and one more: nodes are counted from 1, so that the children of `n` are `2 n`
    /// and `2 n + 1`.
    fn inner(&self) -> usize {
        1 << self.height
    }
}

/// Trees of random cuts through space from 0 to 1 in each dimension.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Trees {
    shape: Shape,
    /// The place of the cut of each inner node of each tree.
    cuts: Vec<f64>,
    /// Its dimension.
    dimensions: Vec<u16>,
    /// For each node of each tree, the number of points of the last window that were in its part of space, and the
    /// number of those of the current one so far.
    masses: Vec<[u16; 2]>,
}

impl Trees {
    /// Trees with new cuts, in which no points are.
    pub fn new(shape: Shape, random: &mut Random) -> Self {
        let inner = shape.trees * shape.inner();
        let mut trees = Self {
            shape,
            cuts: vec![0.0; inner],
            dimensions: vec![0; inner],
            masses: vec![[0; 2]; 2 * inner],
        };
        for tree in 0..shape.trees {
            let mut sides = vec![(0.0, 1.0); shape.dimensions];
            trees.cut(tree * shape.inner(), 1, &mut sides, random);
        }
        trees
    }

    /// Whether these are trees of a shape, such as a sound snapshot has them, after so many points of the current window.
    pub fn is_sound(&self, shape: Shape, points: usize) -> bool {
        let inner = 1_u64.checked_shl(shape.height).and_then(|nodes| nodes.checked_mul(shape.trees as u64));
        let (Some(inner), Ok(size)) = (inner, u16::try_from(shape.size)) else { return false };
        self.shape == shape
            && shape.height < u64::BITS
            && (self.cuts.len() as u64, self.dimensions.len() as u64) == (inner, inner)
            && Some(self.masses.len() as u64) == inner.checked_mul(2)
            && self.cuts.iter().all(|cut| cut.is_finite())
            && self.dimensions.iter().all(|dimension| usize::from(*dimension) < shape.dimensions)
            && self.masses.iter().all(|[last, current]| *last <= size && usize::from(*current) <= points)
    }

    /// Makes the cuts of a node, of all below it on the left, and of all below it on the right.
    fn cut(&mut self, tree: usize, node: usize, sides: &mut [(f64, f64)], random: &mut Random) {
        if node >= self.shape.inner() {
            return;
        }
        let total: f64 = sides.iter().map(|(low, high)| high - low).sum();
        let chosen = random.share() * total;
        let mut so_far = 0.0;
        let dimension = sides[..sides.len() - 1].iter().position(|(low, high)| {
            so_far += high - low;
            chosen < so_far
        });
        let dimension = dimension.unwrap_or(sides.len() - 1);
        let side @ (low, high) = sides[dimension];
        let (least, most) = (low + PADDING * (high - low), high - PADDING * (high - low));
        let at = least + (most - least) * random.share();
        self.cuts[tree + node] = at;
        self.dimensions[tree + node] = dimension as u16;
        for (child, part) in [(2 * node, (low, at)), (2 * node + 1, (at, high))] {
            sides[dimension] = part;
            self.cut(tree, child, sides, random);
        }
        sides[dimension] = side;
    }

    /// How much of the last window is around a point, from above 0 for next to nothing to 1; then the point is counted
    /// for the current window.
    ///
    /// In each tree the number of points in each part that has the point counts, times 2 for each cut around it, down to
    /// the first part with less than a tenth of the window. The mass is the sum's share of the greatest one: river's score
    /// is 1 less the mass.
    pub fn mass_and_learn(&mut self, point: &[f64]) -> f64 {
        let Shape { trees, height, size, .. } = self.shape;
        let least = LEAST_SHARE * size as f64;
        // Exact: a sum of whole numbers.
        let mut sum = 0_u64;
        for tree in 0..trees {
            let (start, mut node, mut counts) = (tree * self.shape.inner(), 1, true);
            for depth in 0..=height {
                let [last, current] = &mut self.masses[2 * start + node];
                *current += 1;
                if counts {
                    sum += u64::from(*last) << depth;
                    counts = f64::from(*last) >= least;
                }
                if depth < height {
                    let inner = start + node;
                    let is_right = point[usize::from(self.dimensions[inner])] >= self.cuts[inner];
                    node = 2 * node + usize::from(is_right);
                }
            }
        }
        let most = (trees * size) as u64 * ((2 << height) - 1);
        sum as f64 / most as f64
    }

    /// Makes the current window the last one.
    pub fn end_window(&mut self) {
        self.masses.iter_mut().for_each(|mass| *mass = [mass[1], 0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { trees: 3, height: 4, size: 50, dimensions: 2 };

    #[test]
    fn a_window_is_counted_in_all_levels() {
        let mut random = Random::new(1);
        let mut trees = Trees::new(SHAPE, &mut random);
        for _ in 0..SHAPE.size {
            trees.mass_and_learn(&[random.share(), random.share()]);
        }
        trees.end_window();
        for tree in trees.masses.chunks(2 << SHAPE.height) {
            for level in 0..=SHAPE.height {
                let nodes = &tree[1 << level..2 << level];
                assert_eq!(nodes.iter().map(|[last, _]| usize::from(*last)).sum::<usize>(), SHAPE.size);
            }
        }
    }

    #[test]
    fn the_mass_is_as_the_definition_says() {
        let mut random = Random::new(2);
        let mut trees = Trees::new(SHAPE, &mut random);
        let window: Vec<[f64; 2]> = (0..SHAPE.size).map(|_| [random.share(), random.share() / 4.0]).collect();
        window.iter().for_each(|point| _ = trees.mass_and_learn(point));
        trees.end_window();
        for point in [[0.5, 0.1], [0.5, 0.9], [-7.0, 3.0], [0.1, 0.2]] {
            let mut sum = 0.0;
            for tree in 0..SHAPE.trees {
                let mut within = window.clone();
                let mut node = 1;
                for depth in 0..=SHAPE.height {
                    sum += within.len() as f64 * f64::from(1 << depth);
                    if (within.len() as f64) < 5.0 || depth == SHAPE.height {
                        break;
                    }
                    let inner = tree * 16 + node;
                    let (dimension, at) = (usize::from(trees.dimensions[inner]), trees.cuts[inner]);
                    let is_right = |point: &[f64; 2]| point[dimension] >= at;
                    within.retain(|other| is_right(other) == is_right(&point));
                    node = 2 * node + usize::from(is_right(&point));
                }
            }
            assert_eq!(trees.clone().mass_and_learn(&point), sum / (3.0 * 50.0 * 31.0));
        }
    }

    #[test]
    fn cuts_keep_away_from_the_ends() {
        let shape = Shape { trees: 200, height: 1, ..SHAPE };
        let trees = Trees::new(shape, &mut Random::new(3));
        let cuts = || trees.cuts.chunks(2).map(|tree| tree[1]);
        let (least, most) = (cuts().fold(1.0, f64::min), cuts().fold(0.0, f64::max));
        assert!((0.15..0.17).contains(&least) && (0.83..0.85).contains(&most), "{least} {most}");
        let first = trees.dimensions.chunks(2).filter(|tree| tree[1] == 0).count();
        assert!((70..130).contains(&first), "{first}");
    }
}
