//! The fields of one response, each checked by itself.

use std::collections::HashSet;

use super::entries::Entry;
use super::fast_path::high_bits;
use super::field_types::NameSets;
use super::series::may_exceed_series;
use super::unwritable::{
    is_unwritable_measurement, is_unwritable_tag, is_unwritable_text, is_unwritable_time,
};
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
    seen.unwritable = may_exceed_series(message.len());
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
            seen.unwritable |= is_unwritable_measurement(field.value);
        }
        point::DATABASE => text(field, "database")?,
        point::RETENTION_POLICY => text(field, "retentionPolicy")?,
        point::GROUP => text(field, "group")?,
        point::DIMENSIONS => text(field, "dimensions")?,
        point::TAGS => {
            let tag = entry(field, "tags", LEN)?;
            seen.unwritable |= is_unwritable_tag(tag.key) || is_unwritable_text(tag.value);
        }
        point::FIELDS_DOUBLE => {
            let double = entry(field, "fieldsDouble", FIXED64)?;
            seen.add_field(0, double.key);
            seen.not_finite |= !double.double().is_finite();
        }
        point::FIELDS_INT => seen.add_field(1, entry(field, "fieldsInt", VARINT)?.key),
        point::FIELDS_STRING => seen.add_field(2, entry(field, "fieldsString", LEN)?.key),
        point::FIELDS_BOOL => seen.add_field(3, entry(field, "fieldsBool", VARINT)?.key),
        point::BY_NAME => varint(field, "byName")?,
        _ => {}
    }
    Ok(fields.rest())
}

/// The names of the fields of a point that are numbers and not finite. Of two entries with one name
/// the later one counts.
pub(super) fn not_finite(message: &[u8]) -> HashSet<&[u8]> {
    let (mut names, mut fields) = (HashSet::new(), Fields::new(message));
    while let Ok(Some(field)) = fields.next() {
        if field.number == point::FIELDS_DOUBLE {
            let double = Entry::of(field);
            if double.double().is_finite() {
                names.remove(double.key);
            } else {
                names.insert(double.key);
            }
        }
    }
    names
}

/// Checks one map entry with values of `wire_type`.
fn entry<'a>(field: WireField<'a>, name: &'static str, wire_type: u8) -> Result<Entry<'a>, ViolationKind> {
    if field.wire_type != LEN {
        return Err(ViolationKind::Malformed(name));
    }
    let (mut entry, mut parts) = (Entry::default(), Fields::new(field.value));
    while let Some(part) = parts.next().map_err(|_| ViolationKind::Malformed(name))? {
        match part.number {
            field::entry::KEY => text(part, name)?,
            field::entry::VALUE if part.wire_type != wire_type => return Err(ViolationKind::Malformed(name)),
            field::entry::VALUE if wire_type == LEN => utf8(part.value, name)?,
            _ => {}
        }
        entry.take(part);
    }
    Ok(entry)
}
