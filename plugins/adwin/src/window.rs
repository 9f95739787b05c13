//! A window that is cut where the mean changes.

use algorithms::Direction;
use kapacitor_guest::statistics::{Aggregate, Moments};
use serde::{Deserialize, Serialize};

/// How a [`Window`] looks for changes. The names are those of `drift.ADWIN` of river.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The confidence, above 0 and at most 1.
    pub delta: f64,
    /// Number of values from one search to the next, at least 1.
    pub clock: u64,
    /// The most buckets of one size, at least 2.
    pub max_buckets: usize,
    /// The fewest values on each side of a cut, at least 1.
    pub min_window_length: u64,
    /// The most values that are not searched yet.
    pub grace_period: u64,
    /// The difference between the largest and the least value that are possible.
    pub range: f64,
}

/// All values since the last change, in an exponential histogram: buckets with the count, mean and variance of 1, 2,
/// 4... values, and at most `max_buckets` of each size. So n values take O(log n) memory, and one more takes O(1)
/// time, averaged over all.
///
/// Now and then all places between two buckets are looked at: n values lie before such a place and m after it. The
/// window is cut there if the means of both sides differ by more than this, where `v` is the variance and `w` the
/// number of all values, and both counts are reduced by `min_window_length - 1`:
///
/// ```text
/// h = 1 / n + 1 / m      c = ln(2 ln(w) / delta)      sqrt(2 h v c) + 2/3 h c range
/// ```
///
/// Sources: A. Bifet and R. Gavaldà, *Learning from time-changing data with adaptive windowing*, SIAM International
/// Conference on Data Mining, 2007; the histogram is that of M. Datar, A. Gionis, P. Indyk and R. Motwani, *Maintaining
/// stream statistics over sliding windows*, SIAM Journal on Computing 31, 2002. The reduced counts are river's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Window {
    all: Moments,
    /// The oldest first, so that sizes never grow.
    buckets: Vec<Moments>,
}

impl Window {
    /// Adds a finite value. Returns whether the mean has changed and whither; the window then has what came after the
    /// change, as far as buckets tell. A window that has found a change is to be replaced by an empty one before the
    /// next value.
    pub fn push(&mut self, value: f64, settings: &Settings) -> Option<Direction> {
        self.all.push(value);
        self.buckets.push(Moments::one(value));
        self.merge_buckets(settings.max_buckets);
        let count = self.all.count();
        if count <= settings.grace_period || !count.is_multiple_of(settings.clock) {
            return None;
        }
        self.merge_all();
        let before = self.all;
        while self.has_cut(settings) {
            self.buckets.remove(0);
            self.merge_all();
        }
        if self.all.count() == count {
            return None;
        }
        Some(if self.all.mean() > before.mean() { Direction::Up } else { Direction::Down })
    }

    /// The number of values.
    pub fn width(&self) -> u64 {
        self.all.count()
    }

    /// The mean of the values; `None` without any.
    pub fn mean(&self) -> Option<f64> {
        self.all.mean()
    }

    /// Computes what all buckets have together, anew, so that no rounding errors gather in a long window.
    fn merge_all(&mut self) {
        self.all = self.buckets.iter().fold(Moments::default(), |all, bucket| all.merge(bucket));
    }

    /// Merges the two oldest buckets of each size of which there are too many.
    fn merge_buckets(&mut self, most: usize) {
        let mut end = self.buckets.len();
        while let Some(newest) = end.checked_sub(1) {
            let size = self.buckets[newest].count();
            let same = self.buckets[..end].iter().rev().take_while(|bucket| bucket.count() == size).count();
            if same <= most {
                break;
            }
            let oldest = end - same;
            let later = self.buckets.remove(oldest + 1);
            self.buckets[oldest] = self.buckets[oldest].merge(&later);
            end = oldest + 1;
        }
    }

