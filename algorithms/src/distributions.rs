//! Student's t distribution, and the critical values that follow from it.
//!
//! The crates that have these functions lose digits where tests for outliers need them: at a million degrees of
//! freedom, 1e-8 of a small probability. Here all terms are positive, so that nothing cancels: the relative error is
//! below 1e-12 for degrees of freedom up to 1e9.

use std::f64::consts::PI;

/// The probability that a variable with Student's t distribution is greater than `t`.
///
/// The degrees of freedom are positive and need not be whole. The result is NaN if an argument is.
///
/// # Algorithm
///
/// The probability is half the incomplete beta function I(x; a, 1/2) for t > 0, where a is half the degrees of
/// freedom f and x = f / (f + t²): NIST Digital Library of Mathematical Functions, 8.17. It is written as a
/// hypergeometric function (8.17.7 and 8.17.8): near 0 a power series, and elsewhere, after the transformation 15.8.1
/// to the argument -f / t², the continued fraction of Gauss, 15.7.5.
///
/// ```
/// # use algorithms::distributions::student_t_above;
/// // With two degrees of freedom it is 1/2 - t / (2 √(2 + t²)).
/// let exact = 0.5 - 3.0 / (2.0 * f64::sqrt(11.0));
/// assert!((student_t_above(3.0, 2.0) / exact - 1.0).abs() < 1e-14);
/// ```
pub fn student_t_above(t: f64, freedom: f64) -> f64 {
    if t.is_nan() || freedom.is_nan() || freedom <= 0.0 {
        return f64::NAN;
    }
    if t < 0.0 {
        return 1.0 - student_t_above(-t, freedom);
    }
    if t == f64::INFINITY {
        return 0.0;
    }
    let a = freedom / 2.0;
    // xᵃ / B(a, 1/2)
    let weight = (a * log_x(t, freedom)).exp() * gamma_ratio(a) / PI.sqrt();
    let ratio = t / freedom * t;
    if t * t < 3.0 {
        let y = ratio / (1.0 + ratio);
        return 0.5 - weight * y.sqrt() * series(a, y);
    }
    let root = (1.0 + 1.0 / ratio).sqrt();
    0.5 * weight * root / a * fraction(a, 1.0 / ratio)
}

/// The value that a variable with Student's t distribution exceeds with the probability `p`, which is greater than 0
/// and less than 1/2.
///
/// The relative error is that of [`student_t_above`], and the absolute one near a probability of 1/2.
///
/// ```
/// # use algorithms::distributions::student_t_exceeded;
/// // 97.5 % of the distribution with 10 degrees of freedom are below: 2.228 in any table.
/// assert!((student_t_exceeded(0.025, 10.0) - 2.228_138_851_986_275_3).abs() < 1e-13);
/// ```
pub fn student_t_exceeded(p: f64, freedom: f64) -> f64 {
    // The logarithm of the probability is nearly a parabola or that of a power, so Newton's method converges from afar.
    // It begins above the quantile of the normal distribution.
    let mut t = (-2.0 * p.ln()).sqrt();
    for _ in 0..100 {
        let above = student_t_above(t, freedom);
        let step = (above / p).ln() * above / density(t, freedom);
        let next = (t + step).max(t / 2.0);
        // Each step doubles the number of correct digits.
        let is_close = (next - t).abs() <= 1e-9 * t;
        t = next;
        if is_close {
            break;
        }
    }
    t
}

