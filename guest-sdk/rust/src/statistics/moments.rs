//! Mean and variance.

use crate::statistics::sliding::Aggregate;

/// Count, mean and variance of numbers, which are added one by one or merged.
///
/// The mean and the variance are as exact as two passes over the numbers would make them: for n numbers, the relative error
/// of the variance is at most about n κ 1.1e-16, where κ² is the mean of the squares divided by the variance. (The
/// formula with the sum of squares has κ², which leaves nothing of a small variance beside a large mean.)
///
/// A NaN, or infinities of both signs, make the mean NaN, and infinities of one sign make it that infinity; the variance
/// is then NaN. A variance above [`f64::MAX`] is infinite: that of deviations above 1e154.
///
/// # Algorithm
///
/// B. P. Welford, *Note on a method for calculating corrected sums of squares and products*, Technometrics 4, 1962, and
/// for merging T. F. Chan, G. H. Golub and R. J. LeVeque, *Algorithms for computing the sample variance: analysis and
/// recommendations*, The American Statistician 37, 1983, which has the error bounds.
///
/// ```
/// use kapacitor_guest::statistics::Moments;
///
/// let mut moments = Moments::default();
/// [1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0].into_iter().for_each(|value| moments.push(value));
/// assert_eq!(moments.mean(), Some(1e9 + 10.0));
/// assert_eq!(moments.sample_variance(), Some(30.0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Moments {
    count: u64,
    mean: f64,
    /// The sum of the squares of the deviations from the mean.
    squares: f64,
}

impl Moments {
    /// Adds a number.
    pub fn push(&mut self, value: f64) {
        self.count += 1;
        let count = self.count as f64;
        let deviation = value - self.mean;
        if self.mean.is_finite() && deviation.is_finite() {
            self.mean += deviation / count;
            self.squares += deviation * (value - self.mean);
        } else {
            let before = Self { count: self.count - 1, ..*self };
            *self = before.merged_with_large(&Self::one(value));
        }
    }

    /// Merges where the difference of the means is not finite.
    #[cold]
    fn merged_with_large(&self, other: &Self) -> Self {
        let count = self.count + other.count;
        let share = |part: &Self| part.count as f64 / count as f64;
        if self.mean.is_finite() && other.mean.is_finite() {
            let mean = self.mean * share(self) + other.mean * share(other);
            Self { count, mean: mean.clamp(f64::MIN, f64::MAX), squares: f64::INFINITY }
        } else {
            let mean = if self.count == 0 { other.mean } else { self.mean + other.mean };
            Self { count, mean, squares: f64::NAN }
        }
    }

    /// The number of numbers.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean; `None` without numbers.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// The variance of the numbers as all there are: the mean of the squares of their deviations. `None` without numbers.
    pub fn population_variance(&self) -> Option<f64> {
        (self.count > 0).then(|| self.squares / self.count as f64)
    }

    /// The variance of what the numbers are a sample of, with n - 1 in the place of n. `None` with fewer than two numbers.
    pub fn sample_variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.squares / (self.count - 1) as f64)
    }

    /// The square root of [`Moments::population_variance`].
    pub fn population_std_dev(&self) -> Option<f64> {
        self.population_variance().map(f64::sqrt)
    }

    /// The square root of [`Moments::sample_variance`].
    pub fn sample_std_dev(&self) -> Option<f64> {
        self.sample_variance().map(f64::sqrt)
    }
}

impl Aggregate for Moments {
    fn one(value: f64) -> Self {
        Self { count: 1, mean: value, squares: if value.is_finite() { 0.0 } else { f64::NAN } }
    }

    fn merge(&self, later: &Self) -> Self {
        if self.count == 0 || later.count == 0 {
            return if self.count == 0 { *later } else { *self };
        }
        let count = self.count + later.count;
        let difference = later.mean - self.mean;
        if !difference.is_finite() {
            return self.merged_with_large(later);
        }
        let (share, before) = (later.count as f64 / count as f64, self.count as f64);
        Self {
            count,
            mean: self.mean + difference * share,
            squares: self.squares + later.squares + difference * (difference * (before * share)),
        }
    }
}
