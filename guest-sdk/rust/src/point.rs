//! Points as Kapacitor sends them. They borrow its bytes and decode only the parts that are read.

use std::fmt;

use crate::batch_head::BatchHead;
use crate::error::{Error, Result};
use crate::fields::{self, DOUBLES_TAG};
use crate::numbers::point::{
    BY_NAME, DATABASE, DIMENSIONS, DOUBLES, GROUP, NAME, RETENTION_POLICY, TAGS, TIME,
};
use crate::value::Value;
use crate::wire::{self, Fields, text};

/// Tag of the time.
const TIME_TAG: u8 = (TIME << 3) as u8;

/// Tag of the group.
const GROUP_TAG: u8 = (GROUP << 3 | wire::LEN) as u8;
const BEHIND_GROUP: u8 = GROUP_TAG + 1;

/// One point.
///
/// A `Point` is a view of the bytes that Kapacitor sent. It is cheap to copy, and only the parts that are
/// read are decoded. [`Output::send`](crate::Output::send) passes a point on as it came, and
/// [`with`](Point::with) and its siblings change parts of it.
///
/// Each accessor searches the bytes from the front, so keep values that are needed more than once. A
/// string that is not UTF-8 reads as the empty string.
#[derive(Clone, Copy)]
pub struct Point<'a> {
    pub(crate) bytes: &'a [u8],
    /// The frame, if there is nothing but the point in it.
    pub(crate) frame: Option<&'a [u8]>,
    /// The group; `None` if it has not been searched for.
    group: Option<&'a [u8]>,
    /// The end of `bytes`, which holds all entries of the maps of fields.
    pub(crate) fields: &'a [u8],
    /// The begin of the point's batch; `None` in a stream.
    pub(crate) batch: Option<&'a BatchHead<'a>>,
}

