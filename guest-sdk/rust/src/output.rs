//! The sink of a plugin's results.

use std::mem;
use std::ops::Range;
use std::rc::Rc;

use crate::buffer::Buffer;
use crate::emit::Emit;
use crate::error::{Error, Result};
use crate::new_batch::BatchLike;
use crate::numbers::{BEGIN, END, ERROR};
use crate::wire;

/// The two kinds of data that a plugin takes or provides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Edge {
    /// Points one by one.
    Stream,
    /// Batches of points.
    Batch,
}

/// The sink of a plugin's results. For each input a plugin may send no result, one, or several.
#[derive(Debug)]
pub struct Output {
    provides: Edge,
    /// The frames that were sent, without those in `passed`.
    frames: Buffer,
    /// The place in the input of the frames that were sent last, as they came, and lie side by side.
    /// They are copied only when other frames follow.
    passed: Range<usize>,
    /// The input, while a run is processed: that of the run or, while the plugin has a batch that came in several
    /// runs and until the next one begins, the frames of the batch.
    input: Option<Rc<Vec<u8>>>,
    /// The input of the run, while `input` has the frames of a batch.
    run: Option<Rc<Vec<u8>>>,
}

/// A position in the output, to return to with [`Output::rewind`].
#[derive(Clone)]
pub(crate) struct Mark {
    frames: usize,
    passed: Range<usize>,
}

impl Output {
    pub(crate) fn new(provides: Edge) -> Self {
        Self { provides, frames: Buffer::new(), passed: 0..0, input: None, run: None }
    }

    /// Begins a run.
    pub(crate) fn begin(&mut self, input: &Rc<Vec<u8>>) {
        self.input = Some(Rc::clone(input));
    }

    /// Ends a run. If it has `failed`, an error frame will follow.
    pub(crate) fn end(&mut self, failed: bool) {
        if failed || !self.frames.is_empty() {
            self.copy_passed();
        }
        if self.run.take().is_none() || self.passed.is_empty() {
            self.input = None;
        }
    }

    /// Takes `batch`, the frames of a batch, for the input from now on.
    pub(crate) fn read_from(&mut self, batch: &Rc<Vec<u8>>) {
        self.copy_passed();
        self.run = self.input.replace(Rc::clone(batch));
    }

    /// Takes the run for the input again.
    pub(crate) fn read_from_run(&mut self) {
        if let Some(run) = self.run.take() {
            self.copy_passed();
            self.input = Some(run);
        }
    }

    /// Copies the frames that were passed on, so that other frames can follow them.
    #[inline]
    fn copy_passed(&mut self) {
        if self.passed.is_empty() {
            return;
        }
        let passed = mem::replace(&mut self.passed, 0..0);
        if let Some(passed) = self.input.as_ref().and_then(|input| input.get(passed)) {
            self.frames.append(passed);
        }
    }

    /// The input, while a run is processed.
    pub(crate) fn input(&self) -> &[u8] {
        self.input.as_ref().map_or(&[], |input| input)
    }

    /// The input, shared so that it can be read while results are sent.
    pub(crate) fn share_input(&self) -> Rc<Vec<u8>> {
        self.input.clone().unwrap_or_default()
    }

    /// The place of a frame in the input; `None` if it is not a part of the input.
    #[inline]
    pub(crate) fn place_in_input(&self, frame: &[u8]) -> Option<Range<usize>> {
        let input = self.input.as_ref()?;
        let start = frame.as_ptr().addr().wrapping_sub(input.as_ptr().addr());
        (input.len().checked_sub(start)? >= frame.len()).then(|| start..start + frame.len())
    }

    /// Sends a frame of the input without copying it. Returns false if it is not a part of the input.
    #[inline]
    fn pass(&mut self, frame: &[u8]) -> bool {
        let Some(place) = self.place_in_input(frame) else { return false };
        if self.passed.end != place.start || self.passed.is_empty() {
            self.copy_passed();
            self.passed.start = place.start;
        }
        self.passed.end = place.end;
        true
    }

