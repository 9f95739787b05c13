//! What is found of the fields of a point together, such as whether a name has two types.

use super::unwritable::is_unwritable_field;
use crate::protocol::field::point;
use crate::protocol::wire::{LEN, short_tag};

/// The names of the fields of a point, by type.
#[derive(Default)]
pub(super) struct NameSets {
    /// For each of the four types a set of the field names, hashed to 64 values: when no two of the
    /// sets have a value in common, no name has two types.
    pub(super) sets: [u64; 4],
    /// Whether a number was not finite.
    pub(super) not_finite: bool,
    /// Whether a measurement was given, which a point outside of a batch needs.
    pub(super) named: bool,
    /// Whether InfluxDB can't store a name or the time.
    pub(super) unwritable: bool,
}

impl NameSets {
    /// Adds the name of a field of the type with this number.
    pub(super) fn add_field(&mut self, of: usize, name: &[u8]) {
        self.sets[of] |= one_of_64(name);
        self.unwritable |= is_unwritable_field(name);
    }

    /// Whether a name may have two types: then the names have to be compared.
    pub(super) fn may_have_two_types(&self) -> bool {
        let [a, b, c, d] = self.sets;
        (a & (b | c | d)) | (b & (c | d)) | (c & d) != 0
    }
}

/// Tags of the maps of fields: doubles, ints, strings, bools.
pub(super) const TYPES: [u8; 4] = [
    short_tag(point::FIELDS_DOUBLE, LEN),
    short_tag(point::FIELDS_INT, LEN),
    short_tag(point::FIELDS_STRING, LEN),
    short_tag(point::FIELDS_BOOL, LEN),
];

/// A set of one of 64 values, chosen by `name`.
#[inline]
pub(super) fn one_of_64(name: &[u8]) -> u64 {
    let (Some(first), Some(last)) = (name.first(), name.last()) else {
        return 1;
    };
    let hash = name.len() as u32 ^ u32::from(*first).wrapping_mul(31) ^ u32::from(*last).wrapping_mul(7);
    1 << (hash & 63)
}
