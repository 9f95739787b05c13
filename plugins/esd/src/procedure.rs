//! The generalized extreme Studentized deviate test for several outliers, ESD.
//!
//! B. Rosner, *Percentage points for a generalized ESD many-outlier procedure*, Technometrics 25, 1983. With the
//! median in the place of the mean, and the median absolute deviation in that of the standard deviation, it is the
//! hybrid of J. Hochenbaum, O. Vallis and A. Kejariwal, *Automatic anomaly detection in the cloud via statistical
//! learning*, arXiv:1704.07706, 2017.

use algorithms::Side;
use algorithms::distributions::critical_deviation;
use kapacitor_guest::statistics::{Aggregate, Moments, Quantiles};

/// What is tested.
#[derive(Clone, Copy, Debug)]
pub struct Test {
    /// The level of significance.
    pub alpha: f64,
    /// Which values can be outliers.
    pub side: Side,
    /// Whether the scores are those of the median and the median absolute deviation.
    pub hybrid: bool,
}

/// A value that is an outlier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlier {
    /// Its place among the values.
    pub place: usize,
    /// Its distance from the mean in standard deviations, of the values that are no more extreme.
    pub score: f64,
    /// The score that is critical for as many values.
    pub critical: f64,
}

/// A value that was taken away: the most extreme one of those that were left.
struct Step {
    is_high: bool,
    score: f64,
}

/// The distance beyond which all values count as equally far, in units of the scale of the values: its square, and the
/// sum of many of them, is still a number.
const FURTHEST: f64 = 1e150;

impl Test {
    /// The outliers among the values, in order of their places, of which there can be `most`, and no more than half of
    /// the values. NaN is no value, and there must be no infinite ones.
    ///
    /// The most extreme value is taken away `most` times, and each time its score is compared with the critical value
    /// for as many values as there were. The last time at which it was greater says how many outliers there are: of
    /// several, the first ones may hide each other.
    ///
    /// It takes O(n log n), and for each value 8 bytes, and for each of the `most` about 100.
    pub fn outliers(self, values: &[f64], most: usize) -> Vec<Outlier> {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        if sorted.len() < 3 {
            return Vec::new();
        }
        // The scores do not change with origin and unit. With these no digits are lost to a large median or to an
        // outlier.
        let center = middle(&sorted);
        let unit = scale(&sorted, center);
        let relative = |value: f64| ((value - center) / unit).clamp(-FURTHEST, FURTHEST);
        sorted.iter_mut().for_each(|value| *value = relative(*value));
        let mut steps = self.steps(&sorted, most.min(sorted.len() / 2));
        let critical = |taken: usize| {
            let count = sorted.len() - taken;
            critical_deviation(count, self.alpha / self.side.count() / count as f64).unwrap_or(f64::INFINITY)
        };
        let found = (0..steps.len()).rev().find(|taken| steps[*taken].score > critical(*taken));
        steps.truncate(found.map_or(0, |last| last + 1));
        let highs = steps.iter().filter(|step| step.is_high).count();
        let (low, high) =
            ends(values.iter().map(|value| relative(*value)), &sorted, steps.len() - highs, highs);
        let (mut low, mut high) = (low.into_iter(), high.into_iter());
        let places = steps.iter().map_while(|step| if step.is_high { high.next() } else { low.next() });
        let mut outliers: Vec<Outlier> = places
            .zip(steps.iter().enumerate())
            .map(|(place, (taken, step))| Outlier { place, score: step.score, critical: critical(taken) })
            .collect();
        outliers.sort_unstable_by_key(|outlier| outlier.place);
        outliers
    }

    /// The values that are taken away from sorted ones, of which `most` are at most half. It ends early if all that
    /// are left are the same, or if more than half of them are for the hybrid.
    fn steps(self, sorted: &[f64], most: usize) -> Vec<Step> {
        let parts = (!self.hybrid).then(|| Parts::new(sorted, most));
        let (mut low, mut high) = (0, sorted.len());
        let mut steps = Vec::with_capacity(most);
        while steps.len() < most {
            let left = &sorted[low..high];
            let (center, sigma) = match &parts {
                Some(parts) => parts.mean_and_sigma(low, high),
                None => {
                    let center = middle(left);
                    (center, Quantiles::SIGMA_PER_MAD * deviation(left, center))
                }
            };
            let lowest = self.side.distance(left[0] - center);
            let highest = self.side.distance(left[left.len() - 1] - center);
            if sigma <= 0.0 || left[0] == left[left.len() - 1] {
                break;
            }
            let is_high = highest >= lowest;
            // Of what is left, nearly all may be the same.
            steps.push(Step { is_high, score: (highest.max(lowest) / sigma).min(f64::MAX) });
            if is_high { high -= 1 } else { low += 1 }
        }
        steps
    }
}

