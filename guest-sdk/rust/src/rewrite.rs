//! The bytes of a point with changes.

use smallvec::SmallVec;

use crate::buffer::Buffer;
use crate::bytes::same;
use crate::edit::{Edit, Edited, Text};
use crate::emit::Encode;
use crate::encode::{LONG_KEY, field_len, put_field, set_double};
use crate::fields::{DOUBLES_TAG, is_map, map_of};
use crate::numbers::POINT;
use crate::numbers::point::{BY_NAME, DIMENSIONS, DOUBLES, GROUP, NAME, TAGS, TIME};
use crate::value::Value;
use crate::wire::{self, Fields};

impl Encode for Edited<'_> {
    #[inline(never)]
    fn encode(&self, provides_stream: bool, out: &mut Buffer) {
        // The most common edit: one double is added to a point of a stream.
        if let [Edit::Field(Text::Borrowed(key), Some(Value::Double(value)))] = self.edits[..]
            && self.base.batch.is_none()
            && key.len() < LONG_KEY
            && may_have_double(self.base.fields, key)
        {
            let base = self.base.bytes;
            let length = base.len() + 2 + wire::double_entry_len(key.len());
            let (point, entry) = wire::frame_of(POINT, length, out).split_at_mut(base.len());
            point.copy_from_slice(base);
            set_double(key, value, entry);
        } else if !(self.only_sets && self.append(provides_stream, out)) {
            encode_any(self, provides_stream, out);
        }
    }
}

/// A field that is set, and the map it is in.
struct Set<'e> {
    key: &'e str,
    value: Value<'e>,
    map: u32,
}

impl Edited<'_> {
    /// Appends the point and behind it the fields that the edits set, which must be all that they do. Returns false and
    /// appends nothing if that would not be the point: if a field is set twice, or has another type in the point, or
    /// if a point of a batch becomes one of a stream.
    #[inline(never)]
    fn append(&self, provides_stream: bool, out: &mut Buffer) -> bool {
        if provides_stream && self.base.batch.is_some() {
            return false;
        }
        // As many as an edited point has in place.
        let mut sets = SmallVec::<[Set<'_>; 3]>::new();
        let mut length = 0;
        for edit in &self.edits {
            let Some((key, Some(value))) = field_of(self, edit) else { return false };
            if sets.iter().any(|other| same(key.as_bytes(), other.key.as_bytes())) {
                return false;
            }
            length += field_len(key, &value);
            sets.push(Set { key, value, map: map_of(&value) });
        }
        if has_other_type(self.base.fields, &sets) {
            return false;
        }
        let base = self.base.bytes;
        wire::frame_of(POINT, base.len() + length, out)[..base.len()].copy_from_slice(base);
        out.truncate(out.len() - length);
        for set in &sets {
            put_field(set.key, set.value, out);
        }
        true
    }
}

/// Whether one of these fields has another type in the point.
#[inline(never)]
fn has_other_type(fields: &[u8], sets: &[Set<'_>]) -> bool {
    Fields(fields).any(|field| {
        let is_other = |set: &Set<'_>| set.map != field.number && wire::has_key(field.bytes, set.key);
        is_map(field.number) && sets.iter().any(is_other)
    })
}

#[inline(never)]
fn encode_any(edited: &Edited<'_>, provides_stream: bool, out: &mut Buffer) {
    let mut point = rewritten(edited, provides_stream);
    if provides_stream && let Some(batch) = edited.base.batch {
        let has = |wanted: fn(&Edit<'_>) -> bool| edited.edits.iter().any(wanted);
        if !has(|edit| matches!(edit, Edit::Name(_))) {
            wire::put_text(NAME, batch.name(), &mut point);
        }
        if has(|edit| matches!(edit, Edit::Ungroup)) {
            wire::put_int(BY_NAME, i64::from(batch.by_name()), &mut point);
        } else {
            batch.put_group(&mut point);
        }
    }
    wire::put_frame(POINT, &point, out);
}

/// The field that an edit sets or removes, and its value.
fn field_of<'e>(edited: &'e Edited<'_>, edit: &Edit<'e>) -> Option<(&'e str, Option<Value<'e>>)> {
    match *edit {
        Edit::Field(key, value) => Some((edited.text(key), value)),
        Edit::TextField(key, text) => Some((edited.text(key), Some(Value::String(edited.text(text))))),
        _ => None,
    }
}

/// Whether an edit removes or replaces this field of the point's message.
fn drops(edited: &Edited<'_>, number: u32, bytes: &[u8]) -> bool {
    let has_key = |key: &str| wire::entry(bytes).0 == key.as_bytes();
    edited.edits.iter().any(|edit| match (*edit, number) {
        (Edit::Field(key, _) | Edit::TextField(key, _), number) if is_map(number) => {
            has_key(edited.text(key))
        }
        (Edit::Tag(key, _), TAGS) => has_key(edited.text(key)),
        // Kapacitor makes the group from the dimensions.
        (Edit::Time(_), TIME) | (Edit::Name(_), NAME) | (Edit::Ungroup, DIMENSIONS | GROUP) => true,
        _ => false,
    })
}

/// Whether a later edit replaces the one at `index`.
fn is_void(edited: &Edited<'_>, index: usize) -> bool {
    let edit = &edited.edits[index];
    edited.edits[index + 1..].iter().any(|later| match (edit, later) {
        (Edit::Tag(a, _), Edit::Tag(b, _)) => edited.text(*a) == edited.text(*b),
        (Edit::Time(_), Edit::Time(_))
        | (Edit::Name(_), Edit::Name(_))
        | (Edit::Dimension(_), Edit::Ungroup) => true,
        _ => match (field_of(edited, edit), field_of(edited, later)) {
            (Some((a, _)), Some((b, _))) => a == b,
            _ => false,
        },
    })
}

/// The message of the point, copied field by field, with the edits applied. Points of a batch that is sent as one have
/// no dimensions.
fn rewritten(edited: &Edited<'_>, provides_stream: bool) -> Buffer {
    let has_dimensions = provides_stream || edited.base.batch.is_none();
    let mut point = Buffer::with_room(edited.base.bytes.len() + 64);
    for field in Fields(edited.base.bytes) {
        if !drops(edited, field.number, field.bytes) {
            point.append(field.whole);
        }
    }
    for (index, edit) in edited.edits.iter().enumerate() {
        if is_void(edited, index) {
            continue;
        }
        match *edit {
            Edit::Tag(key, Some(value)) => {
                wire::put_text_entry(TAGS, edited.text(key), edited.text(value), &mut point);
            }
            Edit::Time(time) => wire::put_int(TIME, time, &mut point),
            Edit::Name(name) => wire::put_text(NAME, edited.text(name), &mut point),
            Edit::Dimension(dimension) if has_dimensions => {
                wire::put_bytes(DIMENSIONS, edited.text(dimension).as_bytes(), &mut point);
            }
            _ => {
                if let Some((key, Some(value))) = field_of(edited, edit) {
                    put_field(key, value, &mut point);
                }
            }
        }
    }
    point
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
