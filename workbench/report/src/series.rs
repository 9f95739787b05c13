//! The values of one field in one group.

use crate::buckets::{Buckets, Merge};

/// A value and its time in nanoseconds since 1970.
pub type Sample = (i64, f64);

/// What a bucket keeps of its samples: the first, the lowest, the highest and the last. A line through these four
/// covers the same pixels as one through all samples, if a bucket is not wider than a column of pixels.
///
/// Source: Jugel et al., *M4: A Visualization-Oriented Time Series Data Aggregation*, 2014.
#[derive(Clone, Debug, PartialEq)]
pub struct Extent {
    pub first: Sample,
    pub lowest: Sample,
    pub highest: Sample,
    pub last: Sample,
}

impl Extent {
    fn of(sample: Sample) -> Self {
        Self { first: sample, lowest: sample, highest: sample, last: sample }
    }

    /// The samples by time, each once.
    fn samples(&self) -> impl Iterator<Item = Sample> {
        let mut samples = [self.first, self.lowest, self.highest, self.last];
        // The first and the last keep their places beside others of the same time.
        samples[1..3].sort_by_key(|sample| sample.0);
        (0..4).filter(move |i| *i == 0 || samples[*i] != samples[*i - 1]).map(move |i| samples[i])
    }
}

impl Merge for Extent {
    #[inline]
    fn merge(&mut self, other: Self) {
        if other.first.0 < self.first.0 {
            self.first = other.first;
        }
        if other.lowest.1 < self.lowest.1 {
            self.lowest = other.lowest;
        }
        if other.highest.1 > self.highest.1 {
            self.highest = other.highest;
        }
        if other.last.0 >= self.last.0 {
            self.last = other.last;
        }
    }
}

/// Values of a field at the resolution that the bound allows, and figures of all of them.
#[derive(Debug, Default)]
pub struct Series {
    buckets: Buckets<Extent>,
    count: u64,
    /// Mean, and sum of the squared distances to it.
    mean: f64,
    squares: f64,
}

impl Series {
    /// Adds a value, which must be finite.
    #[inline]
    pub fn add(&mut self, time: i64, value: f64, bound: usize) {
        self.buckets.add(time, Extent::of((time, value)), bound);
        // Source: Welford, *Note on a Method for Calculating Corrected Sums of Squares and Products*, 1962.
        self.count += 1;
        let distance = value - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (value - self.mean);
    }

    /// Number of values that were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Number of samples that there may be at the most.
    pub fn detail(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX).min(self.buckets.len() * 4)
    }

    /// Mean of all values.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Standard deviation of all values.
    pub fn deviation(&self) -> f64 {
        (self.squares / self.count.max(1) as f64).max(0.0).sqrt()
    }

    /// Whether the bucket of `time` has values on both sides of `value`, or the same.
    pub fn covers(&self, time: i64, value: f64) -> bool {
        self.buckets.at(time).is_some_and(|kept| kept.lowest.1 <= value && value <= kept.highest.1)
    }

    /// The samples by time, about `most` of them at most. The lowest and the highest are always among them.
    pub fn samples(&self, most: usize) -> Vec<Sample> {
        let coarser;
        let mut buckets = &self.buckets;
        if self.detail() > most {
            coarser = buckets.coarser(most / 4);
            buckets = &coarser;
        }
        buckets.iter().flat_map(Extent::samples).collect()
    }
}

/// Shortest gap that a line is broken at, in nanoseconds: many times what is usual between samples, and long enough
/// on the whole to be seen.
pub fn longest_step(samples: &[Sample], span: i64) -> i64 {
    const USUAL: i64 = 6;
    const OF_SPAN: i64 = 100;
    let mut steps: Vec<_> = samples.windows(2).map(|two| two[1].0.saturating_sub(two[0].0)).collect();
    let middle = steps.len() / 2;
    if steps.is_empty() {
        return i64::MAX;
    }
    let usual = *steps.select_nth_unstable(middle).1;
    usual.saturating_mul(USUAL).max(span / OF_SPAN).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_lowest_and_highest_are_those_of_the_data(
            samples in vec((any::<i64>(), -1e9..1e9f64), 1..400),
            bound in 8usize..64,
            most in 8usize..64,
        ) {
            let mut series = Series::default();
            for (time, value) in &samples {
                series.add(*time, *value, bound);
            }
            let drawn = series.samples(most);
            let by_value = |a: &&Sample, b: &&Sample| a.1.total_cmp(&b.1);
            prop_assert_eq!(
                drawn.iter().min_by(by_value).map(|sample| sample.1),
                samples.iter().min_by(by_value).map(|sample| sample.1)
            );
            prop_assert_eq!(
                drawn.iter().max_by(by_value).map(|sample| sample.1),
                samples.iter().max_by(by_value).map(|sample| sample.1)
            );
            prop_assert!(drawn.is_sorted_by_key(|sample| sample.0));
            prop_assert!(drawn.iter().all(|sample| samples.contains(sample)));
            prop_assert!(drawn.len() <= most.max(8), "{} of {most}", drawn.len());
            prop_assert!(series.covers(samples[0].0, samples[0].1));
            prop_assert_eq!(series.count(), samples.len() as u64);
        }
    }

    #[test]
    fn figures_are_of_all_values() {
        let mut series = Series::default();
        for value in [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0] {
            series.add(0, value, 2);
        }
        assert_eq!((series.mean(), series.deviation(), series.samples(8).len()), (5.0, 2.0, 2));
    }

    #[test]
    fn lines_break_at_long_gaps() {
        let samples: Vec<Sample> = [0, 10, 20, 30, 500, 510].map(|time| (time, 0.0)).into();
        assert_eq!(longest_step(&samples, 510), 60);
        assert_eq!(longest_step(&[], 510), i64::MAX);
    }
}
