//! The median and other quantiles of a window.

use crate::statistics::extent::Extent;
use crate::statistics::window::Window;

/// The quantiles of a window: of the last numbers of a series, or of those of the last minutes.
///
/// They are exact, but for the rounding of the interpolation between two numbers. While the window holds a NaN, they are
/// NaN. Infinities are ordinary numbers; a quantile between infinities of both signs is NaN.
///
/// A window of n numbers takes 24 n to 48 n bytes. [`Quantiles::push`] takes O(log n) comparisons, and moves up to 8 n bytes of
/// memory: less than a microsecond for n = 1,000, and some ten for 100,000. All quantiles then take constant time, and the
/// median absolute deviation O(log n).
///
/// ```
/// use std::num::NonZeroUsize;
/// use kapacitor_guest::statistics::{Extent, Quantiles};
///
/// let mut window = Quantiles::default();
/// let five = Extent::last(NonZeroUsize::new(5).unwrap());
/// for value in [900.0, 1.0, 2.0, 3.0, 4.0, 100.0] {
///     window.push(0, value, five);
/// }
/// assert_eq!(window.median(), Some(3.0));
/// assert_eq!(window.quantile(0.25), Some(2.0));
/// // Of 2, 1, 0, 1 and 97.
/// assert_eq!(window.median_absolute_deviation(), Some(1.0));
/// ```
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(from = "Window<f64>", into = "Window<f64>"))]
pub struct Quantiles {
    window: Window<f64>,
    /// The numbers of the window but NaN, in order.
    sorted: Vec<f64>,
}

impl Quantiles {
    /// Factor that makes a standard deviation of the median absolute deviation of numbers with a normal distribution: 1
    /// divided by the third quartile of the standard normal distribution.
    pub const SIGMA_PER_MAD: f64 = 1.482_602_218_505_602;

    /// Adds a number, and removes those that `extent` does not reach, which may be another one than before. The time is
    /// in nanoseconds since 1970.
    ///
    /// Returns whether the number was taken; see [`Extent`] for values that come late.
    pub fn push(&mut self, time: i64, value: f64, extent: Extent) -> bool {
        let Self { window, sorted } = self;
        let taken = window.push_and_pass(time, value, extent, |left| remove(sorted, left));
        if taken && !value.is_nan() {
            let (Ok(place) | Err(place)) = self.place(value);
            self.sorted.insert(place, value);
        }
        taken
    }

    /// Removes the numbers that `extent` does not reach from this time, in nanoseconds since 1970, as a push would: for a
    /// point that is to be compared with those before it. A time that is not after that of the newest number changes
    /// nothing.
    pub fn advance(&mut self, time: i64, extent: Extent) {
        let Self { window, sorted } = self;
        window.advance_and_pass(time, extent, |left| remove(sorted, left));
    }

    /// The place of a number in order.
    fn place(&self, value: f64) -> Result<usize, usize> {
        self.sorted.binary_search_by(|other| other.total_cmp(&value))
    }

    /// The median; `None` if the window is empty.
    pub fn median(&self) -> Option<f64> {
        self.quantile(0.5)
    }

    /// The quantile of a share, from 0 for the least number to 1 for the greatest; `None` if the window is empty.
    ///
    /// Between two numbers it is interpolated, as the default of R and NumPy does: definition 7 of R. J. Hyndman and Y.
    /// Fan, *Sample quantiles in statistical packages*, The American Statistician 50, 1996. (Kapacitor's `percentile`
    /// takes one of the numbers instead.) A share outside of 0 to 1 counts as the nearer of the two, and NaN has NaN.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let last = self.window.len().checked_sub(1)?;
        if share.is_nan() || self.has_nan() {
            return Some(f64::NAN);
        }
        let rank = last as f64 * share.clamp(0.0, 1.0);
        let below = rank.floor();
        let low = self.sorted[below as usize];
        let high = self.sorted[last.min(below as usize + 1)];
        Some(between(low, high, rank - below))
    }

    /// The median of the absolute deviations from the median, a measure of dispersion that half of the numbers may be
    /// wrong without harm to; `None` if the window is empty, NaN if the median is not finite.
    ///
    /// Multiplied by [`Quantiles::SIGMA_PER_MAD`], it stands for a standard deviation. Source: F. R. Hampel, *The
    /// influence curve and its role in robust estimation*, Journal of the American Statistical Association 69, 1974.
    pub fn median_absolute_deviation(&self) -> Option<f64> {
        let median = self.median()?;
        if !median.is_finite() {
            return Some(f64::NAN);
        }
        let count = self.sorted.len();
        let split = self.sorted.partition_point(|value| *value < median);
        let (below, above) = self.sorted.split_at(split);
        let nth = |n| nth_deviation(below, above, median, n);
        Some(between(nth((count - 1) / 2), nth(count / 2), 0.5))
    }

    fn has_nan(&self) -> bool {
        self.sorted.len() < self.window.len()
    }

    /// The number of numbers in the window.
    pub fn len(&self) -> usize {
        self.window.len()
    }

    /// Whether the window is empty.
    pub fn is_empty(&self) -> bool {
        self.window.is_empty()
    }

    /// The numbers of the window in order, without NaN.
    pub fn sorted(&self) -> &[f64] {
        &self.sorted
    }

    /// The numbers of the window in the order in which they came, with their times, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, f64)> + ExactSizeIterator {
        self.window.iter().map(|(time, value)| (time, *value))
    }

    /// Removes all numbers.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The quantiles of these numbers.
impl From<Window<f64>> for Quantiles {
    fn from(window: Window<f64>) -> Self {
        let mut sorted: Vec<f64> =
            window.iter().map(|(_, value)| *value).filter(|value| !value.is_nan()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        Self { window, sorted }
    }
}

/// The numbers in the order in which they came.
impl From<Quantiles> for Window<f64> {
    fn from(quantiles: Quantiles) -> Self {
        quantiles.window
    }
}

/// Removes a number from numbers in order.
fn remove(sorted: &mut Vec<f64>, value: f64) {
    if !value.is_nan()
        && let Ok(place) = sorted.binary_search_by(|other| other.total_cmp(&value))
    {
        sorted.remove(place);
    }
}

/// A number between two, without overflow.
fn between(low: f64, high: f64, share: f64) -> f64 {
    if low == high || share == 0.0 {
        return low;
    }
    let difference = high - low;
    if difference.is_finite() { low + share * difference } else { low * (1.0 - share) + high * share }
}

/// The `n`th of the absolute deviations, from 0 on. Those of both halves lie in order, that of `below` from its end, so
/// it is found by bisecting how many of the first n + 1 are from there.
fn nth_deviation(below: &[f64], above: &[f64], median: f64, n: usize) -> f64 {
    let lower = |place: usize| median - below[below.len() - 1 - place];
    let upper = |place: usize| above[place] - median;
    let (mut least, mut most) = ((n + 1).saturating_sub(above.len()), below.len().min(n + 1));
    while least < most {
        let from_below = usize::midpoint(least, most);
        if lower(from_below) < upper(n - from_below) { least = from_below + 1 } else { most = from_below }
    }
    let last_lower = if least > 0 { lower(least - 1) } else { 0.0 };
    let last_upper = if least <= n { upper(n - least) } else { 0.0 };
    last_lower.max(last_upper)
}
