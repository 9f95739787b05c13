//! The last values of a series.

use std::collections::VecDeque;

use crate::statistics::extent::{Entry, Extent, Gate};

/// The last values of a series, of any type, with their times.
///
/// A window of n values takes at most 2 n times the size of a value and 8 bytes. [`Window::push`] takes constant time, averaged over
/// all calls.
///
/// ```
/// use std::num::NonZeroUsize;
/// use kapacitor_guest::statistics::{Extent, Window};
///
/// let mut window = Window::default();
/// let three = Extent::last(NonZeroUsize::new(3).unwrap());
/// for (time, state) in [(1, "up"), (2, "down"), (5, "up"), (6, "up")] {
///     window.push(time, state, three);
/// }
/// assert_eq!(window.iter().collect::<Vec<_>>(), [(2, &"down"), (5, &"up"), (6, &"up")]);
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Window<T> {
    gate: Gate,
    values: VecDeque<(i64, T)>,
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self { gate: Gate::default(), values: VecDeque::new() }
    }
}

impl<T> Window<T> {
    /// Adds a value, and removes those that `extent` does not reach, which may be another one than before. The time is
    /// in nanoseconds since 1970.
    ///
    /// Returns whether the value was taken; see [`Extent`] for values that come late.
    pub fn push(&mut self, time: i64, value: T, extent: Extent) -> bool {
        self.push_and_pass(time, value, extent, |_| {})
    }

    /// The same, and passes on the values that leave.
    pub(super) fn push_and_pass(
        &mut self,
        time: i64,
        value: T,
        extent: Extent,
        mut left: impl FnMut(T),
    ) -> bool {
        let time = match self.gate.admit(time, extent, self.values.is_empty()) {
            Entry::Taken(time) => time,
            Entry::Anew(time) => {
                self.values.drain(..).for_each(|(_, value)| left(value));
                time
            }
            Entry::LeftOut => return false,
        };
        self.values.push_back((time, value));
        self.let_go(extent, left);
        true
    }

    /// Removes the values that `extent` does not reach from this time, in nanoseconds since 1970, as a push would: for a
    /// point that is to be compared with those before it. A time that is not after that of the newest value changes
    /// nothing.
    pub fn advance(&mut self, time: i64, extent: Extent) {
        self.advance_and_pass(time, extent, |_| {});
    }

    /// The same, and passes on the values that leave.
    pub(super) fn advance_and_pass(&mut self, time: i64, extent: Extent, left: impl FnMut(T)) {
        if self.gate.advance(time, extent, self.values.is_empty()) {
            self.let_go(extent, left);
        }
    }

    fn let_go(&mut self, extent: Extent, mut left: impl FnMut(T)) {
        while let Some((oldest, _)) = self.values.front()
            && self.gate.lets_go(*oldest, self.values.len(), extent)
            && let Some((_, value)) = self.values.pop_front()
        {
            left(value);
        }
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The times and values, the oldest first. See [`Extent`] for times that went backwards.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, &T)> + ExactSizeIterator {
        self.values.iter().map(|(time, value)| (*time, value))
    }

    /// The oldest value, with its time.
    pub fn oldest(&self) -> Option<(i64, &T)> {
        self.iter().next()
    }

    /// The newest value, with its time.
    pub fn newest(&self) -> Option<(i64, &T)> {
        self.iter().next_back()
    }

    /// Removes all values.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
