//! Sums of times and values, and the line of the least squares through them.
//!
//! With the means x̄ and ȳ of n points, the sums of squares and products of the deviations make the line
//!
//! ```text
//! y = ȳ + b (x - x̄),  b = Sxy / Sxx,  s² = (Syy - b Sxy) / (n - 2)
//! ```
//!
//! whose new point at x has the standard error s √(1 + 1 / n + (x - x̄)² / Sxx).
//!
//! Two sets of points are merged as T. F. Chan, G. H. Golub and R. J. `LeVeque` do it for variances: *Algorithms for
//! computing the sample variance*, The American Statistician 37, 1983. All times and values are differences from those of
//! one of the points. So the times lose nothing, which have 61 bits, and neither do small changes of large values.

/// Nanoseconds of a second.
const SECOND: f64 = 1e9;

/// The sums of at least one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sums {
    /// Time and value of the first point: the origin of the means.
    time: i64,
    value: f64,
    count: f64,
    /// Seconds and value from the origin to the means.
    mean_time: f64,
    mean_value: f64,
    /// Sums of the squares and products of the deviations from the means.
    times: f64,
    products: f64,
    values: f64,
}

impl Sums {
    /// Those of one point, with its time in nanoseconds since 1970.
    pub fn one(time: i64, value: f64) -> Self {
        let (mean_time, mean_value) = (0.0, 0.0);
        Self { time, value, count: 1.0, mean_time, mean_value, times: 0.0, products: 0.0, values: 0.0 }
    }

    /// Those of both.
    #[must_use]
    pub fn merge(&self, other: &Self) -> Self {
        let count = self.count + other.count;
        let share = other.count / count;
        let times = seconds(self.time, other.time) + (other.mean_time - self.mean_time);
        let values = (other.value - self.value) + (other.mean_value - self.mean_value);
        let weight = self.count * share;
        Self {
            time: self.time,
            value: self.value,
            count,
            mean_time: self.mean_time + share * times,
            mean_value: self.mean_value + share * values,
            times: self.times + other.times + weight * times * times,
            products: self.products + other.products + weight * times * values,
            values: self.values + other.values + weight * values * values,
        }
    }

    /// The line; `None` of points that have the same time, or whose sums are beyond `f64`.
    pub fn line(&self) -> Option<Line> {
        let slope = self.products / self.times;
        let is_line = self.times > 0.0 && slope.is_finite();
        is_line.then_some(Line { sums: *self, slope })
    }
}

/// The seconds from a time to another one.
fn seconds(from: i64, to: i64) -> f64 {
    // Times that are not of this world could differ by more.
    to.checked_sub(from).map_or_else(|| to as f64 - from as f64, |passed| passed as f64) / SECOND
}

/// The line of the least squares.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    sums: Sums,
    slope: f64,
}

impl Line {
    /// The change of the value in a second.
    pub fn slope(&self) -> f64 {
        self.slope
    }

    /// The value a number of seconds after a time.
    pub fn at(&self, time: i64, after: f64) -> f64 {
        let since_mean = self.since_mean(time) + after;
        self.sums.value + (self.sums.mean_value + self.slope * since_mean)
    }

    /// The seconds from the mean of the times to this one.
    fn since_mean(&self, time: i64) -> f64 {
        seconds(self.sums.time, time) - self.sums.mean_time
    }

    /// The standard error of a new value, a number of seconds after a time; `None` with fewer than three points, or if the
    /// sums are beyond `f64`.
    pub fn error_at(&self, time: i64, after: f64) -> Option<f64> {
        let Sums { count, times, products, values, .. } = self.sums;
        let residuals = values - self.slope * products;
        if count < 3.0 || !residuals.is_finite() {
            return None;
        }
        // A rounding error may make it less than nothing.
        let residual = residuals.max(0.0) / (count - 2.0);
        let since_mean = self.since_mean(time) + after;
        Some((residual * (1.0 + 1.0 / count + since_mean * since_mean / times)).sqrt())
    }

    /// The seconds from a time until the line is at `limit`; 0 if it has crossed it within `since` seconds before, and
    /// `None` if it did so earlier, or never does.
    pub fn seconds_to(&self, limit: f64, time: i64, since: f64) -> Option<f64> {
        let missing = limit - self.at(time, 0.0);
        let seconds = if missing == 0.0 { 0.0 } else { missing / self.slope };
        // The oldest point is after this time if a clock was put back.
        (seconds.is_finite() && seconds >= -since.max(0.0)).then_some(seconds.max(0.0))
    }
}
