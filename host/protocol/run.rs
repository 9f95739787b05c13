//! A run of data frames.

use bytes::Bytes;

/// A run of data frames.
#[derive(Debug, Default)]
pub struct Run {
    /// The frames as they came.
    pub frames: Bytes,
    /// Number of points.
    pub points: u64,
    /// Whether there is a Begin or an End among the frames.
    pub batches: bool,
    /// Number of points behind the last Begin or End.
    pub tail: u64,
    /// Whether a batch is open behind the last frame.
    pub in_batch: bool,
    /// Length of the last frame.
    pub last: usize,
}

impl Run {
    /// Counts one more frame; `in_batch`: a batch is open behind it.
    pub(crate) fn count(&mut self, is_point: bool, length: usize, in_batch: bool) {
        self.points += u64::from(is_point);
        self.batches |= !is_point;
        self.tail = if is_point { self.tail + 1 } else { 0 };
        (self.in_batch, self.last) = (in_batch, length);
    }

    /// The last frame.
    pub fn last_frame(&self) -> &[u8] {
        &self.frames[self.frames.len().saturating_sub(self.last)..]
    }
}
