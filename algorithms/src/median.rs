//! The median of numbers that need not be in order.

/// The median of at least one number, which is the mean of the two in the middle where their number is even. The
/// numbers are put into another order.
///
/// It takes O(n), on average.
///
/// ```
/// assert_eq!(algorithms::median(&mut [3.0, 1.0, 2.0]), 2.0);
/// assert_eq!(algorithms::median(&mut [1.7e308, 1.5e308]), 1.6e308);
/// ```
///
/// # Panics
///
/// If there are no numbers.
pub fn median(values: &mut [f64]) -> f64 {
    let odd = values.len() % 2 == 1;
    let middle = values.len() / 2;
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    match below.iter().copied().max_by(f64::total_cmp) {
        // Without overflow of the sum.
        Some(lower) if !odd => lower.midpoint(upper),
        _ => upper,
    }
}
