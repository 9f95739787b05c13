//! Standard deviations of large numbers with small differences.

use kapacitor_guest::statistics::Aggregate;

/// The count and the variance of numbers, which are added one by one or merged; in a
/// [`Sliding`](kapacitor_guest::statistics::Sliding), of those of a window.
///
/// Unlike that of [`Moments`](kapacitor_guest::statistics::Moments), the error of the variance does not grow with the
/// mean: for n numbers, it is about n 1e-16 of the variance, also of numbers near 1e15 that differ by 1. A variance
/// beyond [`f64::MAX`], of deviations above 1e154, is not finite. The numbers must be finite.
///
/// # Algorithm
///
/// T. F. Chan, G. H. Golub and R. J. LeVeque, *Algorithms for computing the sample variance: analysis and
/// recommendations*, The American Statistician 37, 1983, formula 2.1. The mean has twice the digits: the second half
/// has the errors of the additions, by D. E. Knuth's `TwoSum`.
///
/// ```
/// use algorithms::Deviations;
///
/// let mut deviations = Deviations::default();
/// [1e15 + 4.0, 1e15 + 7.0, 1e15 + 13.0, 1e15 + 16.0].into_iter().for_each(|value| deviations.push(value));
/// assert_eq!(deviations.sample_variance(), Some(30.0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Deviations {
    count: u64,
    /// The mean, rounded.
    high: f64,
    /// What was lost of the mean.
    low: f64,
    /// The sum of the squares of the deviations from the mean.
    squares: f64,
}

impl Deviations {
    /// Adds a number.
    pub fn push(&mut self, value: f64) {
        *self = self.merge(&Self::one(value));
    }

    /// The variance of what the numbers are a sample of, with n - 1 in the place of n. `None` with fewer than two
    /// numbers.
    pub fn sample_variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.squares / (self.count - 1) as f64)
    }

    /// The square root of [`Deviations::sample_variance`].
    pub fn sample_std_dev(&self) -> Option<f64> {
        self.sample_variance().map(f64::sqrt)
    }
}

impl Aggregate for Deviations {
    fn one(value: f64) -> Self {
        Self { count: 1, high: value, low: 0.0, squares: 0.0 }
    }

    fn merge(&self, later: &Self) -> Self {
        if self.count == 0 {
            return *later;
        }
        let count = self.count + later.count;
        let share = later.count as f64 / count as f64;
        let difference = (later.high - self.high) + (later.low - self.low);
        let step = difference * share + self.low;
        // `high + low` is `self.high + step`, exactly.
        let high = self.high + step;
        let added = high - self.high;
        let low = (self.high - (high - added)) + (step - added);
        let between = difference * (difference * (self.count as f64 * share));
        Self { count, high, low, squares: self.squares + later.squares + between }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::num::NonZeroUsize;

    use kapacitor_guest::statistics::{Extent, Sliding};

    use super::*;

    /// The sums of numbers and of their squares, which are exact.
    #[derive(Default)]
    struct Exact {
        count: i128,
        sum: i128,
        squares: i128,
    }

    impl Exact {
        fn add(&mut self, number: i64, sign: i128) {
            self.count += sign;
            self.sum += sign * i128::from(number);
            self.squares += sign * i128::from(number).pow(2);
        }

        fn sample_variance(&self) -> f64 {
            (self.count * self.squares - self.sum.pow(2)) as f64 / (self.count * (self.count - 1)) as f64
        }
    }

    /// Ten million ints near 10^15, which differ by up to 1000 and drift away.
    fn numbers() -> impl Iterator<Item = (i64, f64)> {
        let mut state = 1_u64;
        (0..10_000_000_i64).map(move |number| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = (state >> 54) as i64 + number / 1000;
            (number, (1_000_000_000_000_000 + number) as f64)
        })
    }

    #[test]
    fn windows_do_not_drift() {
        let size = NonZeroUsize::new(100).unwrap();
        let (mut window, mut inside, mut exact) =
            (Sliding::<Deviations>::default(), VecDeque::new(), Exact::default());
        for (number, value) in numbers() {
            window.push(0, value, Extent::last(size));
            inside.push_back(number);
            exact.add(number, 1);
            if inside.len() > size.get() {
                exact.add(inside.pop_front().unwrap(), -1);
            }
            // Each of them would take seconds.
            if number % 5 == 0
                && let Some(variance) = window.aggregate().unwrap().sample_variance()
            {
                let expected = exact.sample_variance();
                assert!((variance - expected).abs() <= 1e-14 * expected, "{variance} instead of {expected}");
            }
        }
    }

    #[test]
    fn running_variances_do_not_drift() {
        let (mut deviations, mut exact) = (Deviations::default(), Exact::default());
        for (number, value) in numbers() {
            deviations.push(value);
            exact.add(number, 1);
        }
        let (variance, expected) = (deviations.sample_variance().unwrap(), exact.sample_variance());
        assert!((variance / expected - 1.0).abs() <= 1e-12, "{variance} instead of {expected}");
    }

    #[test]
    fn small_numbers_have_a_variance() {
        let mut deviations = Deviations::default();
        assert_eq!(deviations.sample_variance(), None);
        deviations.push(1e-15);
        assert_eq!(deviations.sample_variance(), None);
        deviations.push(3e-15);
        assert!((deviations.sample_std_dev().unwrap() / 2_f64.sqrt() / 1e-15 - 1.0).abs() < 1e-15);
    }

    #[test]
    fn constant_has_no_variance() {
        let mut deviations = Deviations::default();
        (0..1000).for_each(|_| deviations.push(0.1));
        assert_eq!(deviations.sample_variance(), Some(0.0));
    }

    #[test]
    fn variance_beyond_the_largest_number_is_not_finite() {
        for numbers in [[f64::MAX, f64::MIN], [1e200, -1e200]] {
            let mut deviations = Deviations::default();
            numbers.into_iter().for_each(|value| deviations.push(value));
            assert!(!deviations.sample_std_dev().unwrap().is_finite());
        }
    }
}
