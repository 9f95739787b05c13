//! A batch that has begun and not ended. It goes out as a whole, with its true size, or not at all.

use super::frames::put_frame;
use super::violation::ViolationKind;
use crate::protocol::field;
use crate::protocol::wire::{self, Fields, VARINT, short_tag};

/// Minimum cost of a point of a batch in bytes: Kapacitor holds a batch whole, and even an empty point takes about
/// this much there.
pub const POINT_COST: u64 = 128;

/// A batch whose End has not come yet.
#[derive(Clone)]
pub struct OpenBatch {
    /// The body of the Begin without its size.
    begin: Vec<u8>,
    /// Whole point frames.
    points: Vec<u8>,
    count: u64,
}

impl OpenBatch {
    /// The batch that `response`, a Begin, begins. The guard writes the size itself, so that it is left out here.
    ///
    /// # Errors
    ///
    /// When the Begin is malformed.
    pub fn begin(response: &[u8]) -> Result<Self, ViolationKind> {
        let malformed = || ViolationKind::Malformed("begin");
        let message = Fields::new(response).next().ok().flatten().ok_or_else(malformed)?.value;
        let mut fields = Fields::new(message);
        let mut begin = Vec::with_capacity(message.len());
        while let Some(field) = fields.next().map_err(|_| malformed())? {
            if field.number != field::begin::SIZE {
                begin.extend_from_slice(&message[field.span.0..field.span.1]);
            }
        }
        Ok(Self { begin, points: Vec::new(), count: 0 })
    }

    /// Number of points.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Bytes of the Begin.
    pub fn begin_size(&self) -> usize {
        self.begin.len()
    }

    /// Bytes of the Begin and of the point frames.
    pub fn bytes(&self) -> usize {
        self.begin.len() + self.points.len()
    }

    /// What the batch costs Kapacitor with this number of bytes more.
    pub fn cost_with(&self, more: usize) -> u64 {
        self.begin.len() as u64 + ((self.points.len() + more) as u64).max(self.count * POINT_COST)
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

    /// Appends whole point frames.
    pub fn append(&mut self, frames: &[u8]) {
        self.points.extend_from_slice(frames);
    }

    /// Appends the Begin, with the number of points, and the points to `out`.
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
