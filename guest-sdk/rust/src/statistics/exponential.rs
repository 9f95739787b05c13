//! Exponentially weighted mean and variance.

use std::time::Duration;

/// Mean and variance of a series in which older numbers count less: an exponentially weighted moving average, EWMA.
///
/// The weight of a number is multiplied by 1 - α with each one that comes after it. The first number is the first mean.
/// Numbers that are NaN or infinite are left out, because nothing ever leaves. The rounding error of the mean is at
/// most about 3e-16 / α of the largest absolute value so far; a variance above [`f64::MAX`] counts as that.
///
/// # Algorithm
///
/// S. W. Roberts, *Control chart tests based on geometric moving averages*, Technometrics 1, 1959; for the variance T.
/// Finch, *Incremental calculation of weighted mean and variance*, University of Cambridge, 2009.
///
/// ```
/// use kapacitor_guest::statistics::ExponentialMoments;
///
/// let mut moments = ExponentialMoments::default();
/// assert_eq!([8.0, 16.0, 16.0].map(|value| moments.push(value, 0.5)), [Some(8.0), Some(12.0), Some(14.0)]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ExponentialMoments {
    /// Time of the newest number, if it came with one.
    time: i64,
    /// The mean; `None` before the first number.
    mean: Option<f64>,
    variance: f64,
}

impl ExponentialMoments {
    /// Adds a number with the weight `alpha`, from 0 for nothing to 1 for a mean that is the newest number; returns the
    /// mean. A weight outside of that counts as the nearer of the two, and NaN as 0.
    pub fn push(&mut self, value: f64, alpha: f64) -> Option<f64> {
        let alpha = if alpha.is_nan() { 0.0 } else { alpha.clamp(0.0, 1.0) };
        if !value.is_finite() {
            return self.mean;
        }
        let Some(mean) = self.mean else {
            self.mean = Some(value);
            return self.mean;
        };
        let difference = value - mean;
        if difference.is_finite() {
            let step = alpha * difference;
            self.mean = Some(mean + step);
            self.variance = ((1.0 - alpha) * (self.variance + difference * step)).min(f64::MAX);
        } else {
            self.mean = Some((1.0 - alpha) * mean + alpha * value);
            self.variance = f64::MAX;
        }
        self.mean
    }

    /// Adds a number of a series with irregular times, whose weights fall to half within `half_life`; returns the mean.
    ///
    /// The time is in nanoseconds since 1970. α is 1 - 2^(-t/h) for a number that comes t after the one before, so that
    /// it has the weight of a value that was there all the time since: A. Eckner, *Algorithms for unevenly spaced time
    /// series: moving averages and other rolling operators*, 2019, `EMA_next`. A number whose time is not after that of
    /// the newest one has no weight, and a time in the future makes those that follow have none until then.
    pub fn push_at(&mut self, time: i64, value: f64, half_life: Duration) -> Option<f64> {
        if !value.is_finite() || self.mean.is_some() && time <= self.time {
            return self.mean;
        }
        let passed = time.saturating_sub(self.time) as f64 / half_life.as_nanos() as f64;
        self.time = time;
        // Exact for small times, where the power is near 1.
        self.push(value, -f64::exp_m1(-passed * std::f64::consts::LN_2))
    }

    /// The mean; `None` before the first number.
    pub fn mean(&self) -> Option<f64> {
        self.mean
    }

    /// The weighted mean of the squares of the deviations, 0 of one number; `None` before the first number.
    pub fn variance(&self) -> Option<f64> {
        self.mean.map(|_| self.variance)
    }

    /// The square root of the variance.
    pub fn std_dev(&self) -> Option<f64> {
        self.variance().map(f64::sqrt)
    }
}
