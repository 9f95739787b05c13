use std::num::NonZeroUsize;
use std::time::Duration;

use kapacitor_guest::statistics::{Aggregate, ExponentialMoments, Extent, Extremes, Moments, Sliding};
use num_bigint::{BigInt, BigUint};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::numbers::{exact, number, number_or_not};

/// The rounding error of one operation, as a share: 2^-53.
const ROUNDING: i64 = 1 << 53;

/// Panics unless the mean is exact to a few roundings for each number, of the largest absolute value, and the variance to
/// its documented error, for finite numbers.
fn check_finite(moments: &Moments, values: &[f64]) {
    let n = BigInt::from(values.len());
    let of = |value: f64| exact(value);
    let sum: BigInt = values.iter().map(|value| of(*value)).sum();
    let squares: BigInt = values.iter().map(|value| of(*value) * of(*value)).sum();
    let largest = values.iter().map(|value| of(value.abs())).max().unwrap_or_default();
    let mean = moments.mean().unwrap();
    // 4 n roundings, or the smallest numbers.
    let error = BigInt::from((of(mean) * &n - &sum).magnitude().clone());
    let allowed: BigInt = (&largest * 4 * &n / ROUNDING + 4 * &n) * &n;
    assert!(error <= allowed, "mean {mean} of {values:?}");
    // n times the sum of the squares of the deviations, in squares of the smallest positive number.
    let deviations = &squares * &n - &sum * &sum;
    let variance = moments.population_variance().unwrap();
    // The square of the smallest positive number is 2^-2148, that number is 2^-1074.
    let scale = BigInt::from(1) << 1074;
    if variance.is_infinite() {
        // The numbers are that large.
        let greatest = of(f64::MAX) * &scale * &n * &n;
        assert!(deviations * 2 > greatest || largest > of(1e150), "infinite of {values:?}");
        return;
    }
    assert!(variance >= 0.0, "{variance} of {values:?}");
    let found: BigInt = of(variance) * &scale * &n * &n;
    let difference: BigInt = &found - &deviations;
    let error = BigInt::from(difference.magnitude().clone());
    // 8 n roundings of sqrt(deviations * n * squares), which is the variance times kappa, and its second order.
    let product: BigUint = (&deviations * &squares * &n).magnitude().clone();
    let first: BigInt = BigInt::from(product.sqrt()) * 8 * &n / ROUNDING;
    let second: BigInt = &squares * &n * 64 * &n * &n / ROUNDING / ROUNDING;
    let smallest: BigInt = &scale * 8 * &n * &n * &n;
    assert!(error <= first + second + smallest, "variance {variance} of {values:?}");
}

