//! Entries of the maps of a point: its tags, and its fields of four types.

use crate::protocol::field::{self, point};
use crate::protocol::wire::{Fields, WireField};

/// Whether a field of a point with this number is an entry of one of its maps of fields.
pub(super) fn is_field(number: u32) -> bool {
    matches!(number, point::FIELDS_DOUBLE | point::FIELDS_INT | point::FIELDS_STRING | point::FIELDS_BOOL)
}

/// The key of a map entry; the last one if there are more, as decoders do.
pub(super) fn key_of(entry: WireField<'_>) -> &[u8] {
    let (mut key, mut parts) = (&[][..], Fields::new(entry.value));
    while let Ok(Some(part)) = parts.next() {
        if part.number == field::entry::KEY {
            key = part.value;
        }
    }
    key
}

/// The value of an entry of fieldsDouble; the last one if there are more.
pub(super) fn number_of(entry: WireField<'_>) -> f64 {
    let (mut number, mut parts) = (0.0, Fields::new(entry.value));
    while let Ok(Some(part)) = parts.next() {
        if part.number == field::entry::VALUE
            && let Ok(bytes) = part.value.try_into()
        {
            number = f64::from_le_bytes(bytes);
        }
    }
    number
}

/// The value of an entry of tags; the last one if there are more.
pub(super) fn value_of(tag: WireField<'_>) -> &[u8] {
    let (mut value, mut parts) = (&[][..], Fields::new(tag.value));
    while let Ok(Some(part)) = parts.next() {
        if part.number == field::entry::VALUE {
            value = part.value;
        }
    }
    value
}
