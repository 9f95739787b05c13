//! Aggregates of a window.

use crate::statistics::extent::{Entry, Extent, Gate};

/// What a [`Sliding`] window keeps of its numbers: [`Moments`](crate::statistics::Moments),
/// [`Extremes`](crate::statistics::Extremes), or a type of your own. It knows nothing of the times of the numbers.
///
/// `merge` must be associative, at least up to rounding. It need not be commutative.
pub trait Aggregate: Clone {
    /// The aggregate of one number.
    fn one(value: f64) -> Self;

    /// The aggregate of these numbers and of the ones that came after them.
    #[must_use]
    fn merge(&self, later: &Self) -> Self;
}

/// The aggregate of a window: of the last numbers of a series, or of those of the last minutes.
///
/// What has left the window has no effect on the aggregate, no rounding error included: nothing is ever subtracted.
/// The aggregate of n numbers is the result of at most n merges.
///
/// A window of n numbers takes at most 2 n times the size of the aggregate and 24 bytes. [`Sliding::push`] takes constant
/// time, averaged over all calls: one call in n may take the time of n.
///
/// # Algorithm
///
/// A queue of two stacks. The older one holds, for each of its numbers, the aggregate of that number and all younger ones
/// in the stack, so that the oldest number can be taken away; the younger one has one aggregate. When the older one is
/// empty, the younger one is turned over. See K. Tangwongsan, M. Hirzel and S. Schneider, *Low-latency sliding-window
/// aggregation in worst-case constant time*, ACM DEBS, 2017, where it is called Two-Stacks.
///
/// ```
/// use std::time::Duration;
/// use kapacitor_guest::statistics::{Extent, Extremes, Sliding};
///
/// let mut window = Sliding::<Extremes>::default();
/// for (time, value) in [(0, 9.0), (1, 3.0), (2, 5.0), (10, 4.0)] {
///     window.push(time, value, Extent::within(Duration::from_nanos(10)));
/// }
/// assert_eq!(window.aggregate().map(|extremes| extremes.max()), Some(5.0));
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Sliding<A> {
    gate: Gate,
    /// Times and aggregates of the older numbers, the oldest last.
    older: Vec<(i64, A)>,
    /// Times and values of the younger numbers, the youngest last.
    younger: Vec<(i64, f64)>,
    /// The aggregate of the younger numbers.
    total: Option<A>,
}

impl<A> Default for Sliding<A> {
    fn default() -> Self {
        Self { gate: Gate::default(), older: Vec::new(), younger: Vec::new(), total: None }
    }
}

impl<A: Aggregate> Sliding<A> {
    /// Adds a number, and removes those that `extent` does not reach, which may be another one than before. The time is
    /// in nanoseconds since 1970.
    ///
    /// Returns whether the number was taken; see [`Extent`] for values that come late.
    pub fn push(&mut self, time: i64, value: f64, extent: Extent) -> bool {
        let time = match self.gate.admit(time, extent, self.is_empty()) {
            Entry::Taken(time) => time,
            Entry::Anew(time) => {
                (self.older, self.younger, self.total) = (Vec::new(), Vec::new(), None);
                time
            }
            Entry::LeftOut => return false,
        };
        self.younger.push((time, value));
        let one = A::one(value);
        self.total = Some(self.total.as_ref().map_or_else(|| one.clone(), |total| total.merge(&one)));
        self.let_go(extent);
        true
    }

    /// Removes the numbers that `extent` does not reach from this time, in nanoseconds since 1970, as a push would: for a
    /// point that is to be compared with those before it. A time that is not after that of the newest number changes
    /// nothing.
    pub fn advance(&mut self, time: i64, extent: Extent) {
        if self.gate.advance(time, extent, self.is_empty()) {
            self.let_go(extent);
        }
    }

    fn let_go(&mut self, extent: Extent) {
        while let Some(oldest) = self.oldest()
            && self.gate.lets_go(oldest, self.len(), extent)
        {
            self.pop();
        }
    }

    /// The time of the oldest number.
    fn oldest(&self) -> Option<i64> {
        self.older.last().map(|(time, _)| *time).or_else(|| self.younger.first().map(|(time, _)| *time))
    }

    /// Removes the oldest number.
    fn pop(&mut self) {
        if self.older.is_empty() {
            let mut later: Option<A> = None;
            for (time, value) in self.younger.drain(..).rev() {
                let one = A::one(value);
                let all = later.as_ref().map_or_else(|| one.clone(), |later| one.merge(later));
                self.older.push((time, all.clone()));
                later = Some(all);
            }
            self.total = None;
        }
        self.older.pop();
    }

    /// The aggregate of the window; `None` if it is empty.
    pub fn aggregate(&self) -> Option<A> {
        match (self.older.last(), &self.total) {
            (Some((_, older)), Some(younger)) => Some(older.merge(younger)),
            (Some((_, older)), None) => Some(older.clone()),
            (None, younger) => younger.clone(),
        }
    }

    /// The number of numbers in the window.
    pub fn len(&self) -> usize {
        self.older.len() + self.younger.len()
    }

    /// Whether the window is empty.
    pub fn is_empty(&self) -> bool {
        self.older.is_empty() && self.younger.is_empty()
    }

    /// Removes all numbers.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
