//! The largest distance between two empirical distribution functions.
//!
//! N. V. Smirnov, *On the estimation of the discrepancy between empirical curves of distribution for two independent
//! samples*, Bulletin of Moscow University 2, 1939.

/// The largest distance `D = max |F(x) - G(x)|` between the distribution functions of two sorted samples, multiplied
/// by the sizes of both: an integer, so that no rounding decides whether two distances are equal.
///
/// One pass over both takes O(n + m).
pub fn distance(a: &[f64], b: &[f64]) -> u64 {
    let (mut in_a, mut in_b, mut largest) = (0, 0, 0);
    while let (Some(x), Some(y)) = (a.get(in_a), b.get(in_b)) {
        let x = x.min(*y);
        // Behind all values that are equal.
        in_a += a[in_a..].iter().take_while(|value| **value <= x).count();
        in_b += b[in_b..].iter().take_while(|value| **value <= x).count();
        largest = largest.max((in_a as u64 * b.len() as u64).abs_diff(in_b as u64 * a.len() as u64));
    }
    largest
}
