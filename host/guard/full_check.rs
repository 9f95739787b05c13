//! The fields of one response, each checked by itself.

use std::collections::HashSet;

use super::entries::{is_field, key_of, number_of, value_of};
use super::fast_path::high_bits;
use super::field_types::{NameSets, one_of_64};
use super::unwritable::{is_unwritable_key, is_unwritable_text, is_unwritable_time};
use super::violation::{MAX_ENTRIES, ViolationKind};
use crate::protocol::field::{self, point};
use crate::protocol::wire::{FIXED64, Fields, LEN, VARINT, WireField};

pub(super) fn begin(message: &[u8]) -> Result<(), ViolationKind> {
    let (mut fields, mut entries) = (Fields::new(message), 0);
    while let Some(field) = fields.next().map_err(|_| ViolationKind::Malformed("begin"))? {
        entries += 1;
        if entries > MAX_ENTRIES {
            return Err(ViolationKind::TooManyEntries("begin"));
        }
        match field.number {
            field::begin::NAME => text(field, "name")?,
            field::begin::GROUP => text(field, "group")?,
            field::begin::TAGS => {
                entry(field, "tags", LEN)?;
            }
            field::begin::SIZE => varint(field, "size")?,
            field::begin::BY_NAME => varint(field, "byName")?,
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn end(message: &[u8]) -> Result<(), ViolationKind> {
    let (mut fields, mut entries) = (Fields::new(message), 0);
    while let Some(field) = fields.next().map_err(|_| ViolationKind::Malformed("end"))? {
        entries += 1;
        if entries > MAX_ENTRIES {
            return Err(ViolationKind::TooManyEntries("end"));
        }
        match field.number {
            field::end::NAME => text(field, "name")?,
            field::end::GROUP => text(field, "group")?,
            field::end::TMAX => varint(field, "tmax")?,
            field::end::TAGS => {
                entry(field, "tags", LEN)?;
            }
            field::end::BY_NAME => varint(field, "byName")?,
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn error(message: &[u8]) -> Result<&str, ViolationKind> {
    let mut fields = Fields::new(message);
    let mut error = "";
    while let Some(field) = fields.next().map_err(|_| ViolationKind::Malformed("error"))? {
        if field.number == field::error::ERROR {
            text(field, "error")?;
            error = std::str::from_utf8(field.value).map_err(|_| ViolationKind::Utf8("error"))?;
        }
    }
    Ok(error)
}

#[inline]
fn varint(field: WireField<'_>, name: &'static str) -> Result<(), ViolationKind> {
    if field.wire_type == VARINT { Ok(()) } else { Err(ViolationKind::Malformed(name)) }
}

#[inline]
fn text(field: WireField<'_>, name: &'static str) -> Result<(), ViolationKind> {
    if field.wire_type != LEN {
        return Err(ViolationKind::Malformed(name));
    }
    utf8(field.value, name)
}

#[inline]
fn utf8(bytes: &[u8], name: &'static str) -> Result<(), ViolationKind> {
    if high_bits(bytes) == 0 || std::str::from_utf8(bytes).is_ok() {
        Ok(())
    } else {
        Err(ViolationKind::Utf8(name))
    }
}

/// Checks a point.
#[inline(never)]
pub(super) fn point_of_any_form(message: &[u8]) -> Result<NameSets, ViolationKind> {
    let (mut seen, mut rest, mut entries) = (NameSets::default(), message, 0);
    while !rest.is_empty() {
        entries += 1;
        if entries > MAX_ENTRIES {
            return Err(ViolationKind::TooManyEntries("point"));
        }
        rest = field_of_any_form(rest, &mut seen)?;
    }
    Ok(seen)
}

/// Checks the first field of a point and returns what follows.
fn field_of_any_form<'a>(message: &'a [u8], seen: &mut NameSets) -> Result<&'a [u8], ViolationKind> {
    let mut fields = Fields::new(message);
    let field = fields.next().ok().flatten().ok_or(ViolationKind::Malformed("point"))?;
    match field.number {
        point::TIME => {
            varint(field, "time")?;
            seen.unwritable |= is_unwritable_time(field.value);
        }
        point::NAME => {
            text(field, "name")?;
            seen.named = !field.value.is_empty();
            seen.unwritable |= is_unwritable_text(field.value);
        }
        point::DATABASE => text(field, "database")?,
        point::RETENTION_POLICY => text(field, "retentionPolicy")?,
        point::GROUP => text(field, "group")?,
        point::DIMENSIONS => text(field, "dimensions")?,
        point::TAGS => {
            entry(field, "tags", LEN)?;
            seen.unwritable |= is_unwritable_key(key_of(field)) || is_unwritable_text(value_of(field));
        }
        point::FIELDS_DOUBLE => {
            seen.sets[0] |= entry(field, "fieldsDouble", FIXED64)?;
            seen.not_finite |= !number_of(field).is_finite();
        }
        point::FIELDS_INT => seen.sets[1] |= entry(field, "fieldsInt", VARINT)?,
        point::FIELDS_STRING => seen.sets[2] |= entry(field, "fieldsString", LEN)?,
        point::FIELDS_BOOL => seen.sets[3] |= entry(field, "fieldsBool", VARINT)?,
        point::BY_NAME => varint(field, "byName")?,
        _ => {}
    }
    seen.unwritable |= is_field(field.number) && is_unwritable_key(key_of(field));
    Ok(fields.rest())
}

/// The names of the fields of a point that are numbers and not finite. Of two entries with one name
/// the later one counts.
pub(super) fn not_finite(message: &[u8]) -> HashSet<&[u8]> {
    let (mut names, mut fields) = (HashSet::new(), Fields::new(message));
    while let Ok(Some(field)) = fields.next() {
        if field.number == point::FIELDS_DOUBLE {
            if number_of(field).is_finite() {
                names.remove(key_of(field));
            } else {
                names.insert(key_of(field));
            }
        }
    }
    names
}

/// Checks one map entry with values of `wire_type`, and returns the set of its key: see [`NameSets`].
fn entry(field: WireField<'_>, name: &'static str, wire_type: u8) -> Result<u64, ViolationKind> {
    if field.wire_type != LEN {
        return Err(ViolationKind::Malformed(name));
    }
    let mut set = 1;
    let mut parts = Fields::new(field.value);
    while let Some(part) = parts.next().map_err(|_| ViolationKind::Malformed(name))? {
        match part.number {
            field::entry::KEY => {
                text(part, name)?;
                set = one_of_64(part.value);
            }
            field::entry::VALUE if part.wire_type != wire_type => return Err(ViolationKind::Malformed(name)),
            field::entry::VALUE if wire_type == LEN => utf8(part.value, name)?,
            _ => {}
        }
    }
    Ok(set)
}