fn check(moments: &Moments, values: &[f64]) {
    assert_eq!(moments.count(), values.len() as u64);
    let infinities = |sign: f64| values.contains(&(sign * f64::INFINITY));
    let mean = moments.mean().unwrap();
    if values.iter().any(|value| value.is_nan()) || infinities(1.0) && infinities(-1.0) {
        assert!(mean.is_nan(), "{mean} of {values:?}");
    } else if infinities(1.0) || infinities(-1.0) {
        assert_eq!(mean, if infinities(1.0) { f64::INFINITY } else { f64::NEG_INFINITY }, "{values:?}");
    } else {
        return check_finite(moments, values);
    }
    assert!(moments.population_variance().unwrap().is_nan(), "{values:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn moments_are_exact(values in vec(number_or_not(), 1..40), parts in vec(1_usize..20, 1..10)) {
        let mut moments = Moments::default();
        values.iter().for_each(|value| moments.push(*value));
        check(&moments, &values);
        // The same from parts, one of which is empty.
        let (mut merged, mut rest) = (Moments::default(), &values[..]);
        for size in parts.into_iter().chain([values.len()]) {
            let (part, after) = rest.split_at(size.min(rest.len()));
            let mut moments = Moments::default();
            part.iter().for_each(|value| moments.push(*value));
            merged = merged.merge(&moments);
            rest = after;
        }
        check(&merged, &values);
    }

    #[test]
    fn moments_of_close_numbers_are_exact(base in number(), values in vec(0.0..1.0, 2..60)) {
        let values: Vec<f64> = values.into_iter().map(|value| base + value).filter(|v: &f64| v.is_finite()).collect();
        let mut moments = Moments::default();
        values.iter().for_each(|value| moments.push(*value));
        if !values.is_empty() {
            check(&moments, &values);
        }
    }

    #[test]
    fn what_has_left_a_window_has_no_effect(values in vec(number_or_not(), 1..60), size in 1_usize..12) {
        let extent = Extent::last(NonZeroUsize::new(size).unwrap());
        let mut moments = Sliding::<Moments>::default();
        let mut extremes = Sliding::<Extremes>::default();
        for end in 1..=values.len() {
            let window = &values[end.saturating_sub(size)..end];
            moments.push(0, values[end - 1], extent);
            extremes.push(0, values[end - 1], extent);
            check(&moments.aggregate().unwrap(), window);
            let extremes = extremes.aggregate().unwrap();
            if window.iter().any(|value| value.is_nan()) {
                prop_assert!(extremes.min().is_nan() && extremes.max().is_nan());
            } else {
                prop_assert_eq!(extremes.min(), window.iter().copied().fold(f64::INFINITY, f64::min));
                prop_assert_eq!(extremes.max(), window.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            }
        }
    }
}

#[test]
fn constant_has_no_variance() {
    let mut window = Sliding::<Moments>::default();
    let extent = Extent::last(NonZeroUsize::new(7).unwrap());
    for time in 0..100 {
        window.push(time, 0.1, extent);
        let moments = window.aggregate().unwrap();
        assert_eq!((moments.mean(), moments.population_variance()), (Some(0.1), Some(0.0)));
    }
}

#[test]
fn few_numbers_have_no_sample_variance() {
    let mut moments = Moments::default();
    assert_eq!(
        (moments.mean(), moments.population_variance(), moments.sample_variance()),
        (None, None, None)
    );
    moments.push(1.0);
    assert_eq!((moments.population_std_dev(), moments.sample_std_dev()), (Some(0.0), None));
    moments.push(4.0);
    assert_eq!((moments.population_std_dev(), moments.sample_variance()), (Some(1.5), Some(4.5)));
}

/// Mean and variance by the definition: weights, their sum, and two passes.
fn weighted(values: &[f64], alpha: f64) -> (f64, f64) {
    let weight = |age: usize| {
        let power = (1.0 - alpha).powi(age as i32);
        if age + 1 == values.len() { power } else { alpha * power }
    };
    let sum = |of: &dyn Fn(f64) -> f64| -> f64 {
        values.iter().rev().enumerate().map(|(age, value)| weight(age) * of(*value)).sum()
    };
    let mean = sum(&|value| value);
    (mean, sum(&|value| (value - mean) * (value - mean)))
}

proptest! {
    #[test]
    fn exponential_moments_are_those_of_the_weights(values in vec(-1e6..1e6, 1..100), alpha in 0.01..1.0) {
        let mut moments = ExponentialMoments::default();
        for end in 1..=values.len() {
            let (mean, variance) = weighted(&values[..end], alpha);
            let found = moments.push(values[end - 1], alpha).unwrap();
            prop_assert!((found - mean).abs() <= 1e-9 / alpha, "{found} for {mean}");
            prop_assert!((moments.variance().unwrap() - variance).abs() <= 1e-2 / alpha);
            prop_assert_eq!(moments.mean(), Some(found));
        }
    }

    #[test]
    fn exponential_moments_stay_finite(values in vec((number_or_not(), any::<f64>()), 1..100)) {
        let mut moments = ExponentialMoments::default();
        let (mut least, mut greatest) = (f64::INFINITY, f64::NEG_INFINITY);
        for (value, alpha) in values {
            moments.push(value, alpha);
            if value.is_finite() {
                (least, greatest) = (least.min(value), greatest.max(value));
            }
            if let Some(mean) = moments.mean() {
                let slack = 1e-12 * least.abs().max(greatest.abs());
                prop_assert!(mean >= least - slack && mean <= greatest + slack, "{mean}");
                prop_assert!(moments.variance().is_some_and(|variance| variance >= 0.0 && variance.is_finite()));
            }
        }
    }
}

#[test]
fn weight_falls_by_half_in_a_half_life() {
    let second = Duration::from_secs(1);
    let mut moments = ExponentialMoments::default();
    assert_eq!(moments.push_at(5, f64::NAN, second), None);
    assert_eq!(moments.push_at(1_000_000_000, 0.0, second), Some(0.0));
    assert_eq!(moments.push_at(2_000_000_000, 8.0, second), Some(4.0));
    // A value that comes late, or twice, has no weight.
    assert_eq!(moments.push_at(2_000_000_000, 100.0, second), Some(4.0));
    assert_eq!(moments.push_at(1_500_000_000, 100.0, second), Some(4.0));
    let mean = moments.push_at(4_000_000_000, 8.0, second).unwrap();
    assert!((mean - 7.0).abs() < 1e-12, "{mean}");
    assert_eq!(moments.push_at(5_000_000_000, 1.0, Duration::ZERO), Some(1.0));
    // Many small steps are as one large one.
    let mut steps = ExponentialMoments::default();
    steps.push_at(0, 0.0, second);
    let mean = (1..=1_000_000).filter_map(|step| steps.push_at(step * 1000, 1.0, second)).last().unwrap();
    assert!((mean - 0.5).abs() < 1e-9, "{mean}");
}
