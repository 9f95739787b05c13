//! The probability of a distance between the distribution functions of two samples from the same distribution.

use std::f64::consts::{PI, SQRT_2};

/// The largest product of the sizes of two samples for which the probability is exact: its time is proportional to
/// that.
pub const MOST_EXACT: usize = 1_000_000;

/// The probability that two samples of these sizes from one continuous distribution have this distance at least, which
/// comes multiplied by both sizes. It is exact if the product of the sizes is [`MOST_EXACT`] at most, and that of the
/// limit for large samples otherwise.
pub fn of(distance: u64, n: usize, m: usize) -> f64 {
    if n.saturating_mul(m) <= MOST_EXACT {
        return exact(distance, n, m);
    }
    let (n, m) = (n as f64, m as f64);
    kolmogorov_above(distance as f64 / (n * m * (n + m)).sqrt())
}

/// The exact probability.
///
/// The values of both samples, in order, are a path from (0, 0) to (n, m), and all paths are equally likely. The
/// probability that the one to (i, j) has come out of the band |i m - j n| < distance is 1 outside of the band, and
/// inside it i / (i + j) times that at (i - 1, j) and j / (i + j) times that at (i, j - 1). All terms are positive,
/// so that also a small probability has all its digits.
///
/// The idea of counting paths: J. L. Hodges, *The significance probability of the Smirnov two-sample test*, Arkiv för
/// Matematik 3, 1958. To go by probabilities that are outside: T. Viehmann, *Numerically more stable computation of the
/// p-values for the two-sample Kolmogorov-Smirnov test*, arXiv:2102.08037, 2021.
pub fn exact(distance: u64, n: usize, m: usize) -> f64 {
    // The longer side is within a row, where the band is wide.
    let (rows, columns) = (n.min(m), n.max(m));
    let is_outside =
        |i: usize, j: usize| (i as u64 * columns as u64).abs_diff(j as u64 * rows as u64) >= distance;
    if is_outside(0, 0) {
        return 1.0;
    }
    // The probabilities at (i, j) for all j; outside of the band they are 1.
    let mut row = vec![1.0; columns + 1];
    // The first column of the row that is not left of the band.
    let mut first = 0;
    for i in 0..=rows {
        while first <= columns && is_outside(i, first) && first * rows < i * columns {
            row[first] = 1.0;
            first += 1;
        }
        for j in (first..=columns).take_while(|j| !is_outside(i, *j)) {
            let (up, left) = (i as f64, j as f64);
            let before = if j > 0 { row[j - 1] } else { 0.0 };
            row[j] = if i + j == 0 { 0.0 } else { (up * row[j] + left * before) / (up + left) };
        }
    }
    row[columns]
}

/// The probability that a variable with Kolmogorov's distribution is greater than `x`: the limit of the distance
/// times √(n m / (n + m)).
///
/// A. N. Kolmogorov, *Sulla determinazione empirica di una legge di distribuzione*, Giornale dell'Istituto Italiano
/// degli Attuari 4, 1933. Below 1 by the series that follows from it by Jacobi's transformation of theta functions,
/// which converges faster there.
pub fn kolmogorov_above(x: f64) -> f64 {
    if x >= 1.0 {
        let term = |k: i32| (-2.0 * (f64::from(k) * x).powi(2)).exp();
        return 2.0 * (term(1) - term(2) + term(3) - term(4));
    }
    if x < 0.04 {
        // The sum below is less than 1e-300.
        return 1.0;
    }
    let term = |k: i32| (-(f64::from(2 * k - 1) * PI / x).powi(2) / 8.0).exp();
    1.0 - SQRT_2 * PI.sqrt() / x * (term(1) + term(2) + term(3) + term(4))
}
