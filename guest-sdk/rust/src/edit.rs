//! Points with changes: the bytes that came, and a list of edits.

use smallvec::SmallVec;

use crate::buffer::Buffer;
use crate::emit::Encode;
use crate::encode::{LONG_KEY, put_field, set_double};
use crate::fields::{DOUBLES_TAG, is_map, map_of};
use crate::numbers::POINT;
use crate::numbers::point::{DOUBLES, NAME, TAGS, TIME};
use crate::point::Point;
use crate::value::Value;
use crate::wire::{self, Fields};

/// A point with changes, made by [`Point::with`] and its siblings.
///
/// The parts that do not change are passed on as they came, without being decoded.
///
/// ```
/// # use kapacitor_guest::prelude::*;
/// fn annotate(point: Point<'_>, mean: f64, out: &mut Output) -> Result<()> {
///     out.send(point.with("mean", mean).without("raw").with_tag("source", "model"))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Edited<'a> {
    base: Point<'a>,
    edits: SmallVec<[Edit<'a>; 3]>,
    /// Whether each edit sets a field.
    only_sets: bool,
}

#[derive(Clone, Copy, Debug)]
enum Edit<'a> {
    Field(&'a str, Option<Value<'a>>),
    Tag(&'a str, Option<&'a str>),
    Time(i64),
    Name(&'a str),
}

impl<'a> Point<'a> {
    /// The point without changes, as a start for edits that are made step by step.
    pub fn edit(self) -> Edited<'a> {
        Edited { base: self, edits: SmallVec::new(), only_sets: true }
    }

    /// The point with a field set.
    pub fn with(self, key: &'a str, value: impl Into<Value<'a>>) -> Edited<'a> {
        self.edit().with(key, value)
    }

    /// The point with a field removed.
    pub fn without(self, key: &'a str) -> Edited<'a> {
        self.edit().without(key)
    }

    /// The point with a tag set, see [`Edited::with_tag`].
    pub fn with_tag(self, key: &'a str, value: &'a str) -> Edited<'a> {
        self.edit().with_tag(key, value)
    }

    /// The point with its time set, in nanoseconds since 1970.
    pub fn at(self, time: i64) -> Edited<'a> {
        self.edit().at(time)
    }

    /// The point with its measurement set.
    pub fn named(self, name: &'a str) -> Edited<'a> {
        self.edit().named(name)
    }
}

impl<'a> Edited<'a> {
    /// Sets a field. A field that has this name and another type is replaced.
    #[must_use]
    pub fn with(mut self, key: &'a str, value: impl Into<Value<'a>>) -> Self {
        self.edits.push(Edit::Field(key, Some(value.into())));
        self
    }

    /// Removes a field.
    #[must_use]
    pub fn without(self, key: &'a str) -> Self {
        self.push(Edit::Field(key, None))
    }

    /// Sets a tag. If the stream is grouped by this tag, the point changes its group.
    #[must_use]
    pub fn with_tag(self, key: &'a str, value: &'a str) -> Self {
        self.push(Edit::Tag(key, Some(value)))
    }

    /// Removes a tag.
    #[must_use]
    pub fn without_tag(self, key: &'a str) -> Self {
        self.push(Edit::Tag(key, None))
    }

    /// Sets the time, in nanoseconds since 1970.
    #[must_use]
    pub fn at(self, time: i64) -> Self {
        self.push(Edit::Time(time))
    }

    /// Sets the measurement.
    #[must_use]
    pub fn named(self, name: &'a str) -> Self {
        self.push(Edit::Name(name))
    }

    fn push(mut self, edit: Edit<'a>) -> Self {
        self.only_sets = false;
        self.edits.push(edit);
        self
    }

    /// Whether all edits can be appended to the point: each sets a field that the point does not have
    /// with another type. The last entry of a key replaces the ones before it.
    fn can_append(&self) -> bool {
        self.only_sets
            && !(0..self.edits.len()).any(|index| self.is_void(index))
            && self.edits.iter().all(|edit| match edit {
                Edit::Field(key, Some(value)) => has_no_other_type(self.base.fields, key, map_of(value)),
                _ => true,
            })
    }

