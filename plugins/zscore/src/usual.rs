//! The mean and the standard deviation of the points before each point.
//!
//! A point that counted to what it is compared with could not be more than (n - 1) / √n standard deviations from the
//! mean of n points (R. E. Shiffler, *Maximum Z scores and outliers*, The American Statistician 42, 1988): no point of
//! ten would ever have a score of 3.

use kapacitor_guest::statistics::{Aggregate, ExponentialMoments, Extent, Moments, Sliding};

/// Which points count, and how much.
#[derive(Clone, Copy, Debug)]
pub enum Weights {
    /// Those of a window, which includes the point itself.
    Window(Extent),
    /// All, by 1 - α less with each point that comes after it.
    Falling { alpha: f64 },
}

/// What is usual for a field. The weights must be the same with each call.
#[derive(Debug, Default)]
pub struct Usual {
    window: Sliding<Preceding>,
    weighted: ExponentialMoments,
    /// Number of points in `weighted`.
    count: u64,
}

impl Usual {
    /// Adds a value. Returns the mean and the standard deviation of those before it, if there were at least `warmup` of
    /// them, which must be at least 2.
    ///
    /// In a window it is the standard deviation of a sample, with n - 1 in the denominator. With falling weights it is
    /// the weighted mean of the squares of the deviations. A value that is older than the window has none.
    pub fn push(&mut self, time: i64, value: f64, weights: Weights, warmup: u64) -> Option<(f64, f64)> {
        match weights {
            Weights::Window(extent) => {
                if !self.window.push(time, value, extent) {
                    return None;
                }
                let before = self.window.aggregate()?.before;
                if before.count() < warmup {
                    return None;
                }
                before.mean().zip(before.sample_std_dev())
            }
            Weights::Falling { alpha } => {
                let before = self.weighted.mean().zip(self.weighted.std_dev());
                let is_warm = self.count >= warmup;
                self.weighted.push(value, alpha);
                self.count += 1;
                before.filter(|_| is_warm)
            }
        }
    }
}

/// The moments of all numbers but the newest.
///
/// The newest one is in the window so that its time decides which ones have left: after an hour of silence, what came
/// before it is not in the last five minutes any more.
#[derive(Clone, Debug)]
struct Preceding {
    before: Moments,
    newest: f64,
}

impl Aggregate for Preceding {
    fn one(value: f64) -> Self {
        Self { before: Moments::default(), newest: value }
    }

    fn merge(&self, later: &Self) -> Self {
        let mut all = self.before;
        all.push(self.newest);
        Self { before: all.merge(&later.before), newest: later.newest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::num::NonZeroUsize;
    use std::time::Duration;

    fn last(count: usize) -> Weights {
        Weights::Window(Extent::last(NonZeroUsize::new(count + 1).unwrap()))
    }

    /// Mean and sample standard deviation in two passes.
    fn two_passes(values: &[f64]) -> (f64, f64) {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (mean, (squares / (count - 1.0)).sqrt())
    }

    proptest! {
        #[test]
        fn windows_have_the_points_before(
            steps in proptest::collection::vec((0_i64..4, -100.0..100.0), 1..60),
            size in 2_usize..8,
            span in 1_i64..12,
        ) {
            let extent = Extent::within(Duration::from_nanos(span as u64));
            let extent = extent.at_most(NonZeroUsize::new(size + 1).unwrap());
            let (mut usual, mut time, mut points) = (Usual::default(), 0, Vec::new());
            for (step, value) in steps {
                time += step;
                let found = usual.push(time, value, Weights::Window(extent), 2);
                let within = points.iter().filter(|(other, _)| time - other < span);
                let before: Vec<f64> = within.rev().take(size).map(|(_, value)| *value).collect();
                let expected = (before.len() > 1).then(|| two_passes(&before));
                prop_assert_eq!(found.is_some(), expected.is_some());
                if let Some(((mean, std_dev), expected)) = found.zip(expected) {
                    prop_assert!((mean - expected.0).abs() < 1e-11);
                    prop_assert!((std_dev - expected.1).abs() < 1e-9, "{} {}", std_dev, expected.1);
                }
                points.push((time, value));
            }
        }

        #[test]
        fn falling_weights_are_those_of_the_definition(
            values in proptest::collection::vec(-100.0..100.0, 2..30),
            alpha in 0.01..1.0,
        ) {
            let mut usual = Usual::default();
            for (count, value) in values.iter().enumerate() {
                let found = usual.push(0, *value, Weights::Falling { alpha }, 2);
                prop_assert_eq!(found.is_some(), count >= 2);
                let Some((mean, std_dev)) = found else { continue };
                // The first has the weight that all before it would have had.
                let age = |place: usize| (count - 1 - place) as i32;
                let factor = |place| if place == 0 { 1.0 } else { alpha };
                let weight = |place| factor(place) * (1.0 - alpha).powi(age(place));
                let sum = |of: &dyn Fn(f64) -> f64| -> f64 {
                    (0..count).map(|place| weight(place) * of(values[place])).sum()
                };
                let expected = sum(&|value| value);
                prop_assert!((mean - expected).abs() < 1e-10);
                prop_assert!((std_dev.powi(2) - sum(&|value| (value - expected).powi(2))).abs() < 1e-9);
            }
        }
    }

    /// Ten million points at 1e15 with a noise of some units, against exact sums.
    #[test]
    fn nothing_drifts() {
        const SIZE: usize = 50;
        const LEVEL: i64 = 1_000_000_000_000_000;
        let mut usual = Usual::default();
        let mut ring = [0_i64; SIZE];
        let (mut sum, mut squares, mut seed) = (0_i64, 0_i64, 1_u64);
        for number in 0..10_000_000_usize {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let noise = (seed >> 58) as i64;
            let before = usual.push(0, (LEVEL + noise) as f64, last(SIZE), SIZE as u64);
            if number % 1000 == 999 {
                let (mean, std_dev) = before.unwrap();
                let expected_mean = LEVEL as f64 + sum as f64 / SIZE as f64;
                let deviations = (SIZE as i64 * squares - sum * sum) as f64;
                let expected = (deviations / (SIZE * (SIZE - 1)) as f64).sqrt();
                // Neighbouring numbers differ by an eighth there, and each of the merges rounds.
                assert!((mean - expected_mean).abs() < 1.0, "{number}: {mean} {expected_mean}");
                assert!((std_dev / expected - 1.0).abs() < 0.01, "{number}: {std_dev} {expected}");
            }
            let left = std::mem::replace(&mut ring[number % SIZE], noise);
            (sum, squares) = (sum + noise - left, squares + noise * noise - left * left);
        }
    }
}
