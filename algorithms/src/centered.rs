//! A series that is shifted and scaled, for algorithms to which neither matters.

/// The series around its median, as multiples of a power of two, so that all numbers are below 2: nothing that is computed
/// of them overflows, and small differences of large numbers are kept.
///
/// The numbers must be finite. Numbers that are equal stay so, and scaling rounds nothing.
///
/// ```
/// assert_eq!(algorithms::centered(&[1e15 + 3.0, 1e15, 1e15 - 2.0]), [1.5, 0.0, -1.0]);
/// assert_eq!(algorithms::centered(&[f64::MAX, f64::MIN, f64::MIN]).iter().filter(|x| **x == 0.0).count(), 2);
/// ```
pub fn centered(series: &[f64]) -> Vec<f64> {
    // Halves have distances that don't overflow.
    let mut halves: Vec<f64> = series.iter().map(|value| value / 2.0).collect();
    if halves.is_empty() {
        return halves;
    }
    let middle = halves.len() / 2;
    // Of most numbers, the median is not far: the distance from a mean would be rounded where a few are far away.
    let median = *halves.select_nth_unstable_by(middle, f64::total_cmp).1;
    let shifted = series.iter().map(|value| value / 2.0 - median);
    let largest = shifted.clone().fold(f64::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    let scale = f64::from_bits(largest.to_bits() & f64::INFINITY.to_bits());
    shifted.map(|value| value / scale).collect()
}