    /// Whether the mean of older buckets differs from that of the others, wherever the window is cut.
    fn has_cut(&self, settings: &Settings) -> bool {
        let (Some(mean), Some(variance), Some((_, others))) =
            (self.all.mean(), self.all.population_variance(), self.buckets.split_last())
        else {
            return false;
        };
        let width = self.all.count() as f64;
        let least = settings.min_window_length as f64;
        let confidence = (2.0 * width.ln() / settings.delta).ln();
        let (mut before, mut deviations) = (0.0, 0.0);
        for bucket in others {
            let count = bucket.count() as f64;
            before += count;
            // From the mean of all, so that those after the place have the same sum with the other sign.
            deviations += count * (bucket.mean().unwrap_or(mean) - mean);
            let after = width - before;
            if before < least || after < least {
                continue;
            }
            let share = 1.0 / (before - least + 1.0) + 1.0 / (after - least + 1.0);
            let bound = (2.0 * share * variance * confidence).sqrt()
                + 2.0 / 3.0 * share * confidence * settings.range;
            if (deviations / before + deviations / after).abs() > bound {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OFTEN: Settings =
        Settings { delta: 0.2, clock: 1, max_buckets: 2, min_window_length: 1, grace_period: 1, range: 1.0 };

    /// The same with all values, and with the sizes of the buckets alone.
    #[derive(Default)]
    struct Naive {
        values: Vec<f64>,
        /// The oldest first.
        sizes: Vec<usize>,
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    impl Naive {
        fn push(&mut self, value: f64, settings: &Settings) -> bool {
            self.values.push(value);
            self.sizes.push(1);
            let mut size = 1;
            while self.sizes.iter().filter(|other| **other == size).count() > settings.max_buckets {
                let oldest = self.sizes.iter().position(|other| *other == size).unwrap();
                self.sizes.remove(oldest);
                size *= 2;
                self.sizes[oldest] = size;
            }
            let count = self.values.len() as u64;
            let mut found = false;
            let is_time = count > settings.grace_period && count.is_multiple_of(settings.clock);
            while is_time && self.has_cut(settings) {
                self.values.drain(..self.sizes.remove(0));
                found = true;
            }
            found
        }

        fn has_cut(&self, settings: &Settings) -> bool {
            let (width, all) = (self.values.len(), mean(&self.values));
            let variance = mean(&self.values.iter().map(|value| (value - all).powi(2)).collect::<Vec<_>>());
            let least = settings.min_window_length as usize;
            let mut place = 0;
            self.sizes[..self.sizes.len() - 1].iter().any(|size| {
                place += size;
                if place < least || width - place < least {
                    return false;
                }
                let (before, after) = self.values.split_at(place);
                let share = 1.0 / (place - least + 1) as f64 + 1.0 / (width - place - least + 1) as f64;
                let confidence = (2.0 * (width as f64).ln() / settings.delta).ln();
                let bound = (2.0 * share * variance * confidence).sqrt()
                    + 2.0 / 3.0 * share * confidence * settings.range;
                (mean(before) - mean(after)).abs() > bound
            })
        }
    }

    proptest! {
        #[test]
        fn changes_are_found_where_all_values_tell(
            parts in proptest::collection::vec((-20.0..20.0, 1_usize..80), 1..5),
            noise in proptest::collection::vec(-1.0..1.0, 320),
            clock in 1_u64..9,
            max_buckets in 2_usize..6,
            min_window_length in 1_u64..9,
            grace_period in 0_u64..20,
        ) {
            let settings = Settings { clock, max_buckets, min_window_length, grace_period, ..OFTEN };
            let levels = parts.iter().flat_map(|(level, count)| std::iter::repeat_n(*level, *count));
            let (mut window, mut naive) = (Window::default(), Naive::default());
            for value in levels.zip(noise).map(|(level, noise)| level + noise) {
                let whole = mean(&[&naive.values[..], &[value]].concat());
                let change = window.push(value, &settings);
                prop_assert_eq!(change.is_some(), naive.push(value, &settings));
                prop_assert_eq!(window.width(), naive.values.len() as u64);
                prop_assert!((window.mean().unwrap() - mean(&naive.values)).abs() < 1e-11);
                let sizes: Vec<_> = window.buckets.iter().map(|bucket| bucket.count() as usize).collect();
                prop_assert_eq!(&sizes, &naive.sizes);
                if let Some(direction) = change {
                    prop_assert_eq!(direction == Direction::Up, mean(&naive.values) > whole);
                    (window, naive) = (Window::default(), Naive::default());
                }
            }
        }
    }

    #[test]
    fn the_grace_period_ends_with_its_last_value() {
        let found = |grace_period: u64| {
            let mut window = Window::default();
            let mut values = (1..40).map(|count| if count > 8 { 9.0 } else { 0.0 }).zip(1..);
            let settings = Settings { grace_period, ..OFTEN };
            values.find(|(value, _)| window.push(*value, &settings).is_some()).unwrap().1
        };
        let first = found(0);
        assert_eq!((found(first - 1), found(first)), (first, first + 1));
    }

    #[test]
    fn results_of_extreme_values_are_finite() {
        let mut window = Window::default();
        for value in [f64::MAX, f64::MIN, 0.0, f64::MIN, f64::MAX, f64::MAX, 5e-324, 1.0].repeat(9) {
            let change = window.push(value, &OFTEN);
            assert!(window.mean().unwrap().is_finite() && window.width() > 0);
            if change.is_some() {
                window = Window::default();
            }
        }
    }

    /// Ten million values without a change, against exact sums; the memory is that of a few buckets of each size.
    #[test]
    fn nothing_drifts() {
        let settings = Settings {
            delta: 1e-15,
            clock: 1024,
            max_buckets: 5,
            min_window_length: 5,
            grace_period: 10,
            range: 1.0,
        };
        let (mut window, mut seed, mut sum, mut squares) = (Window::default(), 1_u64, 0_i128, 0_i128);
        for count in 1..=10_000_000_u64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = 1_000_000_000 + i128::from(seed >> 33) % 100;
            (sum, squares) = (sum + value, squares + value * value);
            assert_eq!(window.push(value as f64, &settings), None);
            if count % 65_536 == 0 {
                let exact = sum as f64 / count as f64;
                assert!((window.mean().unwrap() / exact - 1.0).abs() < 1e-15);
                let scaled = squares * i128::from(count) - sum * sum;
                let exact = scaled as f64 / (count as f64 * count as f64);
                let variance = window.all.population_variance().unwrap();
                assert!((variance / exact - 1.0).abs() < 1e-9, "{count}: {variance} {exact}");
            }
        }
        assert_eq!(window.width(), 10_000_000);
        assert!(window.buckets.len() < 5 * 24);
    }
}
