//! Welch's t-test of whether two samples have the same mean.
//!
//! B. L. Welch, *The generalization of "Student's" problem when several different population variances are involved*,
//! Biometrika 34, 1947. The degrees of freedom are those of F. E. Satterthwaite, *An approximate distribution of
//! estimates of variance components*, Biometrics Bulletin 2, 1946.

use algorithms::Side;
use algorithms::distributions::student_t_above;
use kapacitor_guest::statistics::Moments;

/// The count, the mean and the variance of some values.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The mean.
    pub mean: f64,
    count: u64,
    /// The sum of the squares of the deviations from the mean.
    squares: f64,
}

impl Sample {
    /// That of values which are larger by `shift` than those of the moments, of which there must be some.
    pub fn of(moments: &Moments, shift: f64) -> Self {
        let count = moments.count();
        let variance = moments.population_variance().unwrap_or_default();
        Self { mean: shift + moments.mean().unwrap_or_default(), count, squares: variance * count as f64 }
    }

    /// That of the values of both: as `Moments` are merged, which can't be shifted.
    pub fn merge(&self, later: &Self) -> Self {
        let count = self.count + later.count;
        let (difference, share) = (later.mean - self.mean, later.count as f64 / count as f64);
        Self {
            mean: self.mean + difference * share,
            count,
            squares: self.squares + later.squares + difference * (difference * (self.count as f64 * share)),
        }
    }

    /// With n - 1 in the place of n; `None` of fewer than two values.
    fn variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.squares / (self.count - 1) as f64)
    }
}

/// What the test says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Test {
    /// The difference of the means in units of its standard error; `None` if that is 0 and the means differ,
    /// or next to 0.
    pub t: Option<f64>,
    /// The degrees of freedom; `None` if no sample has a variance.
    pub freedom: Option<f64>,
    /// The probability of a difference that is at least as large, if both samples have the same mean.
    pub p: f64,
}

/// Tests whether the mean of `now` differs from that of `before`, or is above or below it. `None` if a sample has
/// fewer than two values, or a variance above [`f64::MAX`].
pub fn test(now: &Sample, before: &Sample, side: Side) -> Option<Test> {
    // The variance of a mean.
    let of_mean = |sample: &Sample| Some(sample.variance()? / sample.count as f64);
    let (now_variance, before_variance) = (of_mean(now)?, of_mean(before)?);
    let difference = now.mean - before.mean;
    let variance = now_variance + before_variance;
    if !variance.is_finite() || !difference.is_finite() {
        return None;
    }
    if variance == 0.0 {
        // The limit for a variance that becomes smaller and smaller.
        let t = if difference == 0.0 { 0.0 } else { f64::INFINITY.copysign(difference) };
        return Some(Test {
            t: Some(t).filter(|t| t.is_finite()),
            freedom: None,
            p: probability(t, 1.0, side),
        });
    }
    let t = difference / variance.sqrt();
    // (v₁ + v₂)² / (v₁² / (n₁ - 1) + v₂² / (n₂ - 1)), without squares that are too large or too small.
    let part = |part: f64, sample: &Sample| (part / variance).powi(2) / (sample.count - 1) as f64;
    let freedom = 1.0 / (part(now_variance, now) + part(before_variance, before));
    Some(Test {
        t: Some(t).filter(|t| t.is_finite()),
        freedom: Some(freedom),
        p: probability(t, freedom, side),
    })
}

/// The probability of a value that is at least as far to this side.
fn probability(t: f64, freedom: f64, side: Side) -> f64 {
    (side.count() * student_t_above(side.distance(t), freedom)).min(1.0)
}
