//! The numbers of a batch.

use kapacitor_guest::prelude::*;

/// The values of a field in the points of a batch, in their order: 8 bytes for each, so that a batch of a million points
/// needs little more than its own bytes. It is NaN for a point without the field, and for any other value that is no
/// finite number.
pub fn values_of(points: &Points<'_>, field: &str) -> Vec<f64> {
    let number = |point: Point<'_>| point.field(field)?.as_number().filter(|value| value.is_finite());
    points.iter().map(|point| number(point).unwrap_or(f64::NAN)).collect()
}
