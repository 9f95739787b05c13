//! The outliers of each batch, by Tukey's fences: points below `Q1 - scale * IQR` or above
//! `Q3 + scale * IQR`.
//!
//! Source: John W. Tukey, *Exploratory Data Analysis*, 1977. The quartiles are the medians of the
//! lower and the upper half of the sorted values, without the median itself where their number is
//! odd.
//!
//! The quartiles are those of the finite values. NaN is treated like an absent field. An infinite value
//! is an outlier wherever the fences are.

use algorithms::median;
use kapacitor_guest::prelude::*;

/// The options: `.field(NAME)` and `.scale(NUMBER)`.
#[derive(Options)]
pub struct Outliers {
    field: FieldName,
    #[option(default = 1.5)]
    scale: f64,
}

impl Batch for Outliers {
    type Group = ();

    fn check(&self) -> Result<()> {
        if self.scale >= 0.0 && self.scale.is_finite() {
            Ok(())
        } else {
            Err("option `scale`: must be a number of at least 0".into())
        }
    }

    fn batch(&self, _: &mut (), points: &Points<'_>, out: &mut Output) -> Result<()> {
        // A point without the field, or with a NaN in it, is not an outlier.
        let number = |point: Point<'_>| point.field(&self.field)?.as_number().filter(|value| !value.is_nan());
        // Only numbers are kept, in 12 bytes for each point, so that a batch of a million points needs little more than
        // its own bytes. The rounded ones tell which points are within the fences for sure.
        let mut rounded = Vec::with_capacity(points.len());
        let mut finite = Vec::with_capacity(points.len());
        for point in points {
            let value = number(point).unwrap_or(f64::NAN);
            rounded.push(value as f32);
            finite.extend(Some(value).filter(|value| value.is_finite()));
        }
        let mut batch = out.batch(points)?;
        if let Some((low, high)) = fences(finite, self.scale) {
            let within = |value: f32| value.is_nan() || (value > low as f32 && value < high as f32);
            for (point, _) in points.iter().zip(rounded).filter(|(_, value)| !within(*value)) {
                if number(point).is_some_and(|value| value < low || value > high || value.is_infinite()) {
                    batch.send(point);
                }
            }
        }
        Ok(())
    }
}

/// The range outside of which values are outliers; `None` for fewer than two values, which have no
/// quartiles. The values must be finite. A bound is infinite if no finite value is beyond it.
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
    if margin.is_finite() {
        return Some((q1 - margin, q3 + margin));
    }
    // The difference or the product is too large. At a sixteenth of the size it is so only if the margin is
    // larger than the distance between any two values.
    const DOWN: f64 = 1.0 / 16.0;
    let (q1, q3) = (q1 * DOWN, q3 * DOWN);
    let margin = scale * (q3 - q1);
    Some(((q1 - margin) / DOWN, (q3 + margin) / DOWN))
}

register!(Outliers);

#[cfg(test)]
mod tests {
    use super::*;
    use kapacitor_guest::testing::{Harness, point};
    use num_bigint::BigInt;
    use proptest::prelude::*;
    use proptest::sample::select;

    fn outliers(values: &[f64]) -> Vec<f64> {
        let mut harness = Harness::<Outliers>::start([("field", "value".into())]).unwrap();
        // A point is known by its time, since infinite values are left out of what is sent.
        let points = values
            .iter()
            .zip(0..)
            .map(|(value, time)| point().at(time).field("value", *value).field("id", 1));
        let points: Vec<_> = points.collect();
        let batch = NewBatch::new("cpu").at(9);
        let mut batches = harness.batch(&batch, &points).unwrap();
        assert_eq!(batches.len(), 1);
        let (out, points) = batches.remove(0);
        assert_eq!(out, batch);
        points.into_iter().map(|point| values[point.time as usize]).collect()
    }

    #[test]
    fn values_outside_of_the_fences_are_found() {
        let mut values: Vec<f64> = (0..20).map(f64::from).collect();
        assert!(outliers(&values).is_empty());
        values.extend([100.0, -100.0]);
        assert_eq!(outliers(&values), [100.0, -100.0]);
    }

    #[test]
    fn small_batches_have_no_outliers() {
        for values in [&[][..], &[1.0], &[1.0, 9.0], &[1.0, 2.0, 9.0]] {
            assert!(outliers(values).is_empty());
        }
    }