    pub(crate) fn buffer(&mut self) -> &mut Buffer {
        &mut self.frames
    }

    /// The frames that were sent for this input.
    pub(crate) fn frames<'a>(&'a self, run: &'a [u8]) -> &'a [u8] {
        let input = self.input.as_ref().map_or(run, |batch| batch);
        if self.passed.is_empty() { &self.frames } else { &input[self.passed.clone()] }
    }

    pub(crate) fn clear(&mut self) {
        self.frames.clear();
        self.passed = 0..0;
        (self.input, self.run) = (None, None);
    }

    /// The current position.
    #[inline]
    pub(crate) fn mark(&self) -> Mark {
        Mark { frames: self.frames.len(), passed: self.passed.clone() }
    }

    /// Takes back the frames that were sent since `mark`.
    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.frames.truncate(mark.frames);
        self.passed = mark.passed;
    }

    pub(crate) fn put_error(&mut self, error: &Error) {
        let mut message = Buffer::new();
        wire::put_text(1, &error.to_string(), &mut message);
        wire::put_frame(ERROR, &message, &mut self.frames);
    }

    /// Sends a point.
    ///
    /// # Errors
    ///
    /// A failure if the plugin provides batches: then points are sent through [`Output::batch`].
    #[inline]
    pub fn send(&mut self, point: impl Emit) -> Result<()> {
        if self.provides != Edge::Stream {
            return Err(Error::new("the plugin provides batches: send points with `out.batch(…)`"));
        }
        if !point.unchanged().is_some_and(|frame| self.pass(frame)) {
            self.copy_passed();
            point.encode(true, &mut self.frames);
        }
        Ok(())
    }

    /// Begins a batch with the name, group and time of another one. It ends when the returned guard is
    /// dropped.
    ///
    /// # Errors
    ///
    /// A failure if the plugin provides a stream: then points are sent with [`Output::send`].
    ///
    /// ```
    /// # use kapacitor_guest::prelude::*;
    /// fn first_half(points: &Points<'_>, out: &mut Output) -> Result<()> {
    ///     let mut batch = out.batch(points)?;
    ///     for point in points.iter().take(points.len() / 2) {
    ///         batch.send(point);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn batch(&mut self, like: impl BatchLike) -> Result<OpenBatch<'_>> {
        if self.provides != Edge::Batch {
            return Err(Error::new("the plugin provides a stream: send points with `out.send(…)`"));
        }
        let (begin, end) = like.begin_and_end();
        let end_place = match like.frames() {
            Some((begin, end)) if self.pass(begin) => self.place_in_input(end),
            _ => {
                self.copy_passed();
                wire::put_frame(BEGIN, &begin, &mut self.frames);
                None
            }
        };
        Ok(OpenBatch { out: self, end, end_place })
    }
}

/// A batch that is being sent, made by [`Output::batch`]. It ends when it is dropped.
#[derive(Debug)]
pub struct OpenBatch<'a> {
    out: &'a mut Output,
    /// The EndBatch.
    end: Buffer,
    /// The place of its frame in the input, if it is there.
    end_place: Option<Range<usize>>,
}

impl OpenBatch<'_> {
    /// Sends a point of the batch.
    #[inline]
    pub fn send(&mut self, point: impl Emit) {
        if !point.unchanged_in_batch().is_some_and(|frame| self.out.pass(frame)) {
            self.out.copy_passed();
            point.encode(false, &mut self.out.frames);
        }
    }
}

impl Drop for OpenBatch<'_> {
    fn drop(&mut self) {
        match &self.end_place {
            // Behind the last point of a batch that is passed on whole.
            Some(place) if place.start == self.out.passed.end => self.out.passed.end = place.end,
            _ => {
                self.out.copy_passed();
                wire::put_frame(END, &self.end, &mut self.out.frames);
            }
        }
    }
}
