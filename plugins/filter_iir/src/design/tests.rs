use super::*;

/// The power that sections let pass of a frequency, as a share of the rate: |H(i tan(π f))|².
fn power(sections: &[Section], frequency: f64) -> f64 {
    let w = (PI * frequency).tan();
    let share = |section: &Section| match *section {
        Section::First { g, high, low } => ((high * w).powi(2) + (low * g).powi(2)) / (w * w + g * g),
        Section::Second { g, k, high, band, low } => {
            let above = (low * g * g - high * w * w).powi(2) + (band * g * w).powi(2);
            above / ((g * g - w * w).powi(2) + (k * g * w).powi(2))
        }
    };
    sections.iter().map(share).product()
}

/// 1 / (1 + Ω^2N), which is what makes a filter one of Butterworth.
fn butterworth_power(order: u32, omega: f64) -> f64 {
    1.0 / (1.0 + omega.abs().powi(2 * order as i32))
}

const FREQUENCIES: [f64; 9] = [1e-6, 0.001, 0.03, 0.05, 0.1, 0.17, 0.25, 0.4, 0.49];

#[test]
fn powers_are_those_of_butterworth() {
    for order in 1..=8 {
        for (from, to) in
            [(1e-6, 2e-6), (0.001, 0.4), (0.05, 0.051), (0.05, 0.25), (0.17, 0.4999), (1e-6, 0.4999)]
        {
            let (low, high) = ((PI * from).tan(), (PI * to).tan());
            for frequency in FREQUENCIES {
                let w = (PI * frequency).tan();
                let in_band = (w * w - low * high) / ((high - low) * w);
                for (band, omega) in [
                    (Band::Low(from), w / low),
                    (Band::High(from), low / w),
                    (Band::Pass(from, to), in_band),
                    (Band::Stop(from, to), 1.0 / in_band),
                ] {
                    let (found, expected) =
                        (power(&butterworth(order, band), frequency), butterworth_power(order, omega));
                    let error = (found - expected).abs() / expected.max(1e-200);
                    assert!(
                        error < 1e-8,
                        "order {order}, {band:?} at {frequency}: {found:e}, not {expected:e}"
                    );
                }
            }
        }
    }
}

#[test]
fn all_poles_are_stable() {
    for order in 1..=8 {
        for band in
            [Band::Low(1e-6), Band::High(0.4999), Band::Pass(1e-6, 0.4999), Band::Stop(0.1, 0.100_001)]
        {
            for section in butterworth(order, band) {
                let is_stable = match section {
                    Section::First { g, .. } => g > 0.0,
                    Section::Second { g, k, .. } => g > 0.0 && k > 0.0,
                };
                assert!(is_stable, "order {order}, {band:?}: {section:?}");
            }
        }
    }
}

#[test]
fn the_number_of_sections_is_that_of_the_order() {
    let count = |order, band| butterworth(order, band).len();
    assert_eq!([1, 2, 5, 8].map(|order| count(order, Band::Low(0.1))), [1, 1, 3, 4]);
    assert_eq!([1, 2, 5, 8].map(|order| count(order, Band::Pass(0.1, 0.2))), [1, 2, 5, 8]);
}

#[test]
fn roots_are_squared_again() {
    for (re, im) in
        [(0.0, 0.0), (4.0, 0.0), (-4.0, 0.0), (3.0, -4.0), (-3.0, 4.0), (1e-30, 1.0), (-1.0, 1e-30)]
    {
        let (a, b) = complex_sqrt(re, im);
        assert!(a >= 0.0);
        assert!((a * a - b * b - re).abs() < 1e-15 && (2.0 * a * b - im).abs() < 1e-15, "{re} {im}: {a} {b}");
    }
}