/// The critical value of Grubbs' statistic: the largest deviation from the mean of `count` numbers, in units of their
/// standard deviation, is greater with at most the probability `count` times `p` if the numbers come from one normal
/// distribution.
///
/// `p` is the level divided by the count, and by 2 if deviations to both sides are looked at. There must be at least
/// three numbers: fewer have no such value.
///
/// Source: F. E. Grubbs, *Sample criteria for testing outlying observations*, The Annals of Mathematical Statistics 21,
/// 1950. B. Rosner, *Percentage points for a generalized ESD many-outlier procedure*, Technometrics 25, 1983, takes the
/// same for the numbers that are left.
///
/// ```
/// # use algorithms::distributions::critical_deviation;
/// // Eight numbers at the level 0.05.
/// assert!((critical_deviation(8, 0.05 / 16.0).unwrap() - 2.126_645_087_195_468_5).abs() < 1e-13);
/// assert_eq!(critical_deviation(2, 0.01), None);
/// ```
pub fn critical_deviation(count: usize, p: f64) -> Option<f64> {
    let freedom = count.checked_sub(2).filter(|freedom| *freedom > 0)? as f64;
    let t = student_t_exceeded(p, freedom);
    let count = count as f64;
    // (n - 1) / √n · √(t² / (n - 2 + t²)), where t² may be too large.
    Some((count - 1.0) / count.sqrt() / (freedom / t / t + 1.0).sqrt())
}

/// The density of Student's t distribution.
fn density(t: f64, freedom: f64) -> f64 {
    let a = freedom / 2.0;
    gamma_ratio(a) / (PI * freedom).sqrt() * ((a + 0.5) * log_x(t, freedom)).exp()
}

/// The logarithm of f / (f + t²), also where t² is too large.
fn log_x(t: f64, freedom: f64) -> f64 {
    let ratio = t / freedom * t;
    if ratio.is_finite() { -ratio.ln_1p() } else { freedom.ln() - 2.0 * t.ln() }
}

/// Γ(a + 1/2) / Γ(a).
///
/// The logarithm has an asymptotic series whose terms are those of Stirling's, NIST Digital Library of Mathematical
/// Functions, 5.11.8 for h = 1/2 less that for h = 0. From 20 on its error is below 1e-16; below, the recurrence of Γ
/// leads there.
fn gamma_ratio(mut a: f64) -> f64 {
    let mut factor = 1.0;
    while a < 20.0 {
        factor *= a / (a + 0.5);
        a += 1.0;
    }
    let q = 1.0 / (a * a);
    let series =
        -1.0 / 8.0 + q * (1.0 / 192.0 + q * (-1.0 / 640.0 + q * (17.0 / 14_336.0 + q * (-31.0 / 18_432.0))));
    factor * a.sqrt() * (series / a).exp()
}

/// The hypergeometric function F(a + 1/2, 1; 3/2; y), as its power series.
fn series(a: f64, y: f64) -> f64 {
    let (mut sum, mut term, mut n) = (1.0, 1.0, 0.0);
    while term > 1e-17 * sum {
        term *= (a + 0.5 + n) / (1.5 + n) * y;
        sum += term;
        n += 1.0;
    }
    sum
}

