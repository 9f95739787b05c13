//! How far values are from what was expected of them in the long run, for when a spread says too little.

/// A spread below this share of the usual distance is that of a series which hardly changes at the time.
const HARDLY_CHANGES: f64 = 0.1;

/// The usual distance is that of about the last values of this number.
const REMEMBERED: u32 = 10_000;

/// A distance counts as at most this many usual ones, so that a single wrong value does not make all others look usual.
const MOST: f64 = 10.0;

/// The usual distance of the values of a series from what was expected of them: the root of the mean of the squares so far,
/// in which each new square has a weight of at least 1 / 10,000. A distance above ten usual ones counts as that.
///
/// It stands in for a spread of recent values that is less than a tenth of it. Such a spread comes from values that are
/// all the same, or differ by rounding errors only. It says nothing of how far the next value may be, and every small
/// change would have an enormous score.
///
/// ```
/// use algorithms::UsualDistance;
///
/// let mut usual = UsualDistance::default();
/// // One change by 4 among 64 values.
/// (0..63).for_each(|_| usual.push(0.0));
/// usual.push(4.0);
/// assert!((usual.spread(0.0) - 0.5).abs() < 1e-12);
/// assert_eq!(usual.spread(0.1), 0.1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct UsualDistance {
    distance: f64,
    /// The number of distances so far, at most [`REMEMBERED`].
    count: u32,
}

impl UsualDistance {
    /// The spread that counts: this one, or the usual distance if this is less than a tenth of that.
    #[inline]
    pub fn spread(&self, spread: f64) -> f64 {
        if spread < HARDLY_CHANGES * self.distance { self.distance } else { spread }
    }

    /// Adds the distance of a value from what was expected, in either direction. NaN counts as 0.
    pub fn push(&mut self, distance: f64) {
        self.count = (self.count + 1).min(REMEMBERED);
        let most = if self.distance > 0.0 { MOST * self.distance } else { f64::INFINITY };
        let distance = distance.abs().min(most).min(f64::MAX);
        let weight = 1.0 / f64::from(self.count);
        // Squares of distances that are very large or very small have no place in `f64`.
        let distance = if distance.is_nan() { 0.0 } else { weight.sqrt() * distance };
        self.distance = ((1.0 - weight).sqrt() * self.distance).hypot(distance).min(f64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn usual(distances: impl IntoIterator<Item = f64>) -> UsualDistance {
        let mut usual = UsualDistance::default();
        distances.into_iter().for_each(|distance| usual.push(distance));
        usual
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn it_is_the_root_of_the_mean_square(distances in proptest::collection::vec(-20.0..20.0, 1..200)) {
            // The first are so large that none is cut off.
            let distances: Vec<f64> = [20.0; 4].into_iter().chain(distances).collect();
            let square = distances.iter().map(|distance| distance * distance).sum::<f64>() / distances.len() as f64;
            prop_assert!((usual(distances).distance - square.sqrt()).abs() < 1e-12);
        }
    }

    #[test]
    fn a_spread_counts_unless_it_is_less_than_a_tenth() {
        let usual = usual([2.0; 5]);
        for (spread, counts) in
            [(0.0, 2.0), (0.199, 2.0), (0.201, 0.201), (7.0, 7.0), (f64::INFINITY, f64::INFINITY)]
        {
            assert!(
                (usual.spread(spread) - counts).abs() < 1e-12 || usual.spread(spread) == counts,
                "{spread}"
            );
        }
        assert_eq!(UsualDistance::default().spread(0.0), 0.0);
    }

    #[test]
    fn a_wrong_value_counts_as_ten_usual_distances() {
        let mut usual = usual([1.0; 99]);
        usual.push(1e300);
        assert!((usual.distance - (0.99_f64 + 1.0).sqrt()).abs() < 1e-12, "{usual:?}");
    }

    #[test]
    fn old_distances_fade() {
        let after = |count: usize| {
            let distances = std::iter::repeat_n(1.0, 20_000).chain(std::iter::repeat_n(0.0, count));
            usual(distances).distance
        };
        assert!((after(10_000) - (-0.5_f64).exp()).abs() < 1e-4, "{}", after(10_000));
    }

    #[test]
    fn distances_of_any_size_are_finite() {
        for size in [5e-324, 1e-300, 1e-15, 1e15, 1e300, f64::MAX] {
            let usual = usual([size; 1000]);
            assert!((usual.distance / size - 1.0).abs() < 1e-9, "{size}: {usual:?}");
        }
        let infinite = usual([f64::INFINITY, f64::NAN, f64::NEG_INFINITY, f64::MAX]);
        assert!(infinite.distance.is_finite() && infinite.distance > 1e307, "{infinite:?}");
    }
}
