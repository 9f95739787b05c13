//! The fields of a point, which its message holds in four maps, one for each type.

use crate::numbers::point::{BOOLS, DOUBLES, INTS, STRINGS};
use crate::value::Value;
use crate::wire::{self, Fields};

/// Tag of an entry of the first of the four maps.
pub const DOUBLES_TAG: u8 = (DOUBLES << 3 | wire::LEN) as u8;

/// Tag of an entry of the map of bools.
pub const BOOLS_TAG: u8 = (BOOLS << 3 | wire::LEN) as u8;

/// Whether this is the number of one of the four maps.
#[inline(always)]
pub fn is_map(number: u32) -> bool {
    // One test of a bit, rather than a jump for each number.
    const MAPS: u32 = 1 << DOUBLES | 1 << INTS | 1 << STRINGS | 1 << BOOLS;
    number < 32 && MAPS >> number & 1 != 0
}

/// The number of the map that holds values of this type.
pub fn map_of(value: &Value<'_>) -> u32 {
    match value {
        Value::Double(_) => DOUBLES,
        Value::Int(_) => INTS,
        Value::String(_) => STRINGS,
        Value::Bool(_) => BOOLS,
    }
}

/// The names and values of all fields in a part of a point's message.
pub fn iter(message: &[u8]) -> impl Iterator<Item = (&str, Value<'_>)> {
    Fields(message).filter(|field| is_map(field.number)).map(|field| {
        let (key, value) = wire::entry(field.bytes);
        (wire::text(key), value_of(field.number, value))
    })
}

/// The names of all fields in a part of a point's message.
pub fn names(message: &[u8]) -> impl Iterator<Item = &str> {
    Fields(message).filter(|field| is_map(field.number)).map(|field| wire::text(wire::entry(field.bytes).0))
}

/// The first entry with this key in any of the four maps; returns the map's number and the entry.
#[inline(always)]
pub fn find_entry<'a>(message: &'a [u8], key: &str) -> Option<(u32, &'a [u8])> {
    let mut rest = message;
    // In a batch the tags come before the maps.
    while let Some((..DOUBLES_TAG, _, after)) = wire::short_field(rest) {
        rest = after;
    }
    while let Some((tag, entry, after)) = wire::short_field(rest) {
        let number = u32::from(tag >> 3);
        if wire::has_key(entry, key) && is_map(number) {
            return Some((number, entry));
        }
        rest = after;
    }
    Fields(rest)
        .find(|field| is_map(field.number) && wire::has_key(field.bytes, key))
        .map(|field| (field.number, field.bytes))
}

/// The value in an entry of map `number`.
#[inline(never)]
pub fn value_of(number: u32, value: &[u8]) -> Value<'_> {
    let int = || wire::varint(value).map_or(0, |(value, _)| value);
    match number {
        DOUBLES => Value::Double(wire::double(value)),
        INTS => Value::Int(int() as i64),
        STRINGS => Value::String(wire::text(value)),
        _ => Value::Bool(int() != 0),
    }
}
