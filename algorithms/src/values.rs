//! The numbers of a batch.

use kapacitor_guest::prelude::*;

use crate::fields::finite;

/// The values of a field in the points of a batch, in their order: 8 bytes for each, so that a batch of a million
/// points needs little more than its own bytes. It is NaN for a point without the field, and for any other value that
/// is no finite number.
///
/// ```
/// use algorithms::{no_numbers, numbers_of, values_of};
/// use kapacitor_guest::prelude::*;
/// use kapacitor_guest::testing::{Harness, point};
///
/// /// Passes on the points whose field is the greatest of the batch.
/// #[derive(Options)]
/// struct Greatest {
///     field: FieldName,
/// }
///
/// impl Batch for Greatest {
///     type Group = ();
///
///     fn batch(&self, _: &mut (), points: &Points<'_>, out: &mut Output) -> Result<()> {
///         let greatest = numbers_of(points, &self.field).reduce(f64::max);
///         let greatest = greatest.ok_or_else(|| no_numbers(std::slice::from_ref(&self.field)))?;
///         let mut batch = out.batch(points)?;
///         for (point, value) in points.iter().zip(values_of(points, &self.field)) {
///             if value == greatest {
///                 batch.send(point);
///             }
///         }
///         Ok(())
///     }
/// }
///
/// register!(Greatest);
///
/// let mut harness = Harness::<Greatest>::start([("field", "a".into())]).unwrap();
/// let points = [point().field("a", 2), point().field("a", f64::NAN), point().field("a", 7.5), point().field("b", 9)];
/// let sent = harness.batch(&NewBatch::new("cpu"), &points).unwrap();
/// assert_eq!((sent[0].1.len(), sent[0].1[0].number("a").unwrap()), (1, 7.5));
/// assert!(harness.batch(&NewBatch::new("cpu"), &points[3..]).unwrap().is_empty());
/// assert!(harness.skips()[0].contains("no point of the batch has a number in field `a`"));
/// ```
pub fn values_of(points: &Points<'_>, field: &str) -> Vec<f64> {
    points.iter().map(|point| finite(point, field).unwrap_or(f64::NAN)).collect()
}

/// The values of a field in the points of a batch that are finite numbers, in their order.
pub fn numbers_of<'a>(points: &'a Points<'_>, field: &'a str) -> impl Iterator<Item = f64> + 'a {
    points.iter().filter_map(move |point| finite(point, field))
}

/// Skips a batch that has none of the fields.
pub fn no_numbers(fields: &[FieldName]) -> Error {
    let names: Vec<String> = fields.iter().map(|name| format!("`{name}`")).collect();
    Error::skip(format!("no point of the batch has a number in field {}", names.join(" or ")))
}
