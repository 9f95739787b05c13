//! The mean of the last numbers of a series.

use std::num::NonZeroUsize;

/// The mean of the last numbers of a series: a simple moving average.
///
/// The mean is within 4e-16 of the exact one, relative to the largest absolute value in the window, or
/// within the smallest positive `f64`. What has left the window has no effect: a spike leaves no rounding
/// error behind. The mean is finite when all numbers in the window are, even if their sum is not. While
/// the window holds a NaN, or infinities of both signs, the mean is NaN; while it holds infinities of one
/// sign, it is that infinity.
///
/// An average over n numbers takes 8 n bytes. [`MovingAverage::push`] takes constant time, averaged over
/// n calls: one of n takes the time of n.
///
/// # Algorithm
///
/// Numbers are only ever added. The series is cut into blocks of n numbers, so a window consists of the end
/// of one block and the start of the next. The sums of all ends of a block are computed once, when the
/// block is full, and the start of the next block is summed up while it comes (M. van Herk, *A fast
/// algorithm for local minimum and maximum filters on rectangular and octagonal kernels*, Pattern
/// Recognition Letters 13, 1992; J. Gil and M. Werman, *Computing 2-D min, median, and max filters*, IEEE
/// Transactions on Pattern Analysis and Machine Intelligence 15, 1993). Both sums are compensated (T.
/// Ogita, S. M. Rump and S. Oishi, *Accurate sum and dot product*, SIAM Journal on Scientific Computing 26,
/// 2005, algorithm `Sum2`).
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MovingAverage {
    /// Number of numbers in a full window; zero before the first one.
    size: usize,
    /// One slot for each number of the window. Those before `next` hold the numbers of the current block.
    /// Each of the others holds the sum of the block before from that slot to its end.
    slots: Vec<f64>,
    /// Number of numbers in the current block.
    next: usize,
    /// The sum of the current block.
    block: Sum,
    /// Number of slots, from the first one, whose sums are scaled.
    scaled: usize,
    /// Whether one of the sums was scaled since the last block began.
    large: bool,
}

impl MovingAverage {
    /// Adds a number to the window, and removes the oldest one if there are more than `size`; returns the
    /// mean of the window.
    ///
    /// If `size` is another one than before, the window begins anew with `value`.
    #[inline]
    pub fn push(&mut self, value: f64, size: NonZeroUsize) -> f64 {
        if self.size != size.get() {
            *self = Self { size: size.get(), ..Self::default() };
        }
        if self.slots.len() == self.size {
            if self.next == self.size {
                self.end_block();
            }
            self.slots[self.next] = value;
        } else {
            self.grow(value);
        }
        self.next += 1;
        let block = self.block.plus(value);
        let total = self.before() + block.total();
        if total.is_finite() && !self.large {
            self.block = block;
            total / self.slots.len() as f64
        } else {
            self.push_large(value)
        }
    }

    /// The same where a sum is scaled, overflows, or is not finite.
    #[cold]
    #[inline(never)]
    fn push_large(&mut self, value: f64) -> f64 {
        self.block.add(value);
        self.large |= self.block.scaled;
        self.mean_of_any()
    }

    /// The mean of the window; `None` if it is empty.
    pub fn mean(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.mean_of_any())
    }

    /// The number of numbers in the window.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether the window is empty.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Adds a slot to a window that is not full.
    fn grow(&mut self, value: f64) {
        if self.slots.len() == self.slots.capacity() {
            // Doubles the room, but never beyond the size of the window.
            let (length, most) = (self.slots.len(), self.size - self.slots.len());
            self.slots.reserve_exact(length.max(4).min(most));
        }
        self.slots.push(value);
    }

    /// Replaces the numbers of a full block with the sums of its ends, and begins the next block.
    #[inline(never)]
    fn end_block(&mut self) {
        (self.next, self.block, self.scaled, self.large) = (0, Sum::default(), 0, false);
        let mut sum = Sum::default();
        let mut slots = self.slots.iter_mut().enumerate().rev();
        for (_, slot) in &mut slots {
            let next = sum.plus(*slot);
            if !next.total().is_finite() {
                sum.add(*slot);
                *slot = sum.total();
                break;
            }
            sum = next;
            *slot = sum.total();
        }
        // The sum of a block that was scaled stays so, and one that is not finite never is.
        self.large = sum.scaled;
        self.scaled = if sum.scaled { slots.len() + 1 } else { 0 };
        for (_, slot) in slots {
            sum.add(*slot);
            *slot = sum.total();
        }
    }

    /// The sum of the numbers of the window that belong to the block before.
    #[inline]
    fn before(&self) -> f64 {
        self.slots.get(self.next).copied().unwrap_or(0.0)
    }

    /// The mean of a window that is not empty.
    fn mean_of_any(&self) -> f64 {
        let total = self.before() + self.block.total();
        let count = self.slots.len() as f64;
        if self.next >= self.scaled && !self.block.scaled && total.is_finite() {
            return total / count;
        }
        // Where a sum overflows, the largest number is so large that scaling takes nothing away that shows
        // in the mean.
        let scale = |sum: f64, scaled: bool| if scaled { sum } else { sum * DOWN };
        let block = scale(self.block.high, self.block.scaled) + scale(self.block.low, self.block.scaled);
        let mean = (scale(self.before(), self.next < self.scaled) + block) / count;
        if mean.is_finite() { (mean * UP).clamp(f64::MIN, f64::MAX) } else { mean }
    }
}

/// Factor by which a sum is scaled when it would overflow: no window has so many numbers that it can
/// overflow again. A power of two, so that scaling rounds nothing but numbers below 1e-288.
const DOWN: f64 = 1.0 / UP;
const UP: f64 = (1_u128 << 64) as f64;

/// A compensated sum.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Sum {
    /// The sum, rounded at each addition.
    high: f64,
    /// The sum of the rounding errors. It is not finite if `high` has overflowed.
    low: f64,
    /// Whether both are multiplied by [`DOWN`].
    scaled: bool,
}

impl Sum {
    /// The sum with `value` added, which must be scaled like the sum.
    #[inline]
    fn plus(self, value: f64) -> Self {
        // Knuth's TwoSum: `high + error` is `self.high + value`, exactly.
        let high = self.high + value;
        let added = high - self.high;
        let error = (self.high - (high - added)) + (value - added);
        Self { high, low: self.low + error, ..self }
    }

    /// The sum as one number, scaled like the sum; not finite if it has overflowed.
    #[inline]
    fn total(self) -> f64 {
        self.high + self.low
    }

    /// Adds any number, and scales the sum where it would overflow.
    fn add(&mut self, value: f64) {
        if !self.high.is_finite() || !value.is_finite() {
            (self.high, self.low) = (self.high + value, 0.0);
            return;
        }
        let next = self.plus(if self.scaled { value * DOWN } else { value });
        *self = if next.total().is_finite() {
            next
        } else {
            Self { high: self.high * DOWN, low: self.low * DOWN, scaled: true }.plus(value * DOWN)
        };
    }
}
