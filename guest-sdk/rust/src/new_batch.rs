//! Batches that a plugin sends.

use std::collections::BTreeMap;

use crate::buffer::Buffer;
use crate::numbers::{begin_batch, end_batch};
use crate::point::Point;
use crate::points::Points;
use crate::wire;

/// A batch whose name, group and time a sent batch can take over: `&`[`Points`] or `&`[`NewBatch`].
///
/// Sealed: a plugin uses it as a bound and can't implement it.
pub trait BatchLike: Bounds {}

impl<T: Bounds> BatchLike for T {}

mod sealed {
    use crate::buffer::Buffer;

    /// The two messages around the points of a batch.
    pub trait Bounds {
        /// A BeginBatch and an EndBatch.
        fn begin_and_end(&self) -> (Buffer, Buffer);

        /// Their frames, if they are in the input.
        fn frames(&self) -> Option<(&[u8], &[u8])> {
            None
        }
    }
}

pub(crate) use sealed::Bounds;

impl Bounds for &Points<'_> {
    fn begin_and_end(&self) -> (Buffer, Buffer) {
        let (begin, end) = Points::begin_and_end(self);
        (begin.into(), end.into())
    }

    fn frames(&self) -> Option<(&[u8], &[u8])> {
        Some(self.bounds())
    }
}

/// The measurement, tags and time of a batch that did not come from Kapacitor.
///
/// Further fields may be added, so a `NewBatch` is made by [`NewBatch::new`], [`NewBatch::of`] or
/// [`NewBatch::like`], and its fields can be set afterwards.
///
/// ```
/// use kapacitor_guest::prelude::*;
///
/// let batch = NewBatch::new("cpu").tag("host", "a").at(9);
/// assert_eq!((batch.name.as_str(), batch.tmax, batch.by_name), ("cpu", 9, false));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewBatch {
    /// The measurement.
    pub name: String,
    /// The tags of the group, by key. Kapacitor makes the group from them.
    pub tags: BTreeMap<String, String>,
    /// Whether the batch is grouped by measurement as well.
    pub by_name: bool,
    /// The time of the batch, in nanoseconds since 1970.
    pub tmax: i64,
}

impl NewBatch {
    /// A batch of a measurement, without tags and time.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// A batch in the group of a point of a stream, with the time of the point.
    pub fn of(point: Point<'_>) -> Self {
        let tags =
            point.dimensions().filter_map(|key| Some((key.to_owned(), point.tag(key)?.to_owned()))).collect();
        Self { name: point.name().to_owned(), tags, by_name: point.by_name(), tmax: point.time() }
    }

    /// A batch in the group of another batch, with the time of that batch.
    pub fn like(points: &Points<'_>) -> Self {
        Self {
            name: points.name().to_owned(),
            tags: points.tags().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            by_name: points.by_name(),
            tmax: points.tmax(),
        }
    }

    /// Sets the time, in nanoseconds since 1970.
    #[must_use]
    pub fn at(mut self, tmax: i64) -> Self {
        self.tmax = tmax;
        self
    }

    /// Sets a tag of the group.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }
}

impl Bounds for &NewBatch {
    fn begin_and_end(&self) -> (Buffer, Buffer) {
        let (mut begin, mut end) = (Buffer::new(), Buffer::new());
        wire::put_text(begin_batch::NAME, &self.name, &mut begin);
        wire::put_text(end_batch::NAME, &self.name, &mut end);
        wire::put_int(end_batch::TMAX, self.tmax, &mut end);
        for (key, value) in &self.tags {
            wire::put_text_entry(begin_batch::TAGS, key, value, &mut begin);
            wire::put_text_entry(end_batch::TAGS, key, value, &mut end);
        }
        wire::put_int(begin_batch::BY_NAME, i64::from(self.by_name), &mut begin);
        (begin, end)
    }
}
