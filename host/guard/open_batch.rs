//! A batch that has begun and not ended. It goes out as a whole, with its true size, or not at all.

use std::mem;
use std::ops::Range;

use super::frames::{Point, points_of, put_frame};
use super::series::may_exceed_in_batch;
use super::violation::ViolationKind;
use crate::protocol::field;
use crate::protocol::wire::{self, Fields, VARINT, short_tag};

/// A batch whose End has not come yet.
#[derive(Clone)]
pub struct OpenBatch {
    /// The body of the Begin without its size.
    begin: Vec<u8>,
    /// Whole point frames.
    points: Vec<u8>,
    count: u64,
    /// Whether a point may have tags that are too long together with a long measurement of the batch.
    has_long_points: bool,
    /// The size that the Begin has; `None` if it has more than one.
    size: Option<u64>,
    /// The place of the Begin's frame among those of the current call, until something of the batch is moved.
    frame: Option<Range<usize>>,
}

impl OpenBatch {
    /// The batch that `response`, a Begin in the frame at `place`, begins. The guard writes the size itself, so that
    /// it is left out here.
    ///
    /// # Errors
    ///
    /// When the Begin is malformed.
    pub fn begin(response: &[u8], place: Range<usize>) -> Result<Self, ViolationKind> {
        let malformed = || ViolationKind::Malformed("begin");
        let message = Fields::new(response).next().ok().flatten().ok_or_else(malformed)?.value;
        let mut fields = Fields::new(message);
        let mut begin = Vec::with_capacity(message.len());
        let (mut sizes, mut size) = (0, 0);
        while let Some(field) = fields.next().map_err(|_| malformed())? {
            if field.number == field::begin::SIZE {
                sizes += 1;
                size = wire::varint(field.value).map_err(|_| malformed())?.0;
            } else {
                begin.extend_from_slice(&message[field.span.0..field.span.1]);
            }
        }
        let size = (sizes <= 1).then_some(size);
        Ok(Self { begin, points: Vec::new(), count: 0, has_long_points: false, size, frame: Some(place) })
    }

    /// Number of points.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Bytes of the Begin and of the point frames.
    pub fn bytes(&self) -> usize {
        self.begin.len() + self.points.len()
    }

    /// The place of the Begin's frame, if nothing of the batch was moved yet.
    pub fn frame(&self) -> Option<&Range<usize>> {
        self.frame.as_ref()
    }

    /// The same; from now on the batch is moved.
    pub fn take_frame(&mut self) -> Option<Range<usize>> {
        self.frame.take()
    }

    /// Whether the Begin has the number of points for its size, so that it may go as it is.
    pub fn has_its_size(&self) -> bool {
        self.size == Some(self.count)
    }

    /// Counts points whose frames are appended later.
    #[inline]
    pub fn add_points(&mut self, points: u64) {
        self.count += points;
    }

    /// Counts a point less, since it is left out.
    pub fn remove_point(&mut self) {
        self.count -= 1;
    }

    /// Notes a point in a frame of this length.
    pub fn note_length(&mut self, frame: usize) {
        self.has_long_points |= may_exceed_in_batch(frame);
    }

    /// Whether a point may have tags that are too long together with a long measurement of the batch.
    pub fn has_long_points(&self) -> bool {
        self.has_long_points
    }

    /// The point frames that were moved.
    pub fn points(&self) -> &[u8] {
        &self.points
    }

    /// Leaves out the moved points whose messages are not `wanted`; returns their number.
    pub fn retain(&mut self, wanted: impl Fn(&[u8]) -> bool) -> u64 {
        let (points, before) = (mem::take(&mut self.points), self.count);
        for Point { frame, message } in points_of(&points) {
            if wanted(message) {
                self.points.extend_from_slice(frame);
            } else {
                self.count -= 1;
            }
        }
        before - self.count
    }

    /// Appends whole point frames.
    pub fn append(&mut self, frames: &[u8]) {
        self.points.extend_from_slice(frames);
    }

    /// Appends the Begin, with the number of points, and the points that were moved to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut begin = self.begin.clone();
        if self.count > 0 {
            begin.push(short_tag(field::begin::SIZE, VARINT));
            wire::put_varint(self.count, &mut begin);
        }
        put_frame(field::response::BEGIN, &begin, out);
        out.extend_from_slice(&self.points);
    }
}
