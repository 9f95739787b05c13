//! Points as Kapacitor sends them: borrowed, and read only as far as one asks.

use std::fmt;

use crate::edit::Edited;
use crate::error::{Error, Result};
use crate::points::Points;
use crate::wire::{self, Fields};

/// Numbers of the fields of Kapacitor's Point.
pub(crate) mod number {
    pub const TIME: u32 = 1;
    pub const NAME: u32 = 2;
    pub const DATABASE: u32 = 3;
    pub const RETENTION_POLICY: u32 = 4;
    pub const GROUP: u32 = 5;
    pub const DIMENSIONS: u32 = 6;
    pub const TAGS: u32 = 7;
    pub const DOUBLES: u32 = 8;
    pub const INTS: u32 = 9;
    pub const STRINGS: u32 = 10;
    pub const BY_NAME: u32 = 11;
    pub const BOOLS: u32 = 12;
}

use number::*;

/// The tag of the time.
const TIME_TAG: u8 = (TIME << 3) as u8;

/// The tag of the group.
const GROUP_TAG: u8 = (GROUP << 3 | wire::LEN) as u8;
const BEHIND_GROUP: u8 = GROUP_TAG + 1;

/// The tag of the first of the maps of fields.
pub(crate) const DOUBLES_TAG: u8 = (DOUBLES << 3 | wire::LEN) as u8;

/// The value of a field, of one of InfluxDB's four types.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// `float`
    Double(f64),
    /// `integer`
    Int(i64),
    /// `string`
    String(&'a str),
    /// `boolean`
    Bool(bool),
}

impl Value<'_> {
    /// The value as a number, if it is one.
    pub fn as_number(&self) -> Option<f64> {
        match *self {
            Self::Double(value) => Some(value),
            Self::Int(value) => Some(value as f64),
            Self::String(_) | Self::Bool(_) => None,
        }
    }

    fn type_name(&self) -> &'static str {
        match self {
            Self::Double(_) => "double",
            Self::Int(_) => "int",
            Self::String(_) => "string",
            Self::Bool(_) => "bool",
        }
    }
}

