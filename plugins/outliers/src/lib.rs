//! The outliers of each batch, by Tukey's fences: points below `Q1 - scale * IQR` or above
//! `Q3 + scale * IQR`.
//!
//! Source: John W. Tukey, *Exploratory Data Analysis*, 1977. The quartiles are the medians of the
//! lower and the upper half of the sorted values, without the median itself where their number is
//! odd.

use kapacitor_guest::prelude::*;

/// The options: `.field(NAME)` and `.scale(NUMBER)`.
#[derive(Options)]
pub struct Outliers {
    field: String,
    #[option(default = 1.5)]
    scale: f64,
}

impl Batch for Outliers {
    type Group = ();

    fn check(&self) -> Result<()> {
        if self.scale >= 0.0 { Ok(()) } else { Err("option `scale`: must not be negative".into()) }
    }

    fn batch(&self, _: &mut (), points: &Points<'_>, out: &mut Output) -> Result<()> {
        // A point without the field is not an outlier.
        let values: Vec<_> =
            points.iter().filter_map(|point| Some((point.field(&self.field)?.as_number()?, point))).collect();
        let mut batch = out.batch(points)?;
        if let Some((low, high)) = fences(values.iter().map(|(value, _)| *value).collect(), self.scale) {
            for (value, point) in values {
                if value < low || value > high {
                    batch.send(point);
                }
            }
        }
        Ok(())
    }
}

/// The range outside of which values are outliers; `None` for fewer than two values, which have no
/// quartiles.
fn fences(mut values: Vec<f64>, scale: f64) -> Option<(f64, f64)> {
    let (length, half) = (values.len(), values.len() / 2);
    if half == 0 {
        return None;
    }
    // Partitioning around the middle is enough: the order within each half does not matter.
    values.select_nth_unstable_by(half, f64::total_cmp);
    let q1 = median(&mut values[..half]);
    let q3 = median(&mut values[length - half..]);
    let margin = scale * (q3 - q1);
    Some((q1 - margin, q3 + margin))
}

/// The median of at least one value.
fn median(values: &mut [f64]) -> f64 {
    let odd = values.len() % 2 == 1;
    let middle = values.len() / 2;
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    match below.iter().copied().max_by(f64::total_cmp) {
        Some(lower) if !odd => (lower + upper) / 2.0,
        _ => upper,
    }
}

register!(Outliers);

#[cfg(test)]
mod tests {
    use super::*;
    use kapacitor_guest::testing::{Harness, point};

    fn outliers(values: &[f64]) -> Vec<OwnedValue> {
        let mut harness = Harness::<Outliers>::start([("field", "value".into())]).unwrap();
        let points: Vec<_> = values.iter().map(|value| point().field("value", *value)).collect();
        let batch = NewBatch::new("cpu").at(9);
        let mut batches = harness.batch(&batch, &points).unwrap();
        assert_eq!(batches.len(), 1);
        let (out, points) = batches.remove(0);
        assert_eq!(out, batch);
        points.into_iter().map(|point| point.fields["value"].clone()).collect()
    }

    #[test]
    fn values_outside_of_the_fences_are_found() {
        let mut values: Vec<f64> = (0..20).map(f64::from).collect();
        assert_eq!(outliers(&values), []);
        values.extend([100.0, -100.0]);
        assert_eq!(outliers(&values), [OwnedValue::Double(100.0), OwnedValue::Double(-100.0)]);
    }

    #[test]
    fn small_batches_have_no_outliers() {
        for values in [&[][..], &[1.0], &[1.0, 9.0], &[1.0, 2.0, 9.0]] {
            assert_eq!(outliers(values), []);
        }
    }

    #[test]
    fn quartiles_leave_out_the_median() {
        assert_eq!(fences(vec![1.0, 2.0, 3.0, 4.0, 5.0], 0.0), Some((1.5, 4.5)));
        assert_eq!(fences(vec![4.0, 3.0, 2.0, 1.0], 1.0), Some((-0.5, 5.5)));
    }
}
