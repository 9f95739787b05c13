//! The options `size` and `period` of a window.

use std::num::NonZeroUsize;
use std::time::Duration;

use kapacitor_guest::prelude::*;
use kapacitor_guest::statistics::Extent;

/// The most points of a window that is described by a time alone.
const MOST: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// The window that the options `.size(30)` and `.period(5m)` describe.
///
/// `size` alone is a number of points, `period` alone a time and at most 10,000 points, and both together the points of
/// that time, but at most the newest `size`. Without either, the window has `default` points.
///
/// ```
/// use std::num::NonZeroUsize;
/// use std::time::Duration;
/// use kapacitor_guest::statistics::Extent;
///
/// let (five, minute) = (NonZeroUsize::new(5).unwrap(), Duration::from_secs(60));
/// assert_eq!(algorithms::extent(None, None, five), Extent::last(five));
/// assert_eq!(algorithms::extent(None, Some(minute), five), Extent::within(minute));
/// ```
pub fn extent(size: Option<NonZeroUsize>, period: Option<Duration>, default: NonZeroUsize) -> Extent {
    match (size, period) {
        (None, None) => Extent::last(default),
        (Some(size), None) => Extent::last(size),
        (None, Some(period)) => Extent::within(period),
        (Some(size), Some(period)) => Extent::within(period).at_most(size),
    }
}

/// The largest number of points that the window of [`extent`] can have.
///
/// ```
/// use std::num::NonZeroUsize;
/// use std::time::Duration;
///
/// let (five, minute) = (NonZeroUsize::new(5).unwrap(), Duration::from_secs(60));
/// assert_eq!(algorithms::most_points(None, None, five), five);
/// assert_eq!(algorithms::most_points(None, Some(minute), five).get(), 10_000);
/// ```
pub fn most_points(
    size: Option<NonZeroUsize>,
    period: Option<Duration>,
    default: NonZeroUsize,
) -> NonZeroUsize {
    size.unwrap_or(if period.is_some() { MOST } else { default })
}

/// Checks the option `period`: a window of no time would have the newest point only.
///
/// ```
/// use std::time::Duration;
///
/// assert!(algorithms::check_period(None).is_ok());
/// let error = algorithms::check_period(Some(Duration::ZERO)).unwrap_err();
/// assert_eq!(error.to_string(), "option `period`: must be longer than 0s");
/// ```
///
/// # Errors
///
/// The sentence that the task ends with.
pub fn check_period(period: Option<Duration>) -> Result<()> {
    crate::rule("period", period.is_none_or(|period| !period.is_zero()), "must be longer than 0s")
}
