//! The protobuf wire format, as far as Kapacitor's messages need it.
//!
//! The host has a file of the same purpose, and the two are separate on purpose. The host reads bytes
//! that it must not trust and reports each fault precisely. A plugin reads frames that the host has
//! checked, so this file borrows, never allocates and never panics, and treats anything malformed as
//! the end of the message. It writes into a [`Buffer`], which is made for a sandbox.

use crate::buffer::Buffer;
use crate::bytes::same;

/// Wire type of a varint.
pub const VARINT: u32 = 0;
/// Wire type of eight bytes.
pub const FIXED64: u32 = 1;
/// Wire type of a length and that number of bytes.
pub const LEN: u32 = 2;
/// Wire type of four bytes.
const FIXED32: u32 = 5;

/// Tag of the key in an entry of a map.
pub const KEY: u8 = (1 << 3 | LEN) as u8;
/// Tag of the value in an entry of a map, if it is a double.
pub const DOUBLE: u8 = (2 << 3 | FIXED64) as u8;
/// The same for a string.
const TEXT: u8 = (2 << 3 | LEN) as u8;
/// The same for an int or a bool.
pub const INT: u8 = (2 << 3 | VARINT) as u8;

/// Bytes as text; empty if they are not UTF-8.
pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}

/// Reads the varint at the start of `bytes` and returns its value and its length.
#[inline]
pub fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    match bytes {
        [first, ..] if *first < 0x80 => Some((u64::from(*first), 1)),
        [first, second, ..] if *second < 0x80 => {
            Some((u64::from(*first & 0x7f) | u64::from(*second) << 7, 2))
        }
        _ => long_varint(bytes),
    }
}

#[inline(never)]
fn long_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (i, &byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Some((value, i + 1));
        }
    }
    None
}

/// The length of the varint at the start of `bytes`.
#[inline(always)]
pub fn varint_span(bytes: &[u8]) -> Option<usize> {
    // A time takes nine bytes. The first eight are examined as one word.
    const HIGH: u64 = 0x8080_8080_8080_8080;
    if let Some(word) = bytes.first_chunk::<8>() {
        let ends = !u64::from_le_bytes(*word) & HIGH;
        if ends != 0 {
            return Some(ends.trailing_zeros() as usize / 8 + 1);
        }
        if matches!(bytes.get(8), Some(..0x80)) {
            return Some(9);
        }
    }
    long_varint(bytes).map(|(_, length)| length)
}

/// Splits the first frame off `frames`; returns the frame, its message, and the frames behind it.
#[inline(always)]
pub fn split_frame(frames: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, header) = varint(frames)?;
    let end = header.checked_add(usize::try_from(length).ok()?)?;
    let (frame, rest) = frames.split_at_checked(end)?;
    Some((frame, &frame[header..], rest))
}

/// Number and contents of a message's only field, if the message has the form in which Kapacitor
/// writes Begin, Point and End. `None` means: read the message with [`Fields`].
#[inline(always)]
pub fn only_field(message: &[u8]) -> Option<(u32, &[u8])> {
    // Fields 16 to 31 have tags of these two bytes.
    let [tag @ 0x80..=0xff, 0x01, rest @ ..] = message else { return None };
    let (length, header) = varint(rest)?;
    let contents = &rest[header..];
    (u32::from(*tag) & 7 == LEN && contents.len() as u64 == length)
        .then_some((u32::from(*tag >> 3), contents))
}

/// An iterator over the fields of one message, in the order in which they were written.
#[derive(Clone)]
pub struct Fields<'a>(pub &'a [u8]);

/// One field of a message.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    pub number: u32,
    /// The contents of a field with a length; the encoded value of any other field.
    pub bytes: &'a [u8],
    /// The whole field, with its tag and length.
    pub whole: &'a [u8],
}