macro_rules! value_from {
    ($($ty:ty => $variant:ident),*) => {$(
        impl<'a> From<$ty> for Value<'a> {
            fn from(value: $ty) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

value_from!(f64 => Double, f32 => Double, i64 => Int, i32 => Int, u32 => Int, bool => Bool, &'a str => String);

/// A number of things.
impl From<usize> for Value<'_> {
    fn from(value: usize) -> Self {
        Self::Int(value as i64)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::String(value)
    }
}

/// One point.
///
/// A `Point` is a view of the bytes that Kapacitor sent. It is cheap to copy, nothing is decoded
/// before it is asked for, and [`Output::send`](crate::Output::send) passes on what was not touched
/// as it came.
///
/// Each accessor looks through the point; keep what is needed more than once. A string that is not
/// UTF-8 counts as absent.
#[derive(Clone, Copy)]
pub struct Point<'a> {
    pub(crate) bytes: &'a [u8],
    /// The frame as it came, if there is nothing but the point in it.
    pub(crate) frame: Option<&'a [u8]>,
    /// The group, if it has been looked for.
    pub(crate) group: Option<&'a [u8]>,
    /// The end of `bytes`, in which all entries of the maps of fields are.
    pub(crate) fields: &'a [u8],
    /// The batch of a point that has one: it knows the name, which the point does not.
    pub(crate) batch: Option<&'a Points<'a>>,
}

impl<'a> Point<'a> {
    /// A point from the bytes of Kapacitor's message, and its frame if there is nothing else in it.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8], frame: Option<&'a [u8]>) -> Self {
        Self { bytes, frame, group: None, fields: &bytes[behind_time(bytes)..], batch: None }
    }

    /// A point from the bytes of Kapacitor's message, of which one wants to know the group.
    ///
    /// Not inline, as other loops over a point: what goes through a loop is then in registers.
    #[inline(never)]
    pub(crate) fn with_group(bytes: &'a [u8], frame: Option<&'a [u8]>) -> Self {
        // Kapacitor writes fields in the order of their numbers. Nothing depends on it, but that the
        // look for a field need not begin at the front.
        let mut rest = &bytes[behind_time(bytes)..];
        while let Some((..GROUP_TAG, _, after)) = wire::short_field(rest) {
            rest = after;
        }
        let Some((GROUP_TAG, group, after)) = wire::short_field(rest) else {
            return Self::with_late_group(bytes, frame, None, rest);
        };
        rest = after;
        while let Some((BEHIND_GROUP..DOUBLES_TAG, _, after)) = wire::short_field(rest) {
            rest = after;
        }
        match rest.first() {
            // Not made from another point: what is not used of that one would be computed all the same.
            None | Some(DOUBLES_TAG..) => {
                Self { bytes, frame, group: Some(group), fields: rest, batch: None }
            }
            _ => Self::with_late_group(bytes, frame, Some(group), rest),
        }
    }

    /// The same where `rest` begins with something of another form, or the group comes late.
    #[cold]
    fn with_late_group(
        bytes: &'a [u8],
        frame: Option<&'a [u8]>,
        mut group: Option<&'a [u8]>,
        rest: &'a [u8],
    ) -> Self {
        let mut fields = Fields(rest);
        loop {
            let rest = fields.0;
            match fields.next() {
                Some(field) if field.number == GROUP => group = Some(field.bytes),
                Some(field) if !is_map_of_fields(field.number) => {}
                _ => {
                    let late = || Fields(rest).find(|field| field.number == GROUP).map(|field| field.bytes);
                    let group = group.or_else(late).unwrap_or(b"");
                    return Self { group: Some(group), fields: rest, ..Self::new(bytes, frame) };
                }
            }
        }
    }

    /// A point from the bytes of Kapacitor's message, in both ways, for tests of the codec.
    #[doc(hidden)]
    pub fn from_message(bytes: &'a [u8]) -> [Self; 2] {
        [Self::new(bytes, None), Self::with_group(bytes, None)]
    }

    #[inline]
    fn find(&self, number: u32) -> Option<&'a [u8]> {
        Fields(self.bytes).find(|field| field.number == number).map(|field| field.bytes)
    }

    fn text(&self, number: u32) -> &'a str {
        self.find(number).map_or("", text)
    }

    /// Nanoseconds since 1970.
    pub fn time(&self) -> i64 {
        self.find(TIME).and_then(wire::varint).map_or(0, |(time, _)| time as i64)
    }

    /// The measurement.
    pub fn name(&self) -> &'a str {
        match self.batch {
            Some(batch) => batch.name(),
            None => self.text(NAME),
        }
    }

    /// The database; empty in a batch, where Kapacitor does not tell it.
    pub fn database(&self) -> &'a str {
        self.text(DATABASE)
    }

    /// The retention policy; empty in a batch, where Kapacitor does not tell it.
    pub fn retention_policy(&self) -> &'a str {
        self.text(RETENTION_POLICY)
    }

    /// The group: an opaque key, the same for all points of a group. Empty if there is one group
    /// only.
    pub fn group(&self) -> &'a str {
        text(self.group_bytes())
    }

    #[inline]
    pub(crate) fn group_bytes(&self) -> &'a [u8] {
        self.group.or_else(|| self.find(GROUP)).unwrap_or(b"")
    }

    /// The tags that the stream is grouped by; none in a batch, see [`Points::tags`].
    pub fn dimensions(&self) -> impl Iterator<Item = &'a str> {
        Fields(self.bytes).filter(|field| field.number == DIMENSIONS).map(|field| text(field.bytes))
    }

    /// Whether the stream is grouped by measurement too.
    pub fn by_name(&self) -> bool {
        match self.batch {
            Some(batch) => batch.by_name(),
            None => self.find(BY_NAME).and_then(wire::varint).is_some_and(|(value, _)| value != 0),
        }
    }

    /// The tags, in no order.
    pub fn tags(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        Fields(self.bytes).filter(|field| field.number == TAGS).map(|field| {
            let (key, value) = wire::entry(field.bytes);
            (text(key), text(value))
        })
    }

    /// The value of a tag.
    pub fn tag(&self, key: &str) -> Option<&'a str> {
        self.tags().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The fields, in no order.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        Fields(self.fields).filter_map(|field| {
            let (key, value) = entry_of(field.number, field.bytes)?;
            Some((text(key), value))
        })
    }

    /// The value of a field; `None` if the point does not have it. InfluxDB's nulls come so: any
    /// field can be absent from any point.
    #[inline(never)]
    pub fn field(&self, key: &str) -> Option<Value<'a>> {
        let (number, entry) = find_entry(self.fields, key)?;
        Some(match wire::short_double(entry, key) {
            Some(value) if number == DOUBLES => Value::Double(value),
            _ => value_of(number, wire::entry(entry).1),
        })
    }

    /// The value of a field that is a number.
    ///
    /// Takes ints as well as doubles: the same field comes as an int in a live stream, and as a
    /// double in a batch query or a replay of one.
    ///
    /// # Errors
    ///
    /// When the point does not have the field, or it is not a number. Returned from a plugin with
    /// `?`, the error skips the point.
    #[inline(never)]
    pub fn number(&self, key: &str) -> Result<f64> {
        let Some((number, entry)) = find_entry(self.fields, key) else {
            return Err(self.missing(key));
        };
        match wire::short_double(entry, key) {
            Some(value) if number == DOUBLES => Ok(value),
            _ => number_of_any_form(key, value_of(number, wire::entry(entry).1)),
        }
    }

    #[cold]
    fn missing(&self, key: &str) -> Error {
        let names: Vec<&str> = self.fields().map(|(name, _)| name).take(20).collect();
        Error::skip(format!("the point has no field `{key}`; it has: {}", names.join(", ")))
    }

    /// The point, to be changed step by step.
    pub fn edit(self) -> Edited<'a> {
        Edited::new(self)
    }

    /// The point with a field set; everything else stays as it is.
    pub fn with(self, key: &'a str, value: impl Into<Value<'a>>) -> Edited<'a> {
        Edited::new(self).with(key, value)
    }

    /// The point without a field.
    pub fn without(self, key: &'a str) -> Edited<'a> {
        Edited::new(self).without(key)
    }

    /// The point with a tag set.
    pub fn with_tag(self, key: &'a str, value: &'a str) -> Edited<'a> {
        Edited::new(self).with_tag(key, value)
    }

    /// The point with another time, in nanoseconds since 1970.
    pub fn at(self, time: i64) -> Edited<'a> {
        Edited::new(self).at(time)
    }

    /// The point of another measurement.
    pub fn named(self, name: &'a str) -> Edited<'a> {
        Edited::new(self).named(name)
    }
}

