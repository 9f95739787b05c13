//! Writing the fields of a point.

use crate::buffer::Buffer;
use crate::bytes::copy_short;
use crate::fields::{BOOLS_TAG, DOUBLES_TAG, map_of};
use crate::value::Value;
use crate::wire::{self, FIXED64, LEN, VARINT};

/// Length of the shortest key with which the entry of a double is too long for a length of one byte.
pub const LONG_KEY: usize = 0x80 - wire::double_entry_len(0);

/// Appends a field of a point.
pub fn put_field(key: &str, value: Value<'_>, out: &mut Buffer) {
    match (value, key.len()) {
        (Value::Double(value), ..LONG_KEY) => {
            return set_double(key, value, out.more(2 + wire::double_entry_len(key.len())));
        }
        (Value::Bool(value), ..LONG_KEY) => return set_bool(key, value, out.more(6 + key.len())),
        _ => {}
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

/// Writes a field with a double, tag and length included, into `room`, which it fills. The key must
/// be shorter than [`LONG_KEY`].
#[inline(always)]
pub fn set_double(key: &str, value: f64, room: &mut [u8]) {
    let head = [DOUBLES_TAG, wire::double_entry_len(key.len()) as u8, wire::KEY, key.len() as u8];
    let mut tail = [wire::DOUBLE; 9];
    tail[1..].copy_from_slice(&value.to_le_bytes());
    if let Some((room, rest)) = room.split_first_chunk_mut() {
        *room = head;
        copy_short(key.as_bytes(), rest);
        if let Some(room) = rest.last_chunk_mut() {
            *room = tail;
        }
    }
}

/// Writes a field with a bool likewise: it takes six bytes beside the key.
#[inline(always)]
fn set_bool(key: &str, value: bool, room: &mut [u8]) {
    let head = [BOOLS_TAG, key.len() as u8 + 4, wire::KEY, key.len() as u8];
    if let Some((room, rest)) = room.split_first_chunk_mut() {
        *room = head;
        copy_short(key.as_bytes(), rest);
        if let Some(room) = rest.last_chunk_mut() {
            *room = [wire::INT, u8::from(value)];
        }
    }
}

/// The length of a field of a point.
pub fn field_len(key: &str, value: &Value<'_>) -> usize {
    let entry = entry_len(key, value);
    1 + wire::varint_len(entry as u64) + entry
}

#[inline]
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
