//! The numbers of a batch.

use kapacitor_guest::prelude::*;

/// The values of a field in the points of a batch, in their order: 8 bytes for each, so that a batch of a million points
/// needs little more than its own bytes. It is NaN for a point without the field, and for any other value that is no
/// finite number.
pub fn values_of(points: &Points<'_>, field: &str) -> Vec<f64> {
    points.iter().map(|point| number(point, field).unwrap_or(f64::NAN)).collect()
}

/// The values of a field in the points of a batch that are finite numbers, in their order.
pub fn numbers_of<'a>(points: &'a Points<'_>, field: &'a str) -> impl Iterator<Item = f64> + 'a {
    points.iter().filter_map(move |point| number(point, field))
}

/// Skips a batch that has none of the fields.
pub fn no_numbers(fields: &[FieldName]) -> Error {
    let names: Vec<String> = fields.iter().map(|name| format!("`{name}`")).collect();
    Error::skip(format!("no point of the batch has a number in field {}", names.join(" or ")))
}

fn number(point: Point<'_>, field: &str) -> Option<f64> {
    point.field(field)?.as_number().filter(|value| value.is_finite())
}
