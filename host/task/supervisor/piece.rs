//! How much input one call gets, after a call has failed because of how much it had.

/// Number of calls with as much as a call may have, after which it is given more again. A call that fails is repeated
/// frame by frame, so that trying more costs a part of one in so many.
const CALM: u32 = 1_000;

/// Size in bytes that no run has: from there on a run goes into one call.
const WHOLE: usize = 16 << 20;

/// The size of what one call gets, in bytes. After a failure it is a quarter; then it grows to less than what has
/// failed, and beyond that only after many calls.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    limit: usize,
    /// What has failed.
    too_large: usize,
    /// Number of calls that had about as much as a call may have, and passed.
    calm: u32,
}

impl Default for Piece {
    fn default() -> Self {
        Self { limit: WHOLE, too_large: WHOLE, calm: 0 }
    }
}

impl Piece {
    /// Approximate size of what a call gets; `None` for a whole run.
    pub fn limit(&self) -> Option<usize> {
        (self.limit < WHOLE).then_some(self.limit)
    }

    /// A call with frames of this `length` has passed.
    pub fn passed(&mut self, length: usize) {
        if self.limit >= WHOLE || length < self.limit {
            return;
        }
        if self.limit.saturating_mul(2) >= self.too_large {
            self.calm += 1;
            if self.calm < CALM {
                return;
            }
            self.too_large = self.too_large.saturating_mul(2);
            self.calm = 0;
        }
        self.limit = self.limit.saturating_mul(2);
    }

    /// A call with frames of this `length` has failed, each of which passes alone.
    pub fn failed(&mut self, length: usize) {
        *self = Self { limit: (length / 4).max(1), too_large: length.max(1), calm: 0 };
    }

    /// The next frames are given one by one, since a call with frames of this `length` has failed.
    pub fn begin_with_one(&mut self, length: usize) {
        *self = Self { limit: 1, too_large: length.max(1), calm: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_that_failed_is_tried_again_after_many_calls_only() {
        let mut piece = Piece::default();
        assert_eq!(piece.limit(), None);
        piece.failed(8_000);
        assert_eq!(piece.limit(), Some(2_000));
        piece.passed(100);
        assert_eq!(piece.limit(), Some(2_000));
        let mut calls = 0;
        while piece.limit().is_some_and(|limit| limit < 8_000) {
            piece.passed(8_000);
            calls += 1;
        }
        assert!(calls >= CALM, "{calls}");
        // At last a run goes into one call again.
        (0..20 * CALM).for_each(|_| piece.passed(WHOLE));
        assert_eq!(piece.limit(), None);
    }
}