impl fmt::Debug for Point<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Point")
            .field("time", &self.time())
            .field("name", &self.name())
            .field("group", &self.group())
            .field("tags", &self.tags().collect::<Vec<_>>())
            .field("fields", &self.fields().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Where the time ends, if it comes first, as it does from Kapacitor.
#[inline(always)]
fn behind_time(bytes: &[u8]) -> usize {
    match bytes {
        [TIME_TAG, time @ ..] => wire::varint_span(time).map_or(0, |length| 1 + length),
        _ => 0,
    }
}

/// Bytes as text; empty if they are not UTF-8.
pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}

/// Whether this is one of the four maps of fields.
#[inline(always)]
pub(crate) fn is_map_of_fields(number: u32) -> bool {
    // A set, rather than a jump for each number.
    const MAPS: u32 = 1 << DOUBLES | 1 << INTS | 1 << STRINGS | 1 << BOOLS;
    number < 32 && MAPS >> number & 1 != 0
}

/// Key and value of the entry of a map of fields; `None` for other fields of the message.
fn entry_of(number: u32, entry: &[u8]) -> Option<(&[u8], Value<'_>)> {
    let (key, value) = wire::entry(entry);
    is_map_of_fields(number).then(|| (key, value_of(number, value)))
}

#[inline(never)]
fn number_of_any_form(key: &str, value: Value<'_>) -> Result<f64> {
    value
        .as_number()
        .ok_or_else(|| Error::skip(format!("field `{key}` is a {}, not a number", value.type_name())))
}

/// The first entry with this key in the maps of fields: the map's number, and the entry.
#[inline(always)]
fn find_entry<'a>(fields: &'a [u8], key: &str) -> Option<(u32, &'a [u8])> {
    let mut rest = fields;
    // In a batch tags come before them.
    while let Some((..DOUBLES_TAG, _, after)) = wire::short_field(rest) {
        rest = after;
    }
    while let Some((tag, entry, after)) = wire::short_field(rest) {
        let number = u32::from(tag >> 3);
        if wire::has_key(entry, key) && is_map_of_fields(number) {
            return Some((number, entry));
        }
        rest = after;
    }
    Fields(rest)
        .find(|field| is_map_of_fields(field.number) && wire::has_key(field.bytes, key))
        .map(|field| (field.number, field.bytes))
}

#[inline(never)]
fn value_of(number: u32, value: &[u8]) -> Value<'_> {
    let int = || wire::varint(value).map_or(0, |(value, _)| value);
    match number {
        DOUBLES => Value::Double(wire::double(value)),
        INTS => Value::Int(int() as i64),
        STRINGS => Value::String(text(value)),
        _ => Value::Bool(int() != 0),
    }
}
