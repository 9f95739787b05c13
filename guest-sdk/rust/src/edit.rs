//! A point with changes: the bytes that came, and what is to be different.

use smallvec::SmallVec;

use crate::buffer::Buffer;
use crate::output::Emit;
use crate::point::number::*;
use crate::point::{DOUBLES_TAG, Point, Value, is_map_of_fields};
use crate::wire::{self, FIXED64, Fields, LEN, VARINT};

/// A point with changes, made by [`Point::with`] and its siblings.
///
/// What is not changed is passed on as it came, without being decoded.
#[derive(Clone, Debug)]
pub struct Edited<'a> {
    base: Point<'a>,
    edits: SmallVec<[Edit<'a>; 3]>,
    /// Whether all edits set a field to a value.
    only_sets: bool,
}

#[derive(Clone, Copy, Debug)]
enum Edit<'a> {
    Field(&'a str, Option<Value<'a>>),
    Tag(&'a str, Option<&'a str>),
    Time(i64),
    Name(&'a str),
}

impl<'a> Edited<'a> {
    pub(crate) fn new(base: Point<'a>) -> Self {
        Self { base, edits: SmallVec::new(), only_sets: true }
    }

    /// Sets a field.
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

    /// Sets a tag. A tag that the stream is grouped by puts the point into another group.
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

    /// Whether what the base has under a key that is set now is of the same type, so that the new
    /// entry, behind it, replaces it.
    fn can_append(&self) -> bool {
        self.only_sets
            && !(0..self.edits.len()).any(|index| self.is_void(index))
            && self.edits.iter().all(|edit| match edit {
                Edit::Field(key, Some(value)) => has_no_other_type(self.base.fields, key, map_of(value)),
                _ => true,
            })
    }

    /// Whether a field of the base is dropped, or replaced by an edit.
    fn drops(&self, number: u32, bytes: &[u8]) -> bool {
        self.edits.iter().any(|edit| match (edit, number) {
            (Edit::Field(key, _), number) if is_map_of_fields(number) => {
                wire::entry(bytes).0 == key.as_bytes()
            }
            (Edit::Tag(key, _), TAGS) => wire::entry(bytes).0 == key.as_bytes(),
            (Edit::Time(_), TIME) | (Edit::Name(_), NAME) => true,
            _ => false,
        })
    }

    /// Whether a later edit of the same thing makes the one at `index` void.
    fn is_void(&self, index: usize) -> bool {
        self.edits[index + 1..].iter().any(|later| match (&self.edits[index], later) {
            (Edit::Field(a, _), Edit::Field(b, _)) | (Edit::Tag(a, _), Edit::Tag(b, _)) => a == b,
            (Edit::Time(_), Edit::Time(_)) | (Edit::Name(_), Edit::Name(_)) => true,
            _ => false,
        })
    }

    /// The whole point, edits and all.
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
}

impl Emit for Edited<'_> {
    #[inline(never)]
    fn emit(&self, provides_stream: bool, out: &mut Buffer) {
        // Nearly all: one number more.
        if let [Edit::Field(key, Some(Value::Double(value)))] = self.edits[..]
            && self.base.batch.is_none()
            && key.len() < LONG_KEY
            && may_have_double(self.base.fields, key)
        {
            let base = self.base.bytes;
            let length = base.len() + 2 + wire::double_entry_len(key.len());
            let (point, entry) = wire::frame_of(17, length, out).split_at_mut(base.len());
            point.copy_from_slice(base);
            set_double(key, value, entry);
        } else {
            self.emit_any(provides_stream, out);
        }
    }
}

impl Edited<'_> {
    #[inline(never)]
    fn emit_any(&self, provides_stream: bool, out: &mut Buffer) {
        let mut context = Buffer::new();
        if provides_stream && let Some(batch) = self.base.batch {
            batch.put_stream_context(!self.renames(), &mut context);
        }
        let mut point = if self.can_append() {
            let mut point = Buffer::from(self.base.bytes);
            for edit in &self.edits {
                if let Edit::Field(key, Some(value)) = *edit {
                    put_field(key, value, &mut point);
                }
            }
            point
        } else {
            self.rewritten()
        };
        point.append(&context);
        wire::put_frame(17, &point, out);
    }
}

/// Whether there is nothing under `key` but doubles.
#[inline(always)]
fn may_have_double(mut fields: &[u8], key: &str) -> bool {
    while let Some((DOUBLES_TAG, _, after)) = wire::short_field(fields) {
        fields = after;
    }
    fields.is_empty() || has_no_other_type(fields, key, DOUBLES)
}

/// Whether there is nothing under `key` in other maps than `map`.
#[inline(never)]
fn has_no_other_type(fields: &[u8], key: &str, map: u32) -> bool {
    !Fields(fields)
        .any(|field| field.number != map && is_map_of_fields(field.number) && wire::has_key(field.bytes, key))
}

/// The number of the map that holds values of this type.
pub(crate) fn map_of(value: &Value<'_>) -> u32 {
    match value {
        Value::Double(_) => DOUBLES,
        Value::Int(_) => INTS,
        Value::String(_) => STRINGS,
        Value::Bool(_) => BOOLS,
    }
}

fn entry_len(key: &str, value: &Value<'_>) -> usize {
    let text = |text: &str| 1 + wire::varint_len(text.len() as u64) + text.len();
    text(key)
        + match value {
            Value::Double(_) => 9,
            Value::Int(value) => 1 + wire::varint_len(*value as u64),
            Value::String(value) => text(value),
            Value::Bool(_) => 2,
        }
}

/// From this length on the length of an entry with a double takes more than one byte.
const LONG_KEY: usize = 0x80 - wire::double_entry_len(0);

/// Writes a double under a key that is not long, with its tag and length.
#[inline(always)]
fn set_double(key: &str, value: f64, room: &mut [u8]) {
    let head = [DOUBLES_TAG, wire::double_entry_len(key.len()) as u8, wire::KEY, key.len() as u8];
    let mut tail = [wire::DOUBLE; 9];
    tail[1..].copy_from_slice(&value.to_le_bytes());
    if let Some((room, rest)) = room.split_first_chunk_mut() {
        *room = head;
        wire::set_short(key.as_bytes(), rest);
        if let Some(room) = rest.last_chunk_mut() {
            *room = tail;
        }
    }
}

/// Appends a field of a point.
pub(crate) fn put_field(key: &str, value: Value<'_>, out: &mut Buffer) {
    if let (Value::Double(value), ..LONG_KEY) = (value, key.len()) {
        return set_double(key, value, out.more(2 + wire::double_entry_len(key.len())));
    }
    wire::put_tag(map_of(&value), LEN, out);
    wire::put_varint(entry_len(key, &value) as u64, out);
    wire::put_bytes(1, key.as_bytes(), out);
    match value {
        Value::Double(value) => {
            wire::put_tag(2, FIXED64, out);
            out.put(value.to_le_bytes());
        }
        Value::Int(value) => {
            wire::put_tag(2, VARINT, out);
            wire::put_varint(value as u64, out);
        }
        Value::String(value) => wire::put_bytes(2, value.as_bytes(), out),
        Value::Bool(value) => {
            wire::put_tag(2, VARINT, out);
            out.put([u8::from(value)]);
        }
    }
}
