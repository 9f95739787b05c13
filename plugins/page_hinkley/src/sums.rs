//! The sums of the test of Page and Hinkley.

use algorithms::{Direction, deviations};
use kapacitor_guest::statistics::Moments;
use serde::{Deserialize, Serialize};

/// The largest sum, so that the difference of two is finite.
const LARGEST: f64 = f64::MAX / 4.0;

/// What the test compares with what.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Number of values before there is a result.
    pub min_instances: u64,
    /// The deviation that is allowed for.
    pub delta: f64,
    /// What the sums are multiplied by with each value.
    pub alpha: f64,
    /// Whether deviations are divided by the standard deviation of all values so far.
    pub standardized: bool,
    /// Whether it looks for larger values.
    pub up: bool,
    /// Whether it looks for smaller values.
    pub down: bool,
}

/// The sums that tell whether the mean of a series has changed.
///
/// Each value is compared with the mean of all values so far, itself included. The sums of the deviations are compared
/// with their extremes:
///
/// ```text
/// rise = alpha * rise + (x - mean) - delta      up   = rise - least rise so far
/// fall = alpha * fall + (x - mean) + delta      down = greatest fall so far - fall
/// ```
///
/// Sources: E. S. Page, *Continuous inspection schemes*, Biometrika 41, 1954; D. V. Hinkley, *Inference about the
/// change-point from cumulative sum tests*, Biometrika 58, 1971; with `alpha` as in `drift.PageHinkley` of river.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sums {
    /// The first value. Others are known by their distance from it, so that a large level has no rounding errors.
    first: f64,
    distances: Moments,
    rise: f64,
    fall: f64,
    /// The least `rise`.
    least: f64,
    /// The greatest `fall`.
    greatest: f64,
}

impl Sums {
    /// Adds a finite value. Returns the larger of the sides that are looked at, and which one it is; `None` before
    /// there are enough values.
    pub fn push(&mut self, value: f64, settings: Settings) -> Option<(f64, Direction)> {
        let is_first = self.distances.count() == 0;
        if is_first {
            self.first = value;
        }
        let distance = (value - self.first).clamp(f64::MIN, f64::MAX);
        self.distances.push(distance);
        let mut deviation = distance - self.distances.mean()?;
        if settings.standardized {
            deviation = deviations(deviation, self.distances.population_std_dev()?);
        }
        let add = |sum: f64, step: f64| (settings.alpha * sum + step).clamp(-LARGEST, LARGEST);
        self.rise = add(self.rise, deviation - settings.delta);
        self.fall = add(self.fall, deviation + settings.delta);
        self.least = if is_first { self.rise } else { self.least.min(self.rise) };
        self.greatest = if is_first { self.fall } else { self.greatest.max(self.fall) };
        if self.distances.count() < settings.min_instances {
            return None;
        }
        let (up, down) = (self.rise - self.least, self.greatest - self.fall);
        if settings.up && !(settings.down && down > up) {
            Some((up, Direction::Up))
        } else {
            Some((down, Direction::Down))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOTH: Settings =
        Settings { min_instances: 1, delta: 0.25, alpha: 0.99, standardized: false, up: true, down: true };

    proptest! {
        /// The sums by their definition as weighted sums, without the recursion.
        #[test]
        fn sums_are_those_of_the_definition(
            values in proptest::collection::vec(-100.0..100.0, 1..40),
            delta in 0.0..2.0,
            alpha in prop_oneof![Just(1.0), 0.5..1.0],
        ) {
            let mean = |count: usize| values[..count].iter().sum::<f64>() / count as f64;
            let sum = |count: usize, allowed: f64| -> f64 {
                let weight = |place: usize| f64::powi(alpha, (count - 1 - place) as i32);
                let deviation = |place: usize| values[place] - mean(place + 1) + allowed;
                (0..count).map(|place| weight(place) * deviation(place)).sum()
            };
            let mut sums = Sums::default();
            for count in 1..=values.len() {
                let settings = Settings { delta, alpha, ..BOTH };
                let (found, direction) = sums.push(values[count - 1], settings).unwrap();
                let least = (1..=count).map(|count| sum(count, -delta)).fold(f64::INFINITY, f64::min);
                let greatest = (1..=count).map(|count| sum(count, delta)).fold(f64::NEG_INFINITY, f64::max);
                let (up, down) = (sum(count, -delta) - least, greatest - sum(count, delta));
                prop_assert!((found - up.max(down)).abs() < 1e-9, "{} {} {}", found, up, down);
                let expected = if down > up { Direction::Down } else { Direction::Up };
                prop_assert!(direction == expected || (up - down).abs() < 1e-9);
            }
        }

        #[test]
        fn the_two_directions_mirror_each_other(values in proptest::collection::vec(-100.0..100.0, 1..40)) {
            let (mut sums, mut mirrored) = (Sums::default(), Sums::default());
            for value in values {
                let up = sums.push(value, Settings { down: false, ..BOTH });
                let down = mirrored.push(-value, Settings { up: false, ..BOTH });
                prop_assert_eq!(up.map(|(sum, _)| sum), down.map(|(sum, _)| sum));
            }
        }
    }

    #[test]
    fn sums_of_extreme_values_are_finite() {
        for alpha in [1.0, 0.5] {
            let mut sums = Sums::default();
            for value in [f64::MAX, f64::MIN, 0.0, f64::MIN, f64::MAX, f64::MAX, 5e-324, 1.0].repeat(9) {
                let (found, _) = sums.push(value, Settings { alpha, ..BOTH }).unwrap();
                assert!(found.is_finite() && found >= 0.0, "{found}");
            }
        }
    }

    /// Ten million values, with means from exact sums, and their deviations in a sum whose rounding errors are kept.
    #[test]
    fn nothing_drifts() {
        let settings = Settings { delta: 0.0, alpha: 1.0, down: false, ..BOTH };
        let (mut sums, mut seed, mut exact) = (Sums::default(), 1_u64, 0_i64);
        let (mut sum, mut error, mut least) = (0.0_f64, 0.0_f64, f64::INFINITY);
        for count in 1..=10_000_000_i64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = 1_000_000 + (seed >> 33) as i64 % 100;
            exact += value;
            // The distance from the mean as a fraction of integers.
            let step = (value * count - exact) as f64 / count as f64;
            let next = sum + step;
            error += if sum.abs() >= step.abs() { (sum - next) + step } else { (step - next) + sum };
            sum = next;
            least = least.min(sum + error);
            let (found, _) = sums.push(value as f64, settings).unwrap();
            let expected = sum + error - least;
            assert!((found - expected).abs() < 1e-5, "{count}: {found} {expected}");
        }
    }
}
