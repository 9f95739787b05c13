//! The points of a batch, collected until its End arrives.

use std::ops::Range;
use std::rc::Rc;

use crate::buffer::{self, Buffer};
use crate::ended::Ended;
use crate::error::{Error, Result};
use crate::message::Message;
use crate::numbers::{BEGIN, END, POINT};
use crate::output::Output;
use crate::wire;

/// The batch that has begun, and what came for it.
#[derive(Debug, Default)]
pub struct Batching {
    /// Length of the frame of the Begin, and of the message in it; `None` outside of a batch.
    begin: Option<(usize, usize)>,
    /// The frames of the batch, from its Begin on, without those in `last`. Shared with the output while the plugin
    /// has the batch, and after that if the output is a part of it.
    frames: Rc<Vec<u8>>,
    /// The place in the input of the frames that came last and lie side by side. They stay there until
    /// the run ends, so that a batch that comes in one run is never copied.
    last: Range<usize>,
    /// Number of points.
    pub(crate) count: usize,
}

impl Batching {
    /// Begins a batch. If the one before it was never ended, its points are dropped.
    pub(crate) fn begin(&mut self, message: Message<'_>, out: &Output) {
        // The output gives up the batch before this one with its next call, or when the next batch begins.
        match Rc::get_mut(&mut self.frames) {
            Some(frames) => frames.clear(),
            None => self.frames = Rc::default(),
        }
        (self.last, self.count) = (0..0, 0);
        self.begin = Some(self.add(message, BEGIN, out));
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
            _ => {
                self.add(point, POINT, out);
            }
        }
        Ok(())
    }

    /// Ends the batch.
    ///
    /// # Errors
    ///
    /// A failure if no batch has begun.
    pub(crate) fn end(&mut self, message: Message<'_>, out: &Output) -> Result<Ended> {
        let end = self.add(message, END, out);
        let begin =
            self.begin.take().ok_or_else(|| Error::new("Kapacitor ended a batch that it had not begun"))?;
        let is_copied = !self.frames.is_empty();
        let (source, frames) = if is_copied {
            self.copy_last(out.input());
            (Rc::clone(&self.frames), 0..self.frames.len())
        } else {
            (out.share_input(), std::mem::replace(&mut self.last, 0..0))
        };
        Ok(Ended { source, is_copied, frames, begin, count: self.count, end })
    }

    /// Adds the frame of a message. Returns the length of the frame, and of the message in it.
    fn add(&mut self, message: Message<'_>, number: u32, out: &Output) -> (usize, usize) {
        let length = message.bytes.len();
        match message.frame.and_then(|frame| out.place_in_input(frame)) {
            Some(place) => {
                let frame = place.len();
                if place.start == self.last.end && !self.last.is_empty() {
                    self.last.end = place.end;
                } else {
                    self.copy_last(out.input());
                    self.last = place;
                }
                (frame, length)
            }
            None => {
                let mut frame = Buffer::new();
                wire::put_frame(number, message.bytes, &mut frame);
                self.copy_last(out.input());
                self.append(&frame);
                (frame.len(), length)
            }
        }
    }

    /// Ends a run: its input will be overwritten, so the frames in it are copied.
    pub(crate) fn end_run(&mut self, input: &[u8]) {
        if self.begin.is_some() {
            self.copy_last(input);
        } else {
            self.last = 0..0;
        }
    }

    fn copy_last(&mut self, input: &[u8]) {
        let last = std::mem::replace(&mut self.last, 0..0);
        if let Some(frames) = input.get(last).filter(|frames| !frames.is_empty()) {
            self.append(frames);
        }
    }

    fn append(&mut self, frames: &[u8]) {
        let all = Rc::make_mut(&mut self.frames);
        buffer::reserve(all, frames.len());
        all.extend_from_slice(frames);
    }

    /// Gives up the memory and overwrites it with zeros, unless a batch has begun.
    pub(crate) fn wipe(&mut self) {
        if self.begin.is_none() {
            match Rc::get_mut(&mut self.frames) {
                Some(frames) => buffer::wipe(frames),
                None => self.frames = Rc::default(),
            }
        }
    }
}
