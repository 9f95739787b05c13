use super::*;
use crate::design::{Band, butterworth};
use proptest::prelude::*;

fn push_all(filter: &mut Filter, sections: &[Section], values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| filter.push(*value, sections).unwrap()).collect()
}

/// The coefficients of a section in powers of 1 / z: those of what comes in, and those of what comes out.
fn coefficients(section: &Section) -> ([f64; 3], [f64; 3]) {
    match *section {
        Section::First { g, high, low } => {
            ([high + low * g, low * g - high, 0.0].map(|b| b / (1.0 + g)), [1.0, (g - 1.0) / (1.0 + g), 0.0])
        }
        Section::Second { g, k, high, band, low } => {
            let (all, square) = (1.0 + k * g + g * g, g * g);
            (
                [high + band * g + low * square, 2.0 * (low * square - high), high - band * g + low * square]
                    .map(|b| b / all),
                [1.0, 2.0 * (square - 1.0) / all, (1.0 - k * g + square) / all],
            )
        }
    }
}

/// Filters by the difference equation, all of whose numbers before the first one are that one.
fn naive(sections: &[Section], values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    let mut settled = values[0];
    for section in sections {
        let ([b0, b1, b2], [_, a1, a2]) = coefficients(section);
        let (mut x1, mut x2) = (settled, settled);
        settled *= (b0 + b1 + b2) / (1.0 + a1 + a2);
        let (mut y1, mut y2) = (settled, settled);
        for value in &mut values {
            let y = b0 * *value + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2;
            (x1, x2, y1, y2) = (*value, x1, y, y1);
            *value = y;
        }
    }
    values
}

#[test]
fn a_constant_stays_or_is_nothing() {
    for order in 1..=8 {
        for value in [0.0, 5.5, -1e15, 1e-15, 1e300] {
            for (band, expected) in [
                (Band::Low(1e-6), value),
                (Band::High(0.1), 0.0),
                (Band::Pass(0.01, 0.3), 0.0),
                (Band::Stop(0.01, 0.3), value),
            ] {
                let sections = butterworth(order, band);
                let filtered = push_all(&mut Filter::default(), &sections, &[value; 1000]);
                for number in filtered {
                    assert!(
                        (number - expected).abs() <= 1e-14 * value.abs(),
                        "{order} {band:?}: {number} of {value}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_step_is_followed_by_a_low_pass_only() {
    let mut values = vec![0.0; 10];
    values.resize(5000, 1.0);
    for order in [1, 2, 5] {
        let last = |band| push_all(&mut Filter::default(), &butterworth(order, band), &values)[4999];
        assert!((last(Band::Low(0.01)) - 1.0).abs() < 1e-9);
        assert!(last(Band::High(0.01)).abs() < 1e-9);
        assert!(last(Band::Pass(0.01, 0.2)).abs() < 1e-9);
    }
}

#[test]
fn what_is_beyond_f64_begins_anew() {
    let sections = butterworth(4, Band::Low(0.1));
    let mut filter = Filter::default();
    let filtered = [1.0, f64::MAX, f64::MIN, f64::MAX, f64::MIN].map(|value| filter.push(value, &sections));
    assert!(filtered.contains(&None), "{filtered:?}");
    filter.clear();
    assert_eq!(push_all(&mut filter, &sections, &[2.0, 2.0]), [2.0, 2.0]);
}

#[test]
fn slow_cutoffs_keep_their_precision() {
    // A day of points every second, and a cutoff of a day: the step response of the first order is known.
    let sections = butterworth(1, Band::Low(1.0 / 86_400.0));
    let mut filter = Filter::default();
    filter.push(0.0, &sections);
    let last = (0..86_400).map(|_| filter.push(1.0, &sections).unwrap()).last().unwrap();
    let g = (std::f64::consts::PI / 86_400.0).tan();
    // Each step multiplies the distance of the state by (1 - g) / (1 + g), and the output is half a step behind.
    let expected = 1.0 - ((1.0 - g) / (1.0 + g)).powi(86_399) / (1.0 + g);
    assert!((last - expected).abs() < 1e-12, "{last} is not {expected}");
}

#[test]
fn ten_million_points_leave_no_error() {
    // What has come long ago has no effect, not even by its rounding errors.
    let sections = butterworth(4, Band::Low(0.01));
    let (mut long, mut short) = (Filter::default(), Filter::default());
    let mut random = 1_u64;
    let mut last = (0.0, 0.0);
    for number in 0..10_000_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let value = if number == 0 { 1e30 } else { 1e15 + (random >> 54) as f64 };
        last.0 = long.push(value, &sections).unwrap();
        if number >= 9_990_000 {
            last.1 = short.push(value, &sections).unwrap();
        }
    }
    assert!((last.0 - last.1).abs() <= 1.0, "{last:?}");
    assert!((last.0 - 1e15 - 512.0).abs() < 200.0, "{last:?}");
}

proptest! {
    /// The output is that of the difference equation with the coefficients of the bilinear transform.
    #[test]
    fn sections_are_their_bilinear_transform(
        values in proptest::collection::vec(-100.0..100.0, 1..200),
        order in 1_u32..=8,
        from in 0.02..0.2,
        width in 0.05..0.25,
        kind in 0..4,
    ) {
        let band = match kind {
            0 => Band::Low(from),
            1 => Band::High(from),
            2 => Band::Pass(from, from + width),
            _ => Band::Stop(from, from + width),
        };
        let sections = butterworth(order, band);
        let filtered = push_all(&mut Filter::default(), &sections, &values);
        for (number, expected) in filtered.iter().zip(naive(&sections, &values)) {
            prop_assert!((number - expected).abs() < 1e-8, "{number} is not {expected}");
        }
    }
}
