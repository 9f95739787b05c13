//! Grubbs' statistic: the largest deviation from the mean, in standard deviations.

use algorithms::Side;
use kapacitor_guest::statistics::Moments;

/// The value that is furthest from the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Furthest {
    /// Its place among the values.
    pub place: usize,
    /// Its distance from the mean in standard deviations, those of a sample: `G = max |x - mean| / s`.
    pub score: f64,
    /// The number of values, without NaN.
    pub count: usize,
}

/// The value that is furthest from the mean to a side, and the first of equal ones. NaN is no value, and there must
/// be no infinite ones. `None` if all values are the same, or there is none.
pub fn furthest(values: &[f64], side: Side) -> Option<Furthest> {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if least >= greatest {
        return None;
    }
    // The score does not change with origin and unit. Values from 0 to 1 have squares that are neither too large nor
    // too small, and lose no digits to a large mean. A range that is too large is that of the halves.
    let half = if (greatest - least).is_finite() { 1.0 } else { 0.5 };
    let (origin, unit) = (least * half, greatest * half - least * half);
    let share = |value: f64| (value * half - origin) / unit;
    let mut moments = Moments::default();
    values.iter().filter(|value| !value.is_nan()).for_each(|value| moments.push(share(*value)));
    let (mean, sigma) = (moments.mean()?, moments.sample_std_dev()?);
    // Only the least and the greatest value can be the furthest.
    let (low, high) = (side.distance(-mean), side.distance(1.0 - mean));
    let is_furthest = |value: &f64| {
        let extreme = if *value == least { low } else { high };
        (*value == least || *value == greatest) && extreme >= low.max(high)
    };
    Some(Furthest {
        place: values.iter().position(is_furthest)?,
        score: low.max(high) / sigma,
        count: moments.count() as usize,
    })
}
