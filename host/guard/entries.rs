//! Entries of the maps of a point: its tags, and its fields of four types.

use crate::protocol::field::{self, point};
use crate::protocol::wire::{Fields, WireField};

/// Whether a field of a point with this number is an entry of one of its maps of fields.
pub(super) fn is_field(number: u32) -> bool {
    matches!(number, point::FIELDS_DOUBLE | point::FIELDS_INT | point::FIELDS_STRING | point::FIELDS_BOOL)
}

/// An entry of a map. Of several keys or values the last one counts, as for every decoder.
#[derive(Clone, Copy, Default)]
pub(super) struct Entry<'a> {
    pub(super) key: &'a [u8],
    /// The contents of a text, or the bytes of a number.
    pub(super) value: &'a [u8],
}

impl<'a> Entry<'a> {
    /// The entry that `field` is, which was checked.
    pub(super) fn of(field: WireField<'a>) -> Self {
        let (mut entry, mut parts) = (Self::default(), Fields::new(field.value));
        while let Ok(Some(part)) = parts.next() {
            entry.take(part);
        }
        entry
    }

    /// Takes one of its parts.
    pub(super) fn take(&mut self, part: WireField<'a>) {
        match part.number {
            field::entry::KEY => self.key = part.value,
            field::entry::VALUE => self.value = part.value,
            _ => {}
        }
    }

    /// Its value as a double, which is zero where none is written.
    pub(super) fn double(&self) -> f64 {
        self.value.try_into().map_or(0.0, f64::from_le_bytes)
    }
}
