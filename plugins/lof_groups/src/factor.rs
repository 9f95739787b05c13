//! The local outlier factor: how much sparser it is around a vector than around its neighbours.
//!
//! M. M. Breunig, H.-P. Kriegel, R. T. Ng and J. Sander, *LOF: identifying density-based local outliers*, ACM SIGMOD,
//! 2000. As in scikit-learn, a vector has exactly k neighbours, also if others are as near as the last of them, and
//! 1e-10 is added to the mean distance, so that equal vectors have a density.

/// Added to a mean distance before it is a divisor.
const LEAST_DISTANCE: f64 = 1e-10;

/// The local outlier factors of vectors, by their `k` nearest neighbours: about 1 where it is as dense as around the
/// neighbours, and larger for outliers.
///
/// Each column has one component of all vectors, all of them in the same order and of moderate size. `k` is at least
/// 1, and less than the number of vectors. Of neighbours that are equally near, those that come first are taken.
///
/// It takes O(n²) comparisons for n vectors, and 16 k bytes for each.
pub fn factors(columns: &[Vec<f64>], k: usize) -> Vec<f64> {
    let count = columns.first().map_or(0, Vec::len);
    let mut neighbors: Vec<Neighbor> = Vec::with_capacity(count * k);
    let mut squares = vec![0.0; count];
    for place in 0..count {
        squares.fill(0.0);
        for column in columns {
            let center = column[place];
            squares
                .iter_mut()
                .zip(column)
                .for_each(|(sum, other)| *sum += (other - center) * (other - center));
        }
        // A vector is not its own neighbour.
        squares[place] = f64::INFINITY;
        nearest(&squares, k, &mut neighbors);
    }
    let of = |place: usize| &neighbors[place * k..(place + 1) * k];
    let furthest: Vec<f64> = (0..count).map(|place| of(place)[k - 1].distance()).collect();
    // The local reachability densities.
    let density = |place: usize| {
        let reach = |neighbor: &Neighbor| neighbor.distance().max(furthest[neighbor.place as usize]);
        1.0 / (of(place).iter().map(reach).sum::<f64>() / k as f64 + LEAST_DISTANCE)
    };
    let densities: Vec<f64> = (0..count).map(density).collect();
    let factor = |place: usize| {
        let ratio = |neighbor: &Neighbor| densities[neighbor.place as usize] / densities[place];
        of(place).iter().map(ratio).sum::<f64>() / k as f64
    };
    (0..count).map(factor).collect()
}

/// A neighbour of a vector.
#[derive(Clone, Copy)]
struct Neighbor {
    /// The square of its distance, with the precision that is needed for comparisons.
    square: f64,
    /// Its place among the vectors.
    place: u32,
}

impl Neighbor {
    fn distance(&self) -> f64 {
        self.square.sqrt()
    }
}

/// Adds the `k` nearest to `neighbors`, the nearest first.
fn nearest(squares: &[f64], k: usize, neighbors: &mut Vec<Neighbor>) {
    let begin = neighbors.len();
    // The square of the last of them.
    let mut worst = f64::INFINITY;
    for (place, square) in squares.iter().enumerate() {
        // Most vectors are further away than those that are already there. One that is as far away comes behind them.
        if *square >= worst {
            continue;
        }
        if neighbors.len() == begin + k {
            neighbors.pop();
        }
        let at = begin + neighbors[begin..].partition_point(|other| other.square <= *square);
        neighbors.insert(at, Neighbor { square: *square, place: place as u32 });
        if neighbors.len() == begin + k {
            worst = neighbors[begin + k - 1].square;
        }
    }
}
