use std::num::NonZeroUsize;

use kapacitor_guest::statistics::{Extent, Quantiles};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::numbers::number_or_not;

/// The median by its definition, of numbers in order.
fn median(sorted: &[f64]) -> f64 {
    let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    if low == high { low } else { low / 2.0 + high / 2.0 }
}

fn is_close(found: f64, expected: f64, largest: f64) -> bool {
    found == expected
        || found.is_nan() && expected.is_nan()
        || (found - expected).abs() <= 1e-15 * largest + f64::MIN_POSITIVE
        // Of differences that overflow.
        || found > 1e308 && expected > 1e308
}

proptest! {
    #[test]
    fn quantiles_are_those_of_the_window(
        values in vec(number_or_not(), 1..120),
        size in 1_usize..25,
        share in 0.0..=1.0,
    ) {
        let extent = Extent::last(NonZeroUsize::new(size).unwrap());
        let mut quantiles = Quantiles::default();
        for end in 1..=values.len() {
            let mut window = values[end.saturating_sub(size)..end].to_vec();
            quantiles.push(0, values[end - 1], extent);
            let (found, at) = (quantiles.median().unwrap(), quantiles.quantile(share).unwrap());
            let deviation = quantiles.median_absolute_deviation().unwrap();
            if window.iter().any(|value| value.is_nan()) {
                prop_assert!(found.is_nan() && at.is_nan() && deviation.is_nan());
                continue;
            }
            window.sort_by(f64::total_cmp);
            let largest = window.iter().map(|value| value.abs()).fold(0.0, f64::max);
            prop_assert!(is_close(found, median(&window), largest), "{found} of {window:?}");
            prop_assert_eq!(quantiles.quantile(0.0), window.first().copied());
            prop_assert_eq!(quantiles.quantile(1.0), window.last().copied());
            // Between the two numbers around the rank.
            let rank = share * (window.len() - 1) as f64;
            let around = (window[rank.floor() as usize], window[rank.ceil() as usize]);
            prop_assert!(at.is_nan() || at >= around.0 && at <= around.1, "{at} of {window:?}");
            prop_assert!(!at.is_nan() || around.0.is_infinite() && around.1.is_infinite());
            if found.is_finite() {
                let mut deviations: Vec<f64> = window.iter().map(|value| (value - found).abs()).collect();
                deviations.sort_by(f64::total_cmp);
                prop_assert!(is_close(deviation, median(&deviations), largest), "{deviation} of {window:?}");
            } else {
                prop_assert!(deviation.is_nan());
            }
        }
    }

    #[test]
    fn quantiles_grow_with_the_share(values in vec(-1e9..1e9, 1..50), shares in vec(0.0..=1.0, 2..10)) {
        let extent = Extent::last(NonZeroUsize::new(50).unwrap());
        let mut quantiles = Quantiles::default();
        values.iter().for_each(|value| assert!(quantiles.push(0, *value, extent)));
        let mut shares = shares;
        shares.sort_by(f64::total_cmp);
        let found: Vec<f64> = shares.iter().filter_map(|share| quantiles.quantile(*share)).collect();
        prop_assert!(found.is_sorted(), "{found:?}");
    }
}

#[test]
fn quantiles_are_interpolated() {
    let mut quantiles = Quantiles::default();
    for value in [10.0, 30.0, 20.0, 40.0] {
        quantiles.push(0, value, Extent::last(NonZeroUsize::new(9).unwrap()));
    }
    // As R and NumPy have them.
    let found = [0.0, 0.1, 0.25, 0.5, 0.9, 1.0].map(|share| quantiles.quantile(share).unwrap());
    let expected = [10.0, 13.0, 17.5, 25.0, 37.0, 40.0];
    assert!(
        found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12),
        "{found:?}"
    );
    assert_eq!((quantiles.quantile(-1.0), quantiles.quantile(7.0)), (Some(10.0), Some(40.0)));
    assert!(quantiles.quantile(f64::NAN).unwrap().is_nan());
    quantiles.clear();
    assert_eq!((quantiles.len(), quantiles.is_empty()), (0, true));
}

#[test]
fn deviation_of_a_normal_distribution_is_sigma() {
    // Quantiles of the normal distribution, by Newton's method on its distribution function as a sum.
    let normal = |x: f64| {
        let (mut sum, mut term) = (x, x);
        for k in 1..200 {
            term *= x * x / f64::from(2 * k + 1);
            sum += term;
        }
        0.5 + sum * (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt()
    };
    let mut quartile = 0.6;
    for _ in 0..50 {
        quartile -=
            (normal(quartile) - 0.75) / ((-quartile * quartile / 2.0).exp() / std::f64::consts::TAU.sqrt());
    }
    assert!((Quantiles::SIGMA_PER_MAD * quartile - 1.0).abs() < 1e-14);
}