impl<'a> Point<'a> {
    /// A point from the bytes of Kapacitor's message, and its frame if there is nothing else in it.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8], frame: Option<&'a [u8]>) -> Self {
        Self { bytes, frame, group: None, fields: &bytes[behind_time(bytes)..], batch: None }
    }

    /// A point of a batch.
    pub(crate) fn in_batch(bytes: &'a [u8], frame: Option<&'a [u8]>, batch: &'a BatchHead<'a>) -> Self {
        Self { batch: Some(batch), ..Self::new(bytes, frame) }
    }

    /// A point whose group is searched for at once.
    ///
    /// Not inline, like other loops over a point: a loop in a function of its own keeps its variables
    /// in registers.
    #[inline(never)]
    pub(crate) fn with_group(bytes: &'a [u8], frame: Option<&'a [u8]>) -> Self {
        // Kapacitor writes fields in the order of their numbers. This is used only to start the
        // search for a field behind the group; points in any other order are read as well.
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
            // Not made from `Self::new`, whose `fields` would be computed for nothing.
            None | Some(DOUBLES_TAG..) => {
                Self { bytes, frame, group: Some(group), fields: rest, batch: None }
            }
            _ => Self::with_late_group(bytes, frame, Some(group), rest),
        }
    }

    /// The rest of [`Point::with_group`] for a point in which `rest` begins with a field of an unusual
    /// form, or in which the group comes later.
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
                Some(field) if !fields::is_map(field.number) => {}
                _ => {
                    let late = || Fields(rest).with_number(GROUP).map(|field| field.bytes);
                    let group = group.or_else(late).unwrap_or(b"");
                    return Self { group: Some(group), fields: rest, ..Self::new(bytes, frame) };
                }
            }
        }
    }

    /// A point from the bytes of Kapacitor's message, made in both ways, for tests of the codec.
    #[doc(hidden)]
    pub fn from_message(bytes: &'a [u8]) -> [Self; 2] {
        [Self::new(bytes, None), Self::with_group(bytes, None)]
    }

    /// Appends the message of the point without its fields.
    pub(crate) fn put_without_fields(&self, out: &mut Vec<u8>) {
        for field in Fields(self.bytes).filter(|field| !fields::is_map(field.number)) {
            out.extend_from_slice(field.whole);
        }
    }

    #[inline]
    fn find(&self, number: u32) -> Option<&'a [u8]> {
        Fields(self.bytes).with_number(number).map(|field| field.bytes)
    }

    fn text(&self, number: u32) -> &'a str {
        self.find(number).map_or("", text)
    }

    /// The time, in nanoseconds since 1970.
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

    /// The database. Empty in a batch: Kapacitor does not send it there.
    pub fn database(&self) -> &'a str {
        self.text(DATABASE)
    }

    /// The retention policy. Empty in a batch: Kapacitor does not send it there.
    pub fn retention_policy(&self) -> &'a str {
        self.text(RETENTION_POLICY)
    }

    /// The group: an opaque key that all points of a group share. Empty if the stream is not grouped.
    pub fn group(&self) -> &'a str {
        text(self.group_bytes())
    }

    #[inline]
    pub(crate) fn group_bytes(&self) -> &'a [u8] {
        self.group.or_else(|| self.find(GROUP)).unwrap_or(b"")
    }

    /// The tags that the stream is grouped by. None in a batch: see
    /// [`Points::dimensions`](crate::Points::dimensions).
    pub fn dimensions(&self) -> impl Iterator<Item = &'a str> {
        Fields(self.bytes).filter(|field| field.number == DIMENSIONS).map(|field| text(field.bytes))
    }

    /// Whether the stream or batch is grouped by measurement as well.
    pub fn by_name(&self) -> bool {
        match self.batch {
            Some(batch) => batch.by_name(),
            None => self.find(BY_NAME).and_then(wire::varint).is_some_and(|(value, _)| value != 0),
        }
    }

    /// The keys and values of the tags, in no particular order.
    pub fn tags(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        Fields(self.bytes).filter(|field| field.number == TAGS).map(|field| {
            let (key, value) = wire::entry(field.bytes);
            (text(key), text(value))
        })
    }

    /// The value of a tag; `None` if the point does not have it.
    pub fn tag(&self, key: &str) -> Option<&'a str> {
        self.tags().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The names and values of the fields, in no particular order.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        fields::iter(self.fields)
    }

    /// The value of a field; `None` if the point does not have it.
    ///
    /// Any field can be absent from any point: that is how InfluxDB's nulls arrive.
    #[inline(never)]
    pub fn field(&self, key: &str) -> Option<Value<'a>> {
        let (number, entry) = fields::find_entry(self.fields, key)?;
        Some(match wire::short_double(entry, key) {
            Some(value) if number == DOUBLES => Value::Double(value),
            _ => fields::value_of(number, wire::entry(entry).1),
        })
    }

    /// The value of a field that is a finite number.
    ///
    /// Ints are converted: a field that is an int in a live stream is a double in a batch query and in
    /// a replay of one. NaN and infinities, which come from divisions by zero and not from InfluxDB, are refused,
    /// because most states would hold them for ever; [`Point::any_number`] returns them.
    ///
    /// # Errors
    ///
    /// A skip, see [`Error::skip`], if the point does not have the field or the field is not a finite number.
    /// A plugin that returns it with `?` drops the point.
    #[inline(never)]
    pub fn number(&self, key: &str) -> Result<f64> {
        let Some((number, entry)) = fields::find_entry(self.fields, key) else {
            return Err(Error::no_field(key, self.fields));
        };
        match wire::short_double(entry, key) {
            Some(value) if number == DOUBLES && value.is_finite() => Ok(value),
            _ => number_of_any_form(key, fields::value_of(number, wire::entry(entry).1)),
        }
    }

    /// The value of a field that is a number, which may be NaN or infinite.
    ///
    /// # Errors
    ///
    /// A skip, see [`Error::skip`], if the point does not have the field or the field is not a number.
    pub fn any_number(&self, key: &str) -> Result<f64> {
        match self.field(key) {
            None => Err(Error::no_field(key, self.fields)),
            Some(value) => value.as_number().ok_or_else(|| Error::not_a_number(key, value.type_name())),
        }
    }
}

/// The value of field `key` as a finite number.
#[inline(never)]
pub fn number_of_any_form(key: &str, value: Value<'_>) -> Result<f64> {
    match value.as_number() {
        Some(number) if number.is_finite() => Ok(number),
        Some(number) => Err(Error::not_finite(key, number)),
        None => Err(Error::not_a_number(key, value.type_name())),
    }
}

/// The length of the time at the start of a point, where Kapacitor writes it; 0 if it is elsewhere.
#[inline(always)]
fn behind_time(bytes: &[u8]) -> usize {
    match bytes {
        [TIME_TAG, time @ ..] => wire::varint_span(time).map_or(0, |length| 1 + length),
        _ => 0,
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
