use std::num::NonZeroUsize;

use kapacitor_guest::statistics::MovingAverage;
use num_bigint::BigInt;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::numbers::{exact, number, number_or_not};

/// Panics unless `mean` is the mean of `window`, to 1e-12 of the largest absolute value in it or to the
/// smallest positive `f64`.
fn check_mean(mean: f64, window: &[f64]) {
    let infinities = |sign: f64| window.contains(&(sign * f64::INFINITY));
    if window.iter().any(|value| value.is_nan()) || infinities(1.0) && infinities(-1.0) {
        assert!(mean.is_nan(), "{mean} of {window:?}");
    } else if infinities(1.0) || infinities(-1.0) {
        assert_eq!(mean, if infinities(1.0) { f64::INFINITY } else { f64::NEG_INFINITY }, "{window:?}");
    } else {
        assert!(mean.is_finite(), "{mean} of {window:?}");
        let sum: BigInt = window.iter().map(|value| exact(*value)).sum();
        let error = exact(mean) * window.len() - sum;
        let largest = window.iter().map(|value| exact(value.abs())).max().unwrap_or_default();
        let allowed = largest * window.len() + BigInt::from(1_000_000_000_000_u64) * window.len();
        assert!(
            BigInt::from(error.magnitude().clone()) * 1_000_000_000_000_u64 <= allowed,
            "{mean} of {window:?}"
        );
    }
}

/// Moves a window of `size` over `values` and checks each mean.
fn check(values: &[f64], size: usize) {
    let mut average = MovingAverage::default();
    assert_eq!((average.mean(), average.len(), average.is_empty()), (None, 0, true));
    for end in 1..=values.len() {
        let window = &values[end.saturating_sub(size)..end];
        let mean = average.push(values[end - 1], NonZeroUsize::new(size).unwrap());
        check_mean(mean, window);
        assert_eq!(average.mean().map(f64::to_bits), Some(mean.to_bits()));
        assert_eq!(average.len(), window.len());
    }
}

proptest! {
    #[test]
    fn mean_is_exact_for_numbers_of_all_sizes(values in vec(number(), 1..200), size in 1_usize..40) {
        check(&values, size);
    }

    #[test]
    fn mean_is_exact_after_numbers_that_are_not_finite(
        values in vec(number_or_not(), 1..200),
        size in 1_usize..20,
    ) {
        check(&values, size);
    }

    #[test]
    fn mean_is_finite_where_the_sum_is_not(
        values in vec(prop_oneof![Just(f64::MAX), Just(f64::MIN), number()], 1..100),
        size in 1_usize..20,
    ) {
        check(&values, size);
    }

    #[test]
    fn window_of_another_size_begins_anew(pushes in vec((number(), 1_usize..4, 1_usize..9), 1..20)) {
        let mut average = MovingAverage::default();
        let (mut window, mut before) = (Vec::new(), 0);
        for (value, size, times) in pushes {
            if size != before {
                window.clear();
                before = size;
            }
            for _ in 0..times {
                window.push(value);
                window.drain(..window.len().saturating_sub(size));
                check_mean(average.push(value, NonZeroUsize::new(size).unwrap()), &window);
                assert_eq!(average.len(), window.len());
            }
        }
    }
}

#[test]
fn spike_that_has_left_leaves_nothing_behind() {
    let mut values = vec![5.5; 30];
    values[2] = u64::MAX as f64;
    check(&values, 10);
    let mut values = vec![50.0; 100];
    values[0] = 1e300;
    check(&values, 30);
    check(&[1e16, 1.0, 1.0, 1.0, 1.0], 4);
    check(&[f64::NAN, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0], 5);
    check(&[1.7e308; 4], 3);
    check(&[1e308, 1e308, 1e-310, 1e-310, 1e-310, 3e-310], 2);
}

#[test]
fn constant_has_itself_as_mean() {
    let mut average = MovingAverage::default();
    for _ in 0..100 {
        assert_eq!(average.push(5.5, NonZeroUsize::new(10).unwrap()), 5.5);
    }
}

#[test]
fn long_windows_are_exact() {
    let size = 100_000;
    let mut average = MovingAverage::default();
    let values: Vec<f64> = (0..250_000_u64).map(|i| 0.1 + (i * 7919 % 1000) as f64).collect();
    for (end, value) in (1..).zip(&values) {
        let mean = average.push(*value, NonZeroUsize::new(size).unwrap());
        if end % 49_999 == 0 || end == values.len() {
            check_mean(mean, &values[end.saturating_sub(size)..end]);
        }
    }
}
