//! Cuts through a box and a point outside or inside of it.
//!
//! A box is a list of the least and the greatest coordinate, dimension by dimension. Each dimension has a weight, by which
//! distances in it are multiplied.

/// A cut through one dimension: coordinates of at most `at` are on one side.
pub struct Cut {
    pub dimension: usize,
    pub at: f64,
}

/// The lesser of two numbers. (`f64::min` also cares for NaN, and takes longer.)
#[inline]
pub fn least(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

/// The greater of two numbers.
#[inline]
pub fn greatest(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// The probability that a random cut through a box and a point separates the two: the share of the sides of the box with
/// the point that is outside of the box.
#[inline]
pub fn separation(bounds: &[f64], point: &[f64], weights: &[f64]) -> f64 {
    let (mut within, mut all) = (0.0, 0.0);
    for ((side, value), weight) in bounds.as_chunks::<2>().0.iter().zip(point).zip(weights) {
        let [low, high] = *side;
        within += weight * (high - low);
        all += weight * (greatest(high, *value) - least(low, *value));
    }
    // Where the point is inside, both sums are the same to the last bit.
    if all > within { (all - within) / all } else { 0.0 }
}

/// A random cut through a box and a point, by a random number from 0 to below 1: a dimension with a probability that is
/// proportional to its side, and a place in it with equal probability. At least one side must be longer than 0.
///
/// The cut is at or above the lower end of the side, and below the upper one, so that there is something on both sides of
/// it.
#[inline]
pub fn cut(
    bounds: impl Iterator<Item = [f64; 2]> + Clone,
    point: &[f64],
    weights: &[f64],
    share: f64,
) -> Cut {
    let sides = bounds.zip(point).map(|([low, high], value)| (least(low, *value), greatest(high, *value)));
    let all: f64 = sides.clone().zip(weights).map(|((low, high), weight)| weight * (high - low)).sum();
    let chosen = share * all;
    let mut so_far = 0.0;
    let mut found = Cut { dimension: 0, at: point[0] };
    for (dimension, ((low, high), weight)) in sides.zip(weights).enumerate() {
        if low == high {
            continue;
        }
        so_far += weight * (high - low);
        let at = low + (so_far - chosen) / weight;
        // Not so only where rounding has led beyond the side.
        found = Cut { dimension, at: if at >= low && at < high { at } else { low } };
        if so_far >= chosen {
            break;
        }
    }
    found
}

/// Makes a box as large as it must be for a point to be in it.
#[inline]
pub fn extend(bounds: &mut [f64], point: &[f64]) {
    for ([low, high], value) in bounds.as_chunks_mut::<2>().0.iter_mut().zip(point) {
        *low = least(*low, *value);
        *high = greatest(*high, *value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;
    use proptest::prelude::*;

    proptest! {
        /// Both sides of a cut have something of what is cut, whatever the numbers are.
        #[test]
        fn cuts_are_within_a_side(
            sides in proptest::collection::vec(any::<[f64; 3]>(), 1..5),
            weights in [1e-9..1.0_f64, 1e-9..1.0, 1e-9..1.0, 1e-9..1.0],
            seed in any::<u64>(),
        ) {
            let tame = |value: f64| if value.is_finite() { value.clamp(-1e300, 1e300) } else { 0.0 };
            let bounds: Vec<[f64; 2]> =
                sides.iter().map(|[a, b, _]| [tame(*a).min(tame(*b)), tame(*a).max(tame(*b))]).collect();
            let point: Vec<f64> = sides.iter().map(|[.., value]| tame(*value)).collect();
            prop_assume!(bounds.iter().zip(&point).any(|([low, high], value)| low != high || value != low));
            let cut = cut(bounds.iter().copied(), &point, &weights, Random::new(seed).share());
            let ([low, high], value) = (bounds[cut.dimension], point[cut.dimension]);
            prop_assert!(cut.at >= low.min(value) && cut.at < high.max(value), "{bounds:?} {point:?} {}", cut.at);
            let flat: Vec<f64> = bounds.into_iter().flatten().collect();
            let separation = separation(&flat, &point, &weights);
            prop_assert!((0.0..=1.0).contains(&separation), "{separation}");
        }
    }

    /// The law of the cuts: the share of the cuts that separate, and of those in each dimension, is what the sides say.
    #[test]
    fn cuts_have_the_probabilities_of_the_sides() {
        let (bounds, point, weights) = ([[0.0, 1.0], [5.0, 7.0]], [3.0, 6.0], [1.0, 0.5]);
        let mut random = Random::new(1);
        let (mut separate, mut first) = (0, 0);
        const CUTS: i32 = 100_000;
        for _ in 0..CUTS {
            let cut = cut(bounds.iter().copied(), &point, &weights, random.share());
            first += i32::from(cut.dimension == 0);
            separate += i32::from(cut.dimension == 0 && cut.at >= 1.0);
        }
        // Of weighted sides of 3 and 1, 2 are between box and point. Five standard deviations are 0.8 %.
        let shares = [first, separate].map(|count| f64::from(count) / f64::from(CUTS));
        assert!((shares[0] - 0.75).abs() < 0.008 && (shares[1] - 0.5).abs() < 0.008, "{shares:?}");
        assert_eq!(separation(&[0.0, 1.0, 5.0, 7.0], &point, &weights), 0.5);
    }
}