    #[test]
    fn quartiles_leave_out_the_median() {
        assert_eq!(fences(vec![1.0, 2.0, 3.0, 4.0, 5.0], 0.0), Some((1.5, 4.5)));
        assert_eq!(fences(vec![4.0, 3.0, 2.0, 1.0], 1.0), Some((-0.5, 5.5)));
    }

    #[test]
    fn nan_is_no_value_and_infinity_is_an_outlier() {
        let values = [1.0, f64::NAN, 2.0, f64::INFINITY, 3.0, -f64::NAN, 4.0, f64::NEG_INFINITY, 100.0];
        // The quartiles of 1, 2, 3, 4 and 100 are 1.5 and 52.
        assert_eq!(outliers(&values), [f64::INFINITY, f64::NEG_INFINITY]);
        assert!(outliers(&[f64::NAN; 9]).is_empty());
        assert!(outliers(&[1.0, f64::INFINITY, f64::INFINITY]).is_empty(), "one value has no quartiles");
    }

    #[test]
    fn fences_of_large_values_are_finite() {
        assert_eq!(fences(vec![1.7e308, 1.7e308], 1.5), Some((1.7e308, 1.7e308)));
        let (low, high) = fences(vec![-1e308, 1e308], 0.25).unwrap();
        assert!((low / -1.5e308 - 1.0).abs() < 1e-15 && (high / 1.5e308 - 1.0).abs() < 1e-15);
        assert_eq!(fences(vec![-1e308, 1e308], 1e308), Some((f64::NEG_INFINITY, f64::INFINITY)));
    }

    #[test]
    fn scale_is_a_number_of_at_least_zero() {
        for scale in [-1.0, f64::NAN, f64::INFINITY] {
            let options = [("field", "value".into()), ("scale", scale.into())];
            let error = Harness::<Outliers>::start(options).unwrap_err().to_string();
            assert_eq!(error, "option `scale`: must be a number of at least 0");
        }
    }

    /// A finite number as a multiple of the smallest positive `f64`: exactly.
    fn exact(value: f64) -> BigInt {
        let bits = value.to_bits();
        let (exponent, fraction) = (bits >> 52 & 0x7ff, bits & ((1 << 52) - 1));
        let (significand, shift) =
            if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
        let magnitude = BigInt::from(significand) << shift;
        if value.is_sign_negative() { -magnitude } else { magnitude }
    }

    /// Twice the median of sorted values.
    fn twice_the_median(sorted: &[BigInt]) -> BigInt {
        &sorted[sorted.len() / 2] + &sorted[(sorted.len() - 1) / 2]
    }

    fn number() -> impl Strategy<Value = f64> {
        let special = select(vec![0.0, 1.0, 1e16, f64::MAX, f64::MIN, 1e308, -1e308, f64::from_bits(1)]);
        prop_oneof![
            4 => -100.0..100.0,
            2 => any::<u64>().prop_map(|int| int as f64),
            2 => special,
            2 => any::<u64>().prop_map(f64::from_bits).prop_filter("is finite", |value| value.is_finite()),
        ]
    }

    proptest! {
        /// A value whose distance from a fence is more than 1e-12 of the largest number is on the right
        /// side of it.
        #[test]
        fn fences_are_exact(
            values in proptest::collection::vec(number(), 0..12),
            scale in prop_oneof![0.0..4.0, Just(1.5), Just(1e300), Just(f64::MIN_POSITIVE)],
        ) {
            let mut sorted: Vec<_> = values.iter().map(|value| exact(*value)).collect();
            sorted.sort_unstable();
            let Some((low, high)) = fences(values.clone(), scale) else {
                prop_assert!(values.len() < 2);
                return Ok(());
            };
            let half = sorted.len() / 2;
            let (q1, q3) =
                (twice_the_median(&sorted[..half]), twice_the_median(&sorted[sorted.len() - half..]));
            // All of this in halves of the square of the smallest positive number.
            let (one, scale) = (exact(1.0), exact(scale));
            let margin = &scale * (&q3 - &q1);
            let bounds = (&q1 * &one - &margin, &q3 * &one + &margin);
            let largest = q1.magnitude().max(q3.magnitude()).clone();
            let error = (BigInt::from(largest) / 1_000_000_000_000_u64 + 4) * (&one + &scale);
            for value in values {
                let at = exact(value) * &one * 2;
                let beyond = at < &bounds.0 - &error || at > &bounds.1 + &error;
                let within = at > &bounds.0 + &error && at < &bounds.1 - &error;
                let found = value < low || value > high;
                prop_assert!(if found { !within } else { !beyond }, "{value}: {low} to {high}");
            }
        }
    }
}
