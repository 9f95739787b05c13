//! Things in time, at a resolution that a bound on their number allows.
//!
//! Time is cut into buckets of one width, and only buckets that have something are kept. When there are too many,
//! the width doubles until half as many are left. A lone point far from the others, such as one at the beginning
//! of 1970, therefore costs one bucket, and not the resolution of all others.

/// Something that a bucket keeps of what falls into it.
pub trait Merge {
    /// Takes in `other`, which may be earlier or later, or between.
    fn merge(&mut self, other: Self);
}

/// Buckets in the order of their time.
#[derive(Debug)]
pub struct Buckets<T> {
    /// A bucket is 2^shift nanoseconds wide.
    shift: u32,
    /// Number of a bucket, which is the time of its points divided by the width, and what it keeps.
    buckets: Vec<(i64, T)>,
}

impl<T> Default for Buckets<T> {
    fn default() -> Self {
        Self { shift: 0, buckets: Vec::new() }
    }
}

impl<T: Merge> Buckets<T> {
    /// Adds `item` at `time`, and leaves `bound` buckets at most. `bound` may differ from call to call, and is at
    /// least 2.
    #[inline]
    pub fn add(&mut self, time: i64, item: T, bound: usize) {
        let number = time >> self.shift;
        match self.buckets.last_mut() {
            Some((last, kept)) if *last == number => return kept.merge(item),
            Some((last, _)) if *last > number => {
                match self.buckets.binary_search_by_key(&number, |(number, _)| *number) {
                    Ok(i) => return self.buckets[i].1.merge(item),
                    Err(i) => self.buckets.insert(i, (number, item)),
                }
            }
            _ => self.buckets.push((number, item)),
        }
        if self.buckets.len() > bound {
            self.coarsen((bound / 2).max(1));
        }
    }

    /// Doubles the width until `most` buckets are left at most. A width of 2^63 ns leaves two: before and after
    /// 1970.
    fn coarsen(&mut self, most: usize) {
        let doublings = |by: u32| self.buckets.chunk_by(|(a, _), (b, _)| a >> by == b >> by).count() <= most;
        let left = 63 - self.shift;
        let by = (1..=left).find(|by| doublings(*by)).unwrap_or(left);
        self.shift += by;
        let mut kept: Vec<(i64, T)> = Vec::with_capacity(self.buckets.len());
        for (number, item) in std::mem::take(&mut self.buckets) {
            let number = number >> by;
            match kept.last_mut() {
                Some((last, merged)) if *last == number => merged.merge(item),
                _ => kept.push((number, item)),
            }
        }
        self.buckets = kept;
    }

    /// What the bucket of `time` keeps.
    pub fn at(&self, time: i64) -> Option<&T> {
        let number = time >> self.shift;
        let found = self.buckets.binary_search_by_key(&number, |(number, _)| *number);
        found.ok().map(|i| &self.buckets[i].1)
    }

    /// What is kept, by time.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.buckets.iter().map(|(_, item)| item)
    }

    /// Number of buckets.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }
}

impl<T: Merge + Clone> Buckets<T> {
    /// The same in `most` buckets at most, with `most` of at least 2.
    pub fn coarser(&self, most: usize) -> Self {
        let mut coarser = Self { shift: self.shift, buckets: self.buckets.clone() };
        if coarser.len() > most {
            coarser.coarsen(most.max(2));
        }
        coarser
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Count(u64);

    impl Merge for Count {
        fn merge(&mut self, other: Self) {
            self.0 += other.0;
        }
    }

    #[test]
    fn a_stray_time_costs_one_bucket() {
        let mut buckets = Buckets::default();
        let start = 1_772_431_200_000_000_000;
        for i in 0..100_000 {
            buckets.add(start + i * 1_000_000_000, Count(1), 1000);
        }
        let before = buckets.len();
        buckets.add(0, Count(1), 1000);
        assert!(before > 500 && buckets.len() == before + 1, "{before}, {}", buckets.len());
        assert_eq!(buckets.coarser(2).len(), 2);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_the_bound_holds(times in vec(any::<i64>(), 0..300), bound in 2usize..50) {
            let mut buckets = Buckets::default();
            for time in &times {
                buckets.add(*time, Count(1), bound);
                prop_assert!(buckets.at(*time).is_some());
                prop_assert!(buckets.len() <= bound);
            }
            prop_assert_eq!(buckets.iter().map(|count| count.0).sum::<u64>(), times.len() as u64);
            prop_assert!(buckets.buckets.is_sorted_by_key(|(number, _)| *number));
        }
    }
}
