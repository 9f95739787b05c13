//! The points of one batch, as Kapacitor sends them.

use std::fmt;

use crate::batch_head::BatchHead;
use crate::ended::Ended;
use crate::numbers::end_batch;
use crate::point::Point;
use crate::wire::{self, Fields, text};

/// One complete batch: its points, and what Kapacitor sends at its begin and end.
///
/// Borrowed like a [`Point`]: only the parts that are read are decoded.
///
/// ```
/// # use kapacitor_guest::prelude::*;
/// fn mean(points: &Points<'_>, field: &str) -> Result<f64> {
///     let mut sum = 0.0;
///     for point in points {
///         sum += point.number(field)?;
///     }
///     Ok(sum / points.len() as f64)
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Points<'a> {
    head: BatchHead<'a>,
    /// The frames of the points.
    frames: &'a [u8],
    /// Number of points.
    count: usize,
    /// Kapacitor's EndBatch.
    end: &'a [u8],
    /// The frames of the Begin and of the End.
    bounds: (&'a [u8], &'a [u8]),
}

impl<'a> Points<'a> {
    /// A batch that has ended.
    pub(crate) fn new(batch: &'a Ended) -> Self {
        let all = batch.source.get(batch.frames.clone()).unwrap_or_default();
        let (begin, rest) = all.split_at(batch.begin.0);
        let (frames, end) = rest.split_at(rest.len() - batch.end.0);
        // A frame ends with its message.
        Self {
            head: BatchHead { message: &begin[begin.len() - batch.begin.1..] },
            frames,
            count: batch.count,
            end: &end[end.len() - batch.end.1..],
            bounds: (begin, end),
        }
    }

    /// The measurement.
    pub fn name(&self) -> &'a str {
        self.head.name()
    }

    /// The group: an opaque key that all batches of a group share. Empty if the batches are not
    /// grouped.
    pub fn group(&self) -> &'a str {
        text(self.group_bytes())
    }

    pub(crate) fn group_bytes(&self) -> &'a [u8] {
        self.head.group_bytes()
    }

    /// The keys and values of the group's tags, in no particular order. A point may have more tags.
    pub fn tags(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.head.tags()
    }

    /// The value of a tag of the group; `None` if the group does not have it.
    pub fn tag(&self, key: &str) -> Option<&'a str> {
        self.tags().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The tags that the batches are grouped by, in Kapacitor's order.
    pub fn dimensions(&self) -> impl Iterator<Item = &'a str> {
        self.head.dimensions()
    }

    /// Whether the batches are grouped by measurement as well.
    pub fn by_name(&self) -> bool {
        self.head.by_name()
    }

    /// The end of the window or query, in nanoseconds since 1970.
    pub fn tmax(&self) -> i64 {
        Fields(self.end).with_number(end_batch::TMAX).map_or(0, |field| field.varint() as i64)
    }

    /// The number of points.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the batch has no points.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// An iterator over the points in Kapacitor's order, which is by time for a query or a window.
    pub fn iter(&self) -> PointsIter<'_> {
        PointsIter { head: self.short_head(), frames: self.frames }
    }

    /// The begin, with the lifetime of the borrow in both places.
    fn short_head(&self) -> &BatchHead<'_> {
        &self.head
    }

    /// Kapacitor's BeginBatch and EndBatch.
    pub(crate) fn begin_and_end(&self) -> (&'a [u8], &'a [u8]) {
        (self.head.message, self.end)
    }

    /// The frames of Kapacitor's BeginBatch and EndBatch.
    pub(crate) fn bounds(&self) -> (&'a [u8], &'a [u8]) {
        self.bounds
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
    type IntoIter = PointsIter<'a>;

    fn into_iter(self) -> PointsIter<'a> {
        self.iter()
    }
}

/// An iterator over the points of a batch, made by [`Points::iter`].
#[derive(Clone)]
pub struct PointsIter<'a> {
    head: &'a BatchHead<'a>,
    frames: &'a [u8],
}

impl<'a> Iterator for PointsIter<'a> {
    type Item = Point<'a>;

    fn next(&mut self) -> Option<Point<'a>> {
        let (frame, message, rest) = wire::split_frame(self.frames)?;
        self.frames = rest;
        // Each frame holds one point: it came like that, or was written like that by `Batching`.
        let (_, bytes) = wire::only_field(message)?;
        Some(Point::in_batch(bytes, Some(frame), self.head))
    }
}

impl fmt::Debug for PointsIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