    /// Whether an edit removes or replaces this field of the point's message.
    fn drops(&self, number: u32, bytes: &[u8]) -> bool {
        self.edits.iter().any(|edit| match (edit, number) {
            (Edit::Field(key, _), number) if is_map(number) => wire::entry(bytes).0 == key.as_bytes(),
            (Edit::Tag(key, _), TAGS) => wire::entry(bytes).0 == key.as_bytes(),
            (Edit::Time(_), TIME) | (Edit::Name(_), NAME) => true,
            _ => false,
        })
    }

    /// Whether a later edit replaces the one at `index`.
    fn is_void(&self, index: usize) -> bool {
        self.edits[index + 1..].iter().any(|later| match (&self.edits[index], later) {
            (Edit::Field(a, _), Edit::Field(b, _)) | (Edit::Tag(a, _), Edit::Tag(b, _)) => a == b,
            (Edit::Time(_), Edit::Time(_)) | (Edit::Name(_), Edit::Name(_)) => true,
            _ => false,
        })
    }

    /// The message of the point, with the edits appended.
    fn appended(&self) -> Buffer {
        let mut point = Buffer::from(self.base.bytes);
        for edit in &self.edits {
            if let Edit::Field(key, Some(value)) = *edit {
                put_field(key, value, &mut point);
            }
        }
        point
    }

    /// The message of the point, copied field by field, with the edits applied.
    fn rewritten(&self) -> Buffer {
        let mut point = Buffer::with_room(self.base.bytes.len() + 64);
        for field in Fields(self.base.bytes) {
            if !self.drops(field.number, field.bytes) {
                point.append(field.whole);
            }
        }
        for (index, edit) in self.edits.iter().enumerate() {
            if self.is_void(index) {
                continue;
            }
            match *edit {
                Edit::Field(key, Some(value)) => put_field(key, value, &mut point),
                Edit::Tag(key, Some(value)) => wire::put_text_entry(TAGS, key, value, &mut point),
                Edit::Field(_, None) | Edit::Tag(_, None) => {}
                Edit::Time(time) => wire::put_int(TIME, time, &mut point),
                Edit::Name(name) => wire::put_text(NAME, name, &mut point),
            }
        }
        point
    }

    fn renames(&self) -> bool {
        self.edits.iter().any(|edit| matches!(edit, Edit::Name(_)))
    }

    #[inline(never)]
    fn encode_any(&self, provides_stream: bool, out: &mut Buffer) {
        let mut context = Buffer::new();
        if provides_stream && let Some(batch) = self.base.batch {
            batch.put_stream_context(!self.renames(), &mut context);
        }
        let mut point = if self.can_append() { self.appended() } else { self.rewritten() };
        point.append(&context);
        wire::put_frame(POINT, &point, out);
    }
}

impl Encode for Edited<'_> {
    #[inline(never)]
    fn encode(&self, provides_stream: bool, out: &mut Buffer) {
        // The most common edit: one double is added to a point of a stream.
        if let [Edit::Field(key, Some(Value::Double(value)))] = self.edits[..]
            && self.base.batch.is_none()
            && key.len() < LONG_KEY
            && may_have_double(self.base.fields, key)
        {
            let base = self.base.bytes;
            let length = base.len() + 2 + wire::double_entry_len(key.len());
            let (point, entry) = wire::frame_of(POINT, length, out).split_at_mut(base.len());
            point.copy_from_slice(base);
            set_double(key, value, entry);
        } else {
            self.encode_any(provides_stream, out);
        }
    }
}

/// Whether a double can be appended under `key`: no field of this name has another type.
#[inline(always)]
fn may_have_double(mut fields: &[u8], key: &str) -> bool {
    while let Some((DOUBLES_TAG, _, after)) = wire::short_field(fields) {
        fields = after;
    }
    fields.is_empty() || has_no_other_type(fields, key, DOUBLES)
}

/// Whether no map other than `map` has an entry with this key.
#[inline(never)]
fn has_no_other_type(fields: &[u8], key: &str, map: u32) -> bool {
    !Fields(fields)
        .any(|field| field.number != map && is_map(field.number) && wire::has_key(field.bytes, key))
}