impl Field<'_> {
    /// The value of a varint field.
    #[inline]
    pub fn varint(&self) -> u64 {
        varint(self.bytes).map_or(0, |(value, _)| value)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Field<'a>> {
        let all = self.0;
        if let Some((tag, bytes, after)) = short_field(all) {
            self.0 = after;
            return Some(Field { number: u32::from(tag >> 3), bytes, whole: &all[..2 + bytes.len()] });
        }
        // A varint with a tag of one byte, such as the time of a point.
        if let [tag @ ..0x80, rest @ ..] = all
            && u32::from(*tag) & 7 == VARINT
        {
            let (bytes, after) = rest.split_at_checked(varint_span(rest)?)?;
            self.0 = after;
            return Some(Field { number: u32::from(*tag >> 3), bytes, whole: &all[..1 + bytes.len()] });
        }
        if all.is_empty() {
            return None;
        }
        self.next_of_any_form()
    }
}

impl<'a> Fields<'a> {
    /// The first field with this number.
    #[inline]
    pub fn with_number(mut self, number: u32) -> Option<Field<'a>> {
        self.find(|field| field.number == number)
    }

    #[inline(never)]
    fn next_of_any_form(&mut self) -> Option<Field<'a>> {
        let all = self.0;
        let (tag, tag_length) = varint(all)?;
        let rest = &all[tag_length..];
        let (skip, take) = match tag as u32 & 7 {
            LEN => {
                let (length, skip) = varint(rest)?;
                (skip, usize::try_from(length).ok()?)
            }
            FIXED64 => (0, 8),
            VARINT => (0, varint(rest)?.1),
            FIXED32 => (0, 4),
            _ => return None,
        };
        let bytes = rest[skip..].get(..take)?;
        let end = tag_length + skip + take;
        self.0 = &all[end..];
        Some(Field { number: (tag >> 3) as u32, bytes, whole: &all[..end] })
    }
}

/// Splits the first field off `fields` if its tag and its length take one byte each, as those of
/// nearly all fields do; returns the tag, the contents, and the fields behind it. `None` means: use
/// [`Fields`].
#[inline(always)]
pub fn short_field(fields: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    /// Bits of the wire type, and of the continuation of either byte.
    const FORM: u16 = 0x8087;
    let head = u16::from_le_bytes(*fields.first_chunk()?);
    if head & FORM != LEN as u16 {
        return None;
    }
    let (contents, after) = fields[2..].split_at_checked(usize::from(head >> 8))?;
    Some((head as u8, contents, after))
}

/// Key and value of a map entry. If one is absent, its bytes are empty, and are read as the empty
/// string or as the zero of the value's type.
#[inline(always)]
pub fn entry(bytes: &[u8]) -> (&[u8], &[u8]) {
    // Kapacitor writes a short key and then the value.
    if let [KEY, length @ ..0x80, rest @ ..] = bytes
        && let Some((key, value)) = rest.split_at_checked(usize::from(*length))
    {
        match value {
            [DOUBLE, value @ ..] if value.len() == 8 => return (key, value),
            [TEXT, length @ ..0x80, value @ ..] if value.len() == usize::from(*length) => {
                return (key, value);
            }
            [INT, value @ ..] if varint_span(value) == Some(value.len()) => return (key, value),
            _ => {}
        }
    }
    entry_of_any_form(bytes)
}

#[inline(never)]
fn entry_of_any_form(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (mut key, mut value): (&[u8], &[u8]) = (&[], &[]);
    for field in Fields(bytes) {
        match field.number {
            1 => key = field.bytes,
            2 => value = field.bytes,
            _ => {}
        }
    }
    (key, value)
}

/// Whether an entry has this key. If the key comes first, nothing else is read.
#[inline(always)]
pub fn has_key(entry: &[u8], key: &str) -> bool {
    match entry {
        [KEY, length @ ..0x80, rest @ ..] => {
            usize::from(*length) == key.len()
                && rest.get(..key.len()).is_some_and(|found| same(found, key.as_bytes()))
        }
        _ => entry_of_any_form(entry).0 == key.as_bytes(),
    }
}

/// The length of an entry with a double and a key of `key` bytes, less than 128.
#[inline(always)]
pub const fn double_entry_len(key: usize) -> usize {
    key + 11
}