/// The hypergeometric function F(1/2, 1; a + 1; -w) for w > 0, as the continued fraction of Gauss:
/// 1 / (1 + u₁ w / (1 + u₂ w / ...)). It is evaluated by Lentz's method, which goes on until a step changes nothing.
fn fraction(a: f64, w: f64) -> f64 {
    // The last ratios of successive numerators, and of successive denominators, inverted.
    let (mut value, mut above, mut below) = (1.0, 1.0, 0.0);
    for n in 1..100_000_u32 {
        let (m, n_th) = (f64::from(n / 2), a + f64::from(n));
        let numerator = if n % 2 == 1 { (0.5 + m) * (a + m) } else { m * (a - 0.5 + m) };
        let term = numerator / (n_th - 1.0) / n_th * w;
        below = 1.0 / (1.0 + term * below);
        above = 1.0 + term / above;
        value *= above * below;
        if (above * below - 1.0).abs() <= f64::EPSILON {
            break;
        }
    }
    1.0 / value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by `scipy.stats.t.sf` of version 1.17.1.
    const ABOVE: &[(f64, f64, f64)] = &[
        (0.7, 1e-09, 0.499_999_999_705_363_7),
        (0.7, 4.5, 0.107_649_403_528_171_15),
        (1.0, 0.5, 0.352_416_382_349_566_74),
        (1.5, 1.7, 0.135_331_122_075_520_6),
        (2.0, 1.8, 0.106_833_174_502_532_91),
        (3.0, 25.0, 7.016_569_497_877_428e-05),
        (4.5, 2.0, 0.054_128_953_590_562_495),
        (7.0, 10000.0, 1.320_520_388_774_659e-26),
        (10.0, 1.0, 0.170_446_566_151_03),
        (33.3, 9.0, 9.738_872_038_673_705e-11),
        (100.0, 1.7, 0.046_119_663_501_509_63),
        (100.0, 1.75, 0.041_592_846_048_755_35),
        (1000.0, 3.0, 0.001_383_354_522_119_096_3),
        (12345.6, 8.0, 6.774_398_886_548_675e-16),
        (1e5, 5.0, 2.871_350_839_320_839_7e-07),
        (1e6, 0.3, 0.382_088_608_989_497_1),
        (1e6, 1.72, 0.042_716_375_491_144_35),
        (1e6, 5.6, 1.072_039_154_100_289_6e-08),
        (1e7, 6.5, 4.016_188_207_494_868e-11),
        (1e9, 4.0, 3.167_124_410_823_391_4e-05),
    ];

    #[test]
    fn probabilities_are_those_of_scipy() {
        for (freedom, t, expected) in ABOVE {
            let found = student_t_above(*t, *freedom);
            assert!((found / expected - 1.0).abs() < 1e-12, "{freedom} {t}: {found:e}, not {expected:e}");
        }
    }

    #[test]
    fn ratios_of_gamma_functions_are_those_of_their_recurrence() {
        // Γ(3/2) / Γ(1) is √π / 2.
        let mut expected = PI.sqrt() / 2.0;
        for n in 1..40 {
            let n = f64::from(n);
            assert!((gamma_ratio(n) / expected - 1.0).abs() < 3e-15, "{n}");
            expected *= (n + 0.5) / n;
        }
    }

    #[test]
    fn values_are_exceeded_with_their_probability() {
        for freedom in [0.7, 1.0, 2.0, 3.5, 10.0, 97.0, 1e3, 1e5, 1e7] {
            for p in [0.4, 0.1, 0.025, 1e-3, 1e-6, 1e-12, 1e-100] {
                let t = student_t_exceeded(p, freedom);
                let found = student_t_above(t, freedom);
                assert!((found / p - 1.0).abs() < 1e-12, "{freedom} {p}: {t}, {found:e}");
            }
        }
    }

    #[test]
    fn extreme_arguments_have_a_result() {
        assert_eq!(student_t_above(0.0, 5.0), 0.5);
        assert_eq!(student_t_above(f64::INFINITY, 5.0), 0.0);
        assert_eq!(student_t_above(f64::NEG_INFINITY, 5.0), 1.0);
        assert_eq!(student_t_above(1e200, 5.0), 0.0);
        assert!((student_t_above(-2.0, 7.0) + student_t_above(2.0, 7.0) - 1.0).abs() < 1e-15);
        for (t, freedom) in [(f64::NAN, 1.0), (1.0, f64::NAN), (1.0, 0.0), (1.0, -1.0)] {
            assert!(student_t_above(t, freedom).is_nan());
        }
        // Without overflow: one degree of freedom is Cauchy's distribution, with the tail 1 / (π t).
        assert!((student_t_above(1e160, 1.0) * 1e160 * PI - 1.0).abs() < 1e-12);
    }

    /// The critical values at the level 0.05 of one side, from the table of F. E. Grubbs and G. Beck, Technometrics 14,
    /// 1972.
    #[test]
    fn critical_values_are_those_of_the_table() {
        for (count, expected) in [(3, 1.153), (4, 1.463), (5, 1.672), (10, 2.176), (20, 2.557)] {
            let found = critical_deviation(count, 0.05 / count as f64).unwrap();
            assert!((found - expected).abs() < 1e-3, "{count}: {found}");
        }
    }
}