/// The places of the lowest values, the lowest first, and of the highest ones, the highest first: as many of both as
/// are asked for. Of equal values the first ones are taken.
fn ends(
    values: impl Iterator<Item = f64>,
    sorted: &[f64],
    lows: usize,
    highs: usize,
) -> (Vec<usize>, Vec<usize>) {
    let below = lows.checked_sub(1).map_or(f64::NEG_INFINITY, |last| sorted[last]);
    let above = if highs > 0 { sorted[sorted.len() - highs] } else { f64::INFINITY };
    let (mut low, mut high) = (Vec::with_capacity(lows), Vec::with_capacity(highs));
    for (place, value) in values.enumerate() {
        if value <= below {
            low.push((value, place));
        } else if value >= above {
            high.push((-value, place));
        }
    }
    let places = |mut end: Vec<(f64, usize)>, count: usize| {
        end.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        end.into_iter().take(count).map(|(_, place)| place).collect()
    };
    (places(low, lows), places(high, highs))
}

/// Mean and variance of what is left of sorted values while some at both ends are taken away. Nothing is ever
/// subtracted, so that a large value which is taken away leaves no error behind.
struct Parts {
    /// The moments of the values that always stay.
    core: Moments,
    /// Those of the lowest values from each place on up to the core.
    low: Vec<Moments>,
    /// Those of the highest values from the core on up to each place.
    high: Vec<Moments>,
    /// The place of the first value above the core.
    above: usize,
}

impl Parts {
    fn new(sorted: &[f64], most: usize) -> Self {
        let above = sorted.len() - most;
        let running = |values: &mut dyn Iterator<Item = &f64>| {
            let mut moments = Moments::default();
            let add = |value: &f64| {
                moments.push(*value);
                moments
            };
            std::iter::once(Moments::default()).chain(values.map(add)).collect::<Vec<_>>()
        };
        let mut low = running(&mut sorted[..most].iter().rev());
        low.reverse();
        let high = running(&mut sorted[above..].iter());
        let mut core = Moments::default();
        sorted[most..above].iter().for_each(|value| core.push(*value));
        Self { core, low, high, above }
    }

    /// Mean and standard deviation of the values from one place up to, and without, another one.
    fn mean_and_sigma(&self, low: usize, high: usize) -> (f64, f64) {
        let moments = self.low[low].merge(&self.core).merge(&self.high[high - self.above]);
        (moments.mean().unwrap_or_default(), moments.sample_std_dev().unwrap_or_default())
    }
}

/// The median of sorted values.
fn middle(sorted: &[f64]) -> f64 {
    sorted[(sorted.len() - 1) / 2].midpoint(sorted[sorted.len() / 2])
}

/// A distance from the center that is typical: the median one, or the smallest above 0.
fn scale(sorted: &[f64], center: f64) -> f64 {
    let typical = deviation(sorted, center);
    if typical > 0.0 {
        return typical;
    }
    let distances = sorted.iter().map(|value| (value - center).abs()).filter(|distance| *distance > 0.0);
    distances.reduce(f64::min).unwrap_or(1.0)
}

/// The median of the absolute deviations of sorted values from their median. Those below it and those above it are in
/// order, so it is found in O(log n).
fn deviation(sorted: &[f64], center: f64) -> f64 {
    let half = sorted.len() / 2;
    let upper = nth_deviation(sorted, center, half);
    if sorted.len() % 2 == 1 { upper } else { nth_deviation(sorted, center, half - 1).midpoint(upper) }
}

/// The `n`th of the absolute deviations from the center, from 0 on: the least distance within which there are more
/// than `n` values. The n + 1 values that are nearest to the center lie side by side, and of all such ranges theirs
/// has the smallest largest distance.
fn nth_deviation(sorted: &[f64], center: f64, n: usize) -> f64 {
    let below = |begin: usize| center - sorted[begin];
    let above = |begin: usize| sorted[begin + n] - center;
    // The first range whose upper end is as far away as its lower end, or further.
    let (mut first, mut last) = (0, sorted.len() - 1 - n);
    while first < last {
        let begin = usize::midpoint(first, last);
        if above(begin) < below(begin) { first = begin + 1 } else { last = begin }
    }
    let at = |begin: usize| above(begin).max(below(begin));
    if first > 0 { at(first).min(at(first - 1)) } else { at(first) }
}
