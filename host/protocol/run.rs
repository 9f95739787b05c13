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
    /// Where some of the frames with a time of their own begin.
    samples: Samples,
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
        self.samples.count(length, !in_batch);
    }

    /// Times of a few of its points and batches, evenly spread, in nanoseconds since 1970. A point of a batch counts
    /// with the batch.
    pub fn times(&self) -> impl ExactSizeIterator<Item = i64> + '_ {
        let starts = self.samples.starts[..self.samples.kept as usize].iter();
        starts.map(|start| {
            let frames = self.frames.get(*start as usize..).unwrap_or_default();
            frame::time(frames, false).unwrap_or_default()
        })
    }

    /// The run whose frames, which were counted before, are these.
    #[must_use]
    pub(crate) fn with_frames(self, frames: Bytes) -> Self {
        Self { frames, ..self }
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
}

/// Maximum number of frames whose places are kept.
const MOST_SAMPLES: usize = 8;

/// Where a few frames of a run begin: every one at first, and fewer and fewer the more there are. Their distances
/// vary, since the hosts of a write may come in turn.
#[derive(Debug)]
struct Samples {
    starts: [u32; MOST_SAMPLES],
    kept: u32,
    /// Number of frames after which the next one is kept.
    until: u32,
    /// One in so many frames is kept.
    every: u32,
    /// Length of all frames so far.
    length: u32,
}

impl Default for Samples {
    fn default() -> Self {
        Self { starts: [0; MOST_SAMPLES], kept: 0, until: 0, every: 1, length: 0 }
    }
}

impl Samples {
    /// Counts a frame of this `length`; `has_time`: it is a point outside of batches, or an End.
    #[inline]
    fn count(&mut self, length: usize, has_time: bool) {
        if has_time {
            if self.until == 0 {
                self.keep();
            }
            self.until -= 1;
        }
        self.length = self.length.wrapping_add(length as u32);
    }

    #[cold]
    fn keep(&mut self) {
        // As good as chance, and the same for the same input.
        let dice = self.length.wrapping_mul(2_654_435_761) >> 16;
        if self.kept as usize == MOST_SAMPLES {
            for i in 0..MOST_SAMPLES / 2 {
                self.starts[i] = self.starts[2 * i + (dice as usize >> i & 1)];
            }
            self.kept /= 2;
            self.every = self.every.saturating_mul(2);
        }
        self.starts[self.kept as usize] = self.length;
        self.kept += 1;
        self.until = 1 + self.every / 2 + dice % self.every;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{BeginBatch, EndBatch, Point, RequestMessage, put_request};

    fn run(messages: impl IntoIterator<Item = RequestMessage>) -> Run {
        let (mut run, mut bytes, mut in_batch) = (Run::default(), Vec::new(), false);
        for message in messages {
            let start = bytes.len();
            in_batch = match &message {
                RequestMessage::Begin(_) => true,
                RequestMessage::End(_) => false,
                _ => in_batch,
            };
            let is_point = matches!(message, RequestMessage::Point(_));
            put_request(message, &mut bytes);
            run.count(is_point, bytes.len() - start, in_batch);
        }
        run.with_frames(bytes.into())
    }

    fn point(time: i64) -> RequestMessage {
        RequestMessage::Point(Point { time, ..Point::default() })
    }

    #[test]
    fn times_are_of_frames_all_over_the_run() {
        assert_eq!(run((1..=5).map(point)).times().collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        for points in [8, 9, 100, 2000] {
            let times: Vec<_> = run((0..points).map(point)).times().collect();
            assert!((4..=8).contains(&times.len()) && times.is_sorted(), "{points}: {times:?}");
            assert!(times[times.len() / 2] > points / 8, "{points}: {times:?}");
            assert!(points - times.last().unwrap() <= points / 2, "{points}: {times:?}");
        }
        // Of some hosts that come in turn, one does not decide.
        for hosts in [4, 8, 16, 32, 100] {
            let (mut of_one, mut all) = (0, 0);
            for points in (100..1000).step_by(50) {
                for time in run((0..points).map(|i| point(i % hosts))).times() {
                    (of_one, all) = (of_one + u32::from(time == 0), all + 1);
                }
            }
            assert!(of_one * 5 < all * 2, "{hosts}: {of_one} of {all}");
        }
        let batch = |tmax| {
            let end = EndBatch { tmax, ..EndBatch::default() };
            [RequestMessage::Begin(BeginBatch::default()), point(7), point(8), RequestMessage::End(end)]
        };
        assert_eq!(run([batch(10), batch(20)].concat()).times().collect::<Vec<_>>(), [10, 20]);
    }
}
