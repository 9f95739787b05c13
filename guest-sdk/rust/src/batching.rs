//! The batch that has begun: its points are kept until its End.

use std::ops::Range;

use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::output::Output;
use crate::runtime::{Message, POINT};
use crate::wire;

/// The batch that has begun, and the points that came for it.
#[derive(Debug, Default)]
pub struct Batching {
    /// Kapacitor's BeginBatch; `None` outside of a batch.
    pub(crate) begin: Option<Vec<u8>>,
    /// The points' frames, but for what is in `last`.
    frames: Buffer,
    /// The frames that came last, where they lie side by side in the input. Kept there until the run ends: a
    /// batch that came in one run is not copied.
    last: Range<usize>,
    /// How many points there are.
    pub(crate) count: usize,
}

impl Batching {
    /// A batch begins. Of one that was never ended nothing is left to do.
    pub(crate) fn begin(&mut self, message: &[u8]) {
        self.frames.clear();
        (self.last, self.count) = (0..0, 0);
        self.begin = Some(message.to_vec());
    }

    /// Takes a point.
    ///
    /// # Errors
    ///
    /// Outside of a batch.
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
                self.keep(out.input());
                self.last = place;
            }
            None => {
                self.keep(out.input());
                wire::put_frame(POINT, point.bytes, &mut self.frames);
            }
        }
        Ok(())
    }

    /// The run has ended, and its input is about to go.
    pub(crate) fn end_run(&mut self, input: &[u8]) {
        if self.begin.is_some() {
            self.keep(input);
        } else {
            self.last = 0..0;
        }
    }

    fn keep(&mut self, input: &[u8]) {
        let last = std::mem::replace(&mut self.last, 0..0);
        self.frames.append(input.get(last).unwrap_or_default());
    }

    /// The frames of all points.
    pub(crate) fn frames<'a>(&'a mut self, input: &'a [u8]) -> &'a [u8] {
        if self.frames.is_empty() {
            return input.get(self.last.clone()).unwrap_or_default();
        }
        self.keep(input);
        &self.frames
    }

    /// Gives up the room for points, unless there are some.
    pub(crate) fn wipe(&mut self) {
        if self.begin.is_none() {
            self.frames.wipe();
        }
    }
}
