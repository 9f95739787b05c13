//! Times in seconds, as results are.

/// The seconds from one time to another, both in nanoseconds since 1970; 0 if the other one is not later.
///
/// ```
/// assert_eq!(algorithms::seconds_between(500_000_000, 2_000_000_000), 1.5);
/// assert_eq!(algorithms::seconds_between(i64::MAX, i64::MIN), 0.0);
/// ```
pub fn seconds_between(from: i64, to: i64) -> f64 {
    to.saturating_sub(from).max(0) as f64 / 1e9
}
