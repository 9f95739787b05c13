//! The views of a series: each makes one number of a value, which is large where the value is unusual in its way.

use serde::{Deserialize, Serialize};

/// A mean in which the newest numbers count 1/length, and the first ones as much as each other.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Mean {
    mean: f64,
    count: f64,
}

impl Mean {
    /// The mean so far; 0 before the first number.
    pub fn get(&self) -> f64 {
        self.mean
    }

    /// Adds a number.
    pub fn push(&mut self, number: f64, length: f64) {
        self.count = (self.count + 1.0).min(length);
        self.mean += (number - self.mean) / self.count;
    }

    /// The distance of a number from the mean of those before it, 0 for the first. The number is added.
    pub fn distance(&mut self, number: f64, length: f64) -> f64 {
        let distance = if self.count == 0.0 { 0.0 } else { (number - self.mean).abs() };
        self.push(number, length);
        distance
    }
}

/// The distance from what is usual in this hour of the day.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Day {
    hours: Vec<Mean>,
    /// The hour of the newest value, counted from 1970.
    newest: i64,
    /// The number of values in this hour, and in the last one that had some before it.
    values: f64,
    values_before: f64,
}

impl Day {
    const HOURS: usize = 24;
    /// The number of days after which a value counts 1/e.
    const DAYS: f64 = 4.0;
    /// The least number of values after which one counts that.
    const LEAST: f64 = 50.0;

    pub fn push(&mut self, time: i64, value: f64) -> f64 {
        const HOUR: i64 = 3_600_000_000_000;
        if self.hours.is_empty() {
            self.hours = vec![Mean::default(); Self::HOURS];
        }
        let hour = time.div_euclid(HOUR);
        if hour != self.newest {
            (self.newest, self.values_before, self.values) = (hour, self.values, 0.0);
        }
        self.values += 1.0;
        let length = Self::DAYS * self.values_before.max(self.values);
        let hour = hour.rem_euclid(Self::HOURS as i64) as usize;
        self.hours[hour].distance(value, length.max(Self::LEAST))
    }
}

#[cfg(test)]
impl Day {
    /// The memory that it takes beside its own size, in bytes.
    pub fn heap(&self) -> usize {
        self.hours.capacity() * size_of::<Mean>()
    }
}

/// How the mean distance of the last values from their mean compares with that of long ago: the logarithm of the ratio.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Spread {
    mean: Mean,
    short: Mean,
    long: Mean,
}

impl Spread {
    pub fn push(&mut self, value: f64) -> f64 {
        let distance = self.mean.distance(value, 50.0);
        self.short.push(distance, 20.0);
        self.long.push(distance, 1000.0);
        let long = self.long.get();
        if long > 0.0 { (self.short.get() / long + 0.01).ln() } else { 0.0 }
    }
}

/// How the distribution of the last values differs from that of those before: the relative entropy of shares of eight
/// ranges, which had equal shares before.
///
/// C. Wang, K. Viswanathan, L. Choudur, V. Talwar, W. Satterfield and K. Schwan, *Statistical techniques for online
/// anomaly detection in data centers*, IFIP/IEEE IM 2011. There the ranges are of equal width.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Shares {
    /// The last values, in a ring.
    recent: Vec<f64>,
    /// Every fourth value of those before, in a ring.
    past: Vec<f64>,
    count: u64,
    /// The count at which the ranges are fitted again.
    next: u64,
    /// The bounds of the ranges.
    bounds: Vec<f64>,
    /// Numbers of values of each range: recent ones, and ones before.
    of_recent: [f64; Self::RANGES],
    of_past: [f64; Self::RANGES],
}

impl Shares {
    const RANGES: usize = 8;
    const RECENT: usize = 50;
    const PAST: usize = 256;
    /// Once the past is full, every so manieth value enters it.
    const STRIDE: u64 = 4;
    /// The number of values that the past stands for.
    const MEMORY: f64 = (Self::PAST as u64 * Self::STRIDE) as f64;
    /// The first ranges are fitted to so many values.
    const FIRST: usize = 50;

    fn range(&self, value: f64) -> usize {
        self.bounds.partition_point(|bound| *bound < value)
    }

    pub fn push(&mut self, value: f64) -> f64 {
        let fitted = !self.bounds.is_empty();
        let place = (self.count % Self::RECENT as u64) as usize;
        if self.recent.len() < Self::RECENT {
            self.recent.push(value);
        } else {
            let old = std::mem::replace(&mut self.recent[place], value);
            self.remember(old);
            if fitted {
                let range = self.range(old);
                self.of_recent[range] -= 1.0;
                self.of_past[range] += 1.0;
                if self.of_past.iter().sum::<f64>() > Self::MEMORY {
                    self.of_past.iter_mut().for_each(|number| *number *= 0.5);
                }
            }
        }
        self.count += 1;
        if fitted {
            self.of_recent[self.range(value)] += 1.0;
        }
        if self.past.len() >= Self::FIRST && self.count >= self.next {
            self.fit();
        }
        if self.bounds.is_empty() { 0.0 } else { self.entropy() }
    }

    fn remember(&mut self, value: f64) {
        let stride = (self.count / Self::PAST as u64).clamp(1, Self::STRIDE);
        if self.past.len() < Self::PAST {
            self.past.push(value);
        } else if self.count.is_multiple_of(stride) {
            self.past[(self.count / stride % Self::PAST as u64) as usize] = value;
        }
    }

    /// Makes ranges of the past, with about equal shares, and counts anew.
    fn fit(&mut self) {
        self.next = self.count + self.count.min((Self::MEMORY / 2.0) as u64);
        let mut past = self.past.clone();
        past.sort_unstable_by(f64::total_cmp);
        self.bounds = (1..Self::RANGES).map(|range| past[range * past.len() / Self::RANGES]).collect();
        let weight = Self::MEMORY.min(self.count as f64) / past.len() as f64;
        (self.of_past, self.of_recent) = ([0.0; Self::RANGES], [0.0; Self::RANGES]);
        for value in past {
            self.of_past[self.range(value)] += weight;
        }
        for place in 0..self.recent.len() {
            self.of_recent[self.range(self.recent[place])] += 1.0;
        }
    }

    fn entropy(&self) -> f64 {
        let (before, now) = (self.of_past.iter().sum::<f64>(), self.recent.len() as f64);
        let terms = self.of_recent.iter().zip(&self.of_past).map(|(recent, past)| {
            // A range that had no values counts as if it had had half of one.
            let (share, usual) = (recent / now, past.max(0.5) / before);
            if share > 0.0 { share * (share / usual).ln() } else { 0.0 }
        });
        terms.sum::<f64>().max(0.0)
    }
}

#[cfg(test)]
impl Shares {
    /// The memory that it takes beside its own size, in bytes.
    pub fn heap(&self) -> usize {
        (self.recent.capacity() + self.past.capacity() + self.bounds.capacity()) * size_of::<f64>()
    }
}
