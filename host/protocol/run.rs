//! A run of data frames.

use bytes::Bytes;

use super::frame::{self, Kind};

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
    /// Whether it is the rest of a run, whose points are known from its beginning.
    pub is_rest: bool,
}

impl Run {
    /// Counts one more frame; `in_batch`: a batch is open behind it.
    pub(crate) fn count(&mut self, is_point: bool, length: usize, in_batch: bool) {
        self.points += u64::from(is_point);
        self.batches |= !is_point;
        self.tail = if is_point { self.tail + 1 } else { 0 };
        (self.in_batch, self.last) = (in_batch, length);
    }

    /// What follows the first `start` bytes, which are whole frames.
    pub fn rest(&self, start: usize) -> Self {
        let mut rest = Self { frames: self.frames.slice(start..), is_rest: true, ..Self::default() };
        let mut frames = &self.frames[start..];
        while let Some((kind, frame, after)) = frame::first_data(frames) {
            rest.count(matches!(kind, Kind::Point), frame.len(), self.in_batch);
            frames = after;
        }
        rest
    }

    /// The last frame.
    pub fn last_frame(&self) -> &[u8] {
        &self.frames[self.frames.len().saturating_sub(self.last)..]
    }
}
