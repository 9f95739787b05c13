//! A point with changes: the bytes that came, and what is to be different.

use smallvec::SmallVec;

use crate::output::Emit;
use crate::point::number::*;
use crate::point::{Point, Value, is_map_of_fields};
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
                Edit::Field(key, Some(value)) => {
                    let (map, mut pos) = (map_of(value), 0);
                    // Entries of the same map are as good as skipped.
                    while let Some((tag, _, end)) = wire::short_field(self.base.fields, pos)
                        && u32::from(tag >> 3) == map
                    {
                        pos = end;
                    }
                    Fields(&self.base.fields[pos..]).all(|field| {
                        field.number == map
                            || !is_map_of_fields(field.number)
                            || !wire::same(wire::entry(field.bytes).0, key.as_bytes())
                    })
                }
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
    fn rewritten(&self) -> Vec<u8> {
        let mut point = Vec::with_capacity(self.base.bytes.len() + 64);
        for field in Fields(self.base.bytes) {
            if !self.drops(field.number, field.bytes) {
                point.extend_from_slice(field.whole);
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
    fn emit(&self, provides_stream: bool, out: &mut Vec<u8>) {
        let mut context = Vec::new();
        if provides_stream && let Some(batch) = self.base.batch {
            batch.put_stream_context(!self.renames(), &mut context);
        }
        if self.can_append() {
            let length: usize = self.edits.iter().map(Edit::appended_len).sum();
            wire::begin_frame(17, self.base.bytes.len() + length + context.len(), out);
            out.extend_from_slice(self.base.bytes);
            for edit in &self.edits {
                if let Edit::Field(key, Some(value)) = *edit {
                    put_field(key, value, out);
                }
            }
        } else {
            let point = self.rewritten();
            wire::begin_frame(17, point.len() + context.len(), out);
            out.extend_from_slice(&point);
        }
        out.extend_from_slice(&context);
    }
}

impl Edit<'_> {
    /// Length of what [`put_field`] writes for it.
    fn appended_len(&self) -> usize {
        match self {
            Edit::Field(key, Some(value)) => {
                let entry = entry_len(key, value);
                1 + wire::varint_len(entry as u64) + entry
            }
            _ => 0,
        }
    }
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

/// Appends a field of a point.
#[inline]
pub(crate) fn put_field(key: &str, value: Value<'_>, out: &mut Vec<u8>) {
    // Nearly all: a number under a short key.
    if let (Value::Double(value), ..0x60) = (value, key.len()) {
        let head = [(DOUBLES << 3 | LEN) as u8, key.len() as u8 + 11, (1 << 3 | LEN) as u8, key.len() as u8];
        out.extend_from_slice(&head);
        out.extend_from_slice(key.as_bytes());
        let mut tail = [(2 << 3 | FIXED64) as u8; 9];
        tail[1..].copy_from_slice(&value.to_le_bytes());
        out.extend_from_slice(&tail);
        return;
    }
    let mut head = [0; 12];
    head[0] = (map_of(&value) << 3 | LEN) as u8;
    let end = wire::set_varint(entry_len(key, &value) as u64, &mut head, 1);
    head[end] = (1 << 3 | LEN) as u8;
    let end = wire::set_varint(key.len() as u64, &mut head, end + 1);
    wire::put_head(head, end, out);
    out.extend_from_slice(key.as_bytes());
    match value {
        Value::Double(value) => {
            let mut bytes = [(2 << 3 | FIXED64) as u8; 9];
            bytes[1..].copy_from_slice(&value.to_le_bytes());
            out.extend_from_slice(&bytes);
        }
        Value::Int(value) => {
            wire::put_tag(2, VARINT, out);
            wire::put_varint(value as u64, out);
        }
        Value::String(value) => wire::put_bytes(2, value.as_bytes(), out),
        Value::Bool(value) => {
            wire::put_tag(2, VARINT, out);
            out.push(u8::from(value));
        }
    }
}
