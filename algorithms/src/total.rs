//! Sums that do not drift.

use kapacitor_guest::statistics::Aggregate;

/// The count, the sum and the mean of numbers, which are added one by one or merged; in a
/// [`Sliding`](kapacitor_guest::statistics::Sliding), of those of a window.
///
/// For n numbers, the error of the sum is at most about n² 1e-32 times the sum of their absolute values, and half a
/// unit of the last digit: for a million numbers, less than the rounding of the result alone unless they cancel out.
/// The mean is finite, even if the sum is not. Numbers below 1e-288 are rounded to multiples of 1e-304. The numbers
/// must be finite.
///
/// # Algorithm
///
/// T. Ogita, S. M. Rump and S. Oishi, *Accurate sum and dot product*, SIAM Journal on Scientific Computing 26, 2005,
/// algorithm `Sum2`.
///
/// ```
/// use algorithms::Total;
///
/// let mut total = Total::default();
/// [1e16, 1.0, -1e16, 1.0].into_iter().for_each(|value| total.push(value));
/// assert_eq!((total.count(), total.sum(), total.mean()), (4, 2.0, Some(0.5)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Total {
    count: u64,
    /// The sum multiplied by [`DOWN`], rounded at each addition.
    high: f64,
    /// The sum of the rounding errors.
    low: f64,
}

/// A factor by which numbers are multiplied, so that no sum of them overflows. A power of two, so that it rounds
/// nothing but very small numbers.
const DOWN: f64 = 1.0 / UP;
const UP: f64 = (1_u128 << 64) as f64;

impl Total {
    /// Adds a number.
    #[inline]
    pub fn push(&mut self, value: f64) {
        *self = self.merge(&Self::one(value));
    }

    /// The number of numbers.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The sum, 0 without numbers; infinite if it is beyond [`f64::MAX`].
    pub fn sum(&self) -> f64 {
        (self.high + self.low) * UP
    }

    /// The mean; `None` without numbers.
    pub fn mean(&self) -> Option<f64> {
        let mean = (self.high + self.low) / self.count as f64 * UP;
        // Finite, also where the sum is off by its last digit.
        (self.count > 0).then(|| mean.clamp(f64::MIN, f64::MAX))
    }
}

impl Aggregate for Total {
    #[inline]
    fn one(value: f64) -> Self {
        Self { count: 1, high: value * DOWN, low: 0.0 }
    }

    #[inline]
    fn merge(&self, later: &Self) -> Self {
        // Knuth's TwoSum: `high + error` is the sum of both, exactly.
        let high = self.high + later.high;
        let added = high - self.high;
        let error = (self.high - (high - added)) + (later.high - added);
        Self { count: self.count + later.count, high, low: self.low + later.low + error }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::num::NonZeroUsize;

    use kapacitor_guest::statistics::{Extent, Sliding};

    use super::*;

    /// Ten million numbers of all sizes to 2^53, with exact arithmetic beside them: no sum of a window is off by more
    /// than its last digit.
    #[test]
    fn windows_do_not_drift() {
        let size = NonZeroUsize::new(1000).unwrap();
        let (mut window, mut numbers, mut exact) = (Sliding::<Total>::default(), VecDeque::new(), 0_i128);
        let mut state = 1_u64;
        for time in 0..10_000_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = (state >> 11) as i64 >> (state % 50);
            let number = if state & 1 << 10 == 0 { number } else { -number };
            window.push(time, number as f64, Extent::last(size));
            numbers.push_back(number);
            exact += i128::from(number);
            if numbers.len() > size.get() {
                exact -= i128::from(numbers.pop_front().unwrap());
            }
            let sum = window.aggregate().unwrap().sum();
            assert!(sum == exact as f64, "{sum} instead of {exact} at {time}");
        }
    }

    #[test]
    fn running_sums_do_not_drift() {
        let (mut total, mut exact) = (Total::default(), 0_i128);
        for number in 0..10_000_000_i64 {
            let value = 1_000_000_000_000_000 + number % 1000;
            total.push(value as f64 / 8.0);
            exact += i128::from(value);
        }
        assert_eq!(total.sum(), exact as f64 / 8.0);
        assert_eq!(total.mean(), Some(exact as f64 / 8.0 / 1e7));
    }

    #[test]
    fn means_are_finite_where_sums_are_not() {
        let mut total = Total::default();
        assert_eq!((total.sum(), total.mean()), (0.0, None));
        (0..3).for_each(|_| total.push(f64::MAX));
        assert_eq!((total.sum(), total.mean()), (f64::INFINITY, Some(f64::MAX)));
        (0..3).for_each(|_| total.push(f64::MIN));
        assert_eq!((total.sum(), total.mean()), (0.0, Some(0.0)));
    }
}
