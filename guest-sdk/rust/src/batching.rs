//! The points of a batch, collected until its End arrives.

use std::ops::Range;

use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::message::Message;
use crate::numbers::POINT;
use crate::output::Output;
use crate::wire;

/// The batch that has begun, and the points that came for it.
#[derive(Debug, Default)]
pub struct Batching {
    /// Kapacitor's BeginBatch; `None` outside of a batch.
    pub(crate) begin: Option<Vec<u8>>,
    /// The frames of the points, without those in `last`.
    frames: Buffer,
    /// The place in the input of the frames that came last and lie side by side. They stay there until
    /// the run ends, so that a batch that comes in one run is never copied.
    last: Range<usize>,
    /// Number of points.
    pub(crate) count: usize,
}

impl Batching {
    /// Begins a batch. If the one before it was never ended, its points are dropped.
    pub(crate) fn begin(&mut self, message: &[u8]) {
        self.frames.clear();
        (self.last, self.count) = (0..0, 0);
        self.begin = Some(message.to_vec());
    }

    /// Adds a point.
    ///
    /// # Errors
    ///
    /// A failure if no batch has begun.
    #[inline]
    pub(crate) fn push(&mut self, point: Message<'_>, out: &Output) -> Result<()> {
        if self.begin.is_none() {
            return Err(Error::new(
                "Kapacitor sent a point outside of a batch to a plugin that wants batches",
            ));
        }
        self.count += 1;
        match point.frame.and_then(|frame| out.place_in_input(frame)) {
            Some(place) if place.start == self.last.end => self.last.end = place.end,
            Some(place) => {
                self.copy_last(out.input());
                self.last = place;
            }
            None => {
                self.copy_last(out.input());
                wire::put_frame(POINT, point.bytes, &mut self.frames);
            }
        }
        Ok(())
    }

    /// Ends a run: its input will be overwritten, so the points in it are copied.
    pub(crate) fn end_run(&mut self, input: &[u8]) {
        if self.begin.is_some() {
            self.copy_last(input);
        } else {
            self.last = 0..0;
        }
    }

    fn copy_last(&mut self, input: &[u8]) {
        let last = std::mem::replace(&mut self.last, 0..0);
        self.frames.append(input.get(last).unwrap_or_default());
    }

    /// The frames of all points.
    pub(crate) fn frames<'a>(&'a mut self, input: &'a [u8]) -> &'a [u8] {
        if self.frames.is_empty() {
            return input.get(self.last.clone()).unwrap_or_default();
        }
        self.copy_last(input);
        &self.frames
    }

    /// Gives up the buffer and overwrites it with zeros, unless a batch has begun.
    pub(crate) fn wipe(&mut self) {
        if self.begin.is_none() {
            self.frames.wipe();
        }
    }
}
