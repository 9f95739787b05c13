//! The points of one batch, as Kapacitor sends them.

use std::fmt;

use crate::buffer::Buffer;
use crate::point::{Point, text};
use crate::wire::{self, Fields};

/// The points of one batch, whole, with what Kapacitor says at its beginning and end.
///
/// Borrowed like a [`Point`]: nothing is decoded before it is asked for.
#[derive(Clone, Copy)]
pub struct Points<'a> {
    /// Kapacitor's BeginBatch.
    pub(crate) begin: &'a [u8],
    /// The frames of the points.
    pub(crate) frames: &'a [u8],
    pub(crate) count: usize,
    /// Kapacitor's EndBatch.
    pub(crate) end: &'a [u8],
}

impl<'a> Points<'a> {
    /// The measurement.
    pub fn name(&self) -> &'a str {
        find(self.begin, 1).map_or("", text)
    }

    /// The group: an opaque key, the same for all batches of a group. Empty if there is one group
    /// only.
    pub fn group(&self) -> &'a str {
        text(self.group_bytes())
    }

    pub(crate) fn group_bytes(&self) -> &'a [u8] {
        find(self.begin, 2).unwrap_or(b"")
    }

    /// The tags of the group, in no order. A point may have more.
    pub fn tags(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        Fields(self.begin).filter(|field| field.number == 3).map(|field| {
            let (key, value) = wire::entry(field.bytes);
            (text(key), text(value))
        })
    }

    /// The value of a tag of the group.
    pub fn tag(&self, key: &str) -> Option<&'a str> {
        self.tags().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Whether the batches are grouped by measurement too.
    pub fn by_name(&self) -> bool {
        find(self.begin, 5).and_then(wire::varint).is_some_and(|(value, _)| value != 0)
    }

    /// The end of the window or of the query, in nanoseconds since 1970.
    pub fn tmax(&self) -> i64 {
        find(self.end, 3).and_then(wire::varint).map_or(0, |(time, _)| time as i64)
    }

    /// How many points there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The points, in Kapacitor's order: by time where they come from a query or a window.
    pub fn iter(&self) -> Iter<'_> {
        Iter { batch: self.as_short(), frames: self.frames }
    }

    fn as_short(&self) -> &Points<'_> {
        self
    }

    /// What the batches are grouped by: the tags of the group, in Kapacitor's order.
    pub fn dimensions(&self) -> impl Iterator<Item = &'a str> {
        let mut dimensions: Vec<&str> = self.tags().map(|(key, _)| key).collect();
        dimensions.sort_unstable();
        dimensions.into_iter()
    }

    /// Appends to a point what it lacks outside of its batch, so that Kapacitor puts it into the
    /// group of the batch: measurement, dimensions, byName.
    pub(crate) fn put_stream_context(&self, with_name: bool, out: &mut Buffer) {
        if with_name {
            wire::put_text(2, self.name(), out);
        }
        for dimension in self.dimensions() {
            wire::put_bytes(6, dimension.as_bytes(), out);
        }
        wire::put_int(11, i64::from(self.by_name()), out);
    }
}

impl fmt::Debug for Points<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Points")
            .field("name", &self.name())
            .field("group", &self.group())
            .field("tmax", &self.tmax())
            .field("points", &self.iter().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl<'a> IntoIterator for &'a Points<'_> {
    type Item = Point<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The points of a batch.
#[derive(Clone)]
pub struct Iter<'a> {
    batch: &'a Points<'a>,
    frames: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = Point<'a>;

    fn next(&mut self) -> Option<Point<'a>> {
        let (frame, message, rest) = wire::split_frame(self.frames)?;
        self.frames = rest;
        // The frames are those of points, as they came or were written for them.
        let (_, bytes) = wire::only_field(message)?;
        Some(Point { batch: Some(self.batch), ..Point::new(bytes, Some(frame)) })
    }
}

fn find(message: &[u8], number: u32) -> Option<&[u8]> {
    Fields(message).find(|field| field.number == number).map(|field| field.bytes)
}
