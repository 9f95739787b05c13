//! The two sums of a tabular CUSUM.

use algorithms::MAX_SCORE;
use serde::{Deserialize, Serialize};

/// The cumulated sums of deviations in both directions.
///
/// With deviations `z` in standard deviations and a drift `k` that is allowed for:
///
/// ```text
/// upper = max(0, upper + z - k)
/// lower = max(0, lower - z - k)
/// ```
///
/// Sources: E. S. Page, *Continuous inspection schemes*, Biometrika 41, 1954; in this form D. C. Montgomery,
/// *Introduction to statistical quality control*, chapter 9.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// How far the values have been above the target, from 0 to [`MAX_SCORE`].
    pub upper: f64,
    /// The same for below.
    pub lower: f64,
}

impl Sums {
    /// Adds a deviation, which must be finite.
    pub fn push(&mut self, deviation: f64, drift: f64) {
        self.upper = (self.upper + (deviation - drift)).clamp(0.0, MAX_SCORE);
        self.lower = (self.lower + (-deviation - drift)).clamp(0.0, MAX_SCORE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The table of Montgomery's example: a target of 10, a standard deviation of 1, and a drift of 0.5.
    #[test]
    fn the_published_example() {
        let observations = [
            9.45, 7.99, 9.29, 11.66, 12.16, 10.18, 8.04, 11.46, 9.20, 10.34, 9.03, 11.47, 10.51, 9.40, 10.08,
            9.37, 10.62, 10.31, 8.52, 10.84, 10.90, 9.33, 12.29, 11.50, 10.60, 11.08, 10.38, 11.62, 11.31,
            10.52,
        ];
        let upper = [
            0.0, 0.0, 0.0, 1.16, 2.82, 2.50, 0.04, 1.00, 0.0, 0.0, 0.0, 0.97, 0.98, 0.0, 0.0, 0.0, 0.12, 0.0,
            0.0, 0.34, 0.74, 0.0, 1.79, 2.79, 2.89, 3.47, 3.35, 4.47, 5.28, 5.30,
        ];
        let lower = [
            0.05, 1.56, 1.77, 0.0, 0.0, 0.0, 1.46, 0.0, 0.30, 0.0, 0.47, 0.0, 0.0, 0.10, 0.0, 0.13, 0.0, 0.0,
            0.98, 0.0, 0.0, 0.17, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
        ];
        let mut sums = Sums::default();
        for (place, value) in observations.into_iter().enumerate() {
            sums.push(value - 10.0, 0.5);
            assert!((sums.upper - upper[place]).abs() < 1e-9, "{place}: {sums:?}");
            assert!((sums.lower - lower[place]).abs() < 1e-9, "{place}: {sums:?}");
        }
    }

    proptest! {
        /// A sum is the largest one of deviations that end with the newest one, without the recursion.
        #[test]
        fn sums_are_those_of_the_worst_period(
            deviations in proptest::collection::vec(-5.0..5.0, 1..60),
            drift in 0.0..2.0,
        ) {
            let mut sums = Sums::default();
            for end in 1..=deviations.len() {
                sums.push(deviations[end - 1], drift);
                let worst = |sign: f64| {
                    let period = |begin: usize| -> f64 {
                        deviations[begin..end].iter().map(|deviation| sign * deviation - drift).sum()
                    };
                    (0..end).map(period).fold(0.0, f64::max)
                };
                prop_assert!((sums.upper - worst(1.0)).abs() < 1e-11);
                prop_assert!((sums.lower - worst(-1.0)).abs() < 1e-11);
            }
        }
    }

    /// Ten million deviations in tenths, against integers: around the target, then above it so that the sum grows.
    #[test]
    fn nothing_drifts() {
        let (mut sums, mut exact, mut seed) = (Sums::default(), (0_i64, 0_i64), 1_u64);
        for number in 0..10_000_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let shift = if number < 5_000_000 { 0 } else { 6 };
            let tenths = (seed >> 33) as i64 % 31 - 15 + shift;
            sums.push(tenths as f64 / 10.0, 0.5);
            exact = ((exact.0 + tenths - 5).max(0), (exact.1 - tenths - 5).max(0));
            let allowed = if shift == 0 { 1e-12 } else { 1e-4 };
            assert!((sums.upper - exact.0 as f64 / 10.0).abs() < allowed, "{number}: {sums:?} {exact:?}");
            assert!((sums.lower - exact.1 as f64 / 10.0).abs() < 1e-12, "{number}: {sums:?} {exact:?}");
        }
        assert!(sums.upper > 400_000.0);
    }
}