/// The double in an entry with this key, if the entry has its usual form.
#[inline(always)]
pub fn short_double(entry: &[u8], key: &str) -> Option<f64> {
    let (value, head) = (entry.last_chunk::<9>()?, entry.first());
    let [DOUBLE, value @ ..] = *value else { return None };
    (head == Some(&KEY) && entry.len() == double_entry_len(key.len())).then(|| f64::from_le_bytes(value))
}

/// Reads eight bytes as a double; any other number of bytes as 0.
#[inline]
pub fn double(bytes: &[u8]) -> f64 {
    bytes.try_into().map_or(0.0, f64::from_le_bytes)
}

/// The length of `value` as a varint.
#[inline]
pub fn varint_len(value: u64) -> usize {
    // Seven bits a byte; zero takes one byte.
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Appends a varint.
#[inline]
pub fn put_varint(mut value: u64, out: &mut Buffer) {
    while value >= 0x80 {
        out.put([value as u8 | 0x80]);
        value >>= 7;
    }
    out.put([value as u8]);
}

/// Appends the tag of a field.
#[inline]
pub fn put_tag(number: u32, wire_type: u32, out: &mut Buffer) {
    put_varint(u64::from(number << 3 | wire_type), out);
}

/// The length of a string or message field with a number below 16 and `length` bytes of contents.
#[inline]
pub fn field_len(length: usize) -> usize {
    1 + varint_len(length as u64) + length
}

/// Appends a string or message field.
#[inline]
pub fn put_bytes(number: u32, bytes: &[u8], out: &mut Buffer) {
    put_head(number, bytes.len(), out);
    out.append(bytes);
}

/// Appends the tag and the length of such a field, whose contents follow.
#[inline]
pub fn put_head(number: u32, length: usize, out: &mut Buffer) {
    put_tag(number, LEN, out);
    put_varint(length as u64, out);
}

/// Appends a string field, unless it is empty: protobuf omits default values.
pub fn put_text(number: u32, text: &str, out: &mut Buffer) {
    if !text.is_empty() {
        put_bytes(number, text.as_bytes(), out);
    }
}

/// Appends an integer field, unless it is zero: protobuf omits default values.
pub fn put_int(number: u32, value: i64, out: &mut Buffer) {
    if value != 0 {
        put_tag(number, VARINT, out);
        put_varint(value as u64, out);
    }
}

/// Appends an entry of a map from strings to strings.
pub fn put_text_entry(number: u32, key: &str, value: &str, out: &mut Buffer) {
    put_head(number, field_len(key.len()) + field_len(value.len()), out);
    put_bytes(1, key.as_bytes(), out);
    put_bytes(2, value.as_bytes(), out);
}

/// Appends a frame whose message has one field: `number`, with the contents `message`.
#[inline]
pub fn put_frame(number: u32, message: &[u8], out: &mut Buffer) {
    frame_of(number, message.len(), out).copy_from_slice(message);
}

/// Appends such a frame and returns its contents, `length` bytes that the caller must write.
#[inline(always)]
pub fn frame_of(number: u32, length: usize, out: &mut Buffer) -> &mut [u8] {
    let tag = number << 3 | LEN;
    // For nearly all frames the tag and both lengths take two bytes each.
    if (0x80..0x4000 - 4).contains(&length) && (16..32).contains(&number) {
        let two = |value: usize| (value as u8 | 0x80, (value >> 7) as u8);
        let ((body, body_high), (inner, inner_high)) = (two(length + 4), two(length));
        let head = [body, body_high, tag as u8 | 0x80, 0x01, inner, inner_high];
        let (room, message) = out.more(head.len() + length).split_at_mut(head.len());
        room.copy_from_slice(&head);
        return message;
    }
    begin_frame(tag, length, out);
    out.more(length)
}

#[inline(never)]
fn begin_frame(tag: u32, length: usize, out: &mut Buffer) {
    let body = varint_len(u64::from(tag)) + varint_len(length as u64) + length;
    for value in [body as u64, u64::from(tag), length as u64] {
        put_varint(value, out);
    }
}
