//! The protobuf wire format, as far as Kapacitor's messages need it.
//!
//! Reading borrows, never allocates and never panics: what is malformed ends the iteration, and the
//! host has checked the frames before. Writing appends to a [`Buffer`].

use crate::buffer::Buffer;

/// Wire type of a varint.
pub const VARINT: u32 = 0;
/// Wire type of eight bytes.
pub const FIXED64: u32 = 1;
/// Wire type of a length and so many bytes.
pub const LEN: u32 = 2;

/// Reads the varint at the start of `bytes`; returns it with its length.
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
    // A time takes nine bytes: looked at as a word, and one by one only behind it.
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

/// Cuts the first frame off `frames`: the frame, its message, and what follows.
#[inline(always)]
pub fn split_frame(frames: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, header) = varint(frames)?;
    let end = header.checked_add(usize::try_from(length).ok()?)?;
    let (frame, rest) = frames.split_at_checked(end)?;
    Some((frame, &frame[header..], rest))
}

/// Number and contents of the only field of a message, as Kapacitor writes Begin, Point and End; `None` says
/// nothing about the message.
#[inline(always)]
pub fn only_field(message: &[u8]) -> Option<(u32, &[u8])> {
    // A tag of two bytes, of a field from 16 to 31.
    let [tag @ 0x80..=0xff, 0x01, rest @ ..] = message else { return None };
    let (length, header) = varint(rest)?;
    let contents = &rest[header..];
    (u32::from(*tag) & 7 == LEN && contents.len() as u64 == length)
        .then_some((u32::from(*tag >> 3), contents))
}

/// The fields of one message, in the order in which they stand.
#[derive(Clone)]
pub struct Fields<'a>(pub &'a [u8]);

/// One field.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// Its number.
    pub number: u32,
    /// The contents of a `LEN` field; the bytes of a fixed or varint one.
    pub bytes: &'a [u8],
    /// The field with its tag.
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
        // The time, with a tag of one byte.
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
            5 => (0, 4),
            _ => return None,
        };
        let bytes = rest[skip..].get(..take)?;
        let end = tag_length + skip + take;
        self.0 = &all[end..];
        Some(Field { number: (tag >> 3) as u32, bytes, whole: &all[..end] })
    }
}

/// Cuts the first field off `fields` if it has a tag and a length of one byte each, as nearly all have: its tag,
/// its contents, and what follows. `None` says nothing about the field.
#[inline(always)]
pub fn short_field(fields: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    /// The wire type, and the bits that say that there are more bytes.
    const FORM: u16 = 0x8087;
    let head = u16::from_le_bytes(*fields.first_chunk()?);
    if head & FORM != LEN as u16 {
        return None;
    }
    let (contents, after) = fields[2..].split_at_checked(usize::from(head >> 8))?;
    Some((head as u8, contents, after))
}

/// Whether two names are the same. Inline and by words: a call to compare a few bytes costs more than they do.
#[inline(always)]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        // Whole words, and the last one, which may overlap the one before.
        (Some(last_a), Some(last_b)) => {
            let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
            last_a == last_b && words.into_iter().all(|(a, b)| a == b)
        }
        _ => a.iter().zip(b).all(|(a, b)| a == b),
    }
}

/// The two halves of a map entry. What is absent is the empty string or the zero of its type, which
/// is also what no bytes at all read as.
#[inline(always)]
pub fn entry(bytes: &[u8]) -> (&[u8], &[u8]) {
    // As Kapacitor writes it: a short key, then the value.
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

/// The tag of an entry's key.
pub const KEY: u8 = (1 << 3 | LEN) as u8;
/// The tags of its value: a double, a text, an int or a bool.
pub const DOUBLE: u8 = (2 << 3 | FIXED64) as u8;
const TEXT: u8 = (2 << 3 | LEN) as u8;
const INT: u8 = (2 << 3 | VARINT) as u8;

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

/// Whether an entry has this key. Only the key is looked at where it comes first.
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

/// Length of the entry of a double under a key of less than 128 bytes.
#[inline(always)]
pub const fn double_entry_len(key: usize) -> usize {
    key + 11
}

/// The double in an entry with this key, if it is written as nearly all are.
#[inline(always)]
pub fn short_double(entry: &[u8], key: &str) -> Option<f64> {
    let (value, head) = (entry.last_chunk::<9>()?, entry.first());
    let [DOUBLE, value @ ..] = *value else { return None };
    (head == Some(&KEY) && entry.len() == double_entry_len(key.len())).then(|| f64::from_le_bytes(value))
}

/// Reads eight bytes as a double; none are 0.
#[inline]
pub fn double(bytes: &[u8]) -> f64 {
    bytes.try_into().map_or(0.0, f64::from_le_bytes)
}

/// The length of `value` as a varint.
#[inline]
pub fn varint_len(value: u64) -> usize {
    // Seven bits a byte; zero takes one.
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

/// Appends a string or message field.
#[inline]
pub fn put_bytes(number: u32, bytes: &[u8], out: &mut Buffer) {
    put_tag(number, LEN, out);
    put_varint(bytes.len() as u64, out);
    out.append(bytes);
}

/// Appends a string field unless it is empty, which is the default.
pub fn put_text(number: u32, text: &str, out: &mut Buffer) {
    if !text.is_empty() {
        put_bytes(number, text.as_bytes(), out);
    }
}

/// Appends an integer field unless it is zero.
pub fn put_int(number: u32, value: i64, out: &mut Buffer) {
    if value != 0 {
        put_tag(number, VARINT, out);
        put_varint(value as u64, out);
    }
}

/// Appends an entry of a map of strings.
pub fn put_text_entry(number: u32, key: &str, value: &str, out: &mut Buffer) {
    let field = |text: &str| 1 + varint_len(text.len() as u64) + text.len();
    put_tag(number, LEN, out);
    put_varint((field(key) + field(value)) as u64, out);
    put_bytes(1, key.as_bytes(), out);
    put_bytes(2, value.as_bytes(), out);
}

/// Appends a frame: one message whose only field is `number` with these bytes.
#[inline]
pub fn put_frame(number: u32, message: &[u8], out: &mut Buffer) {
    frame_of(number, message.len(), out).copy_from_slice(message);
}

/// Appends a frame whose message has `length` bytes, to be written by the caller.
#[inline(always)]
pub fn frame_of(number: u32, length: usize, out: &mut Buffer) -> &mut [u8] {
    let tag = number << 3 | LEN;
    // Nearly all: two bytes for the tag, and for each of the lengths.
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

/// Copies bytes that are few to the front of `room`, which has room for them. A call to copy them would cost more than
/// they do, so words are stored, the second of which may overlap the first.
#[inline(always)]
pub fn set_short(bytes: &[u8], room: &mut [u8]) {
    let room = &mut room[..bytes.len()];
    if bytes.len() > 16 {
        room.copy_from_slice(bytes);
    } else if !set_ends::<8>(bytes, room) && !set_ends::<4>(bytes, room) && !set_ends::<2>(bytes, room) {
        set_ends::<1>(bytes, room);
    }
}

/// Copies the first and the last `N` bytes, if there are so many.
#[inline(always)]
fn set_ends<const N: usize>(bytes: &[u8], room: &mut [u8]) -> bool {
    let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) else {
        return false;
    };
    if let Some(room) = room.first_chunk_mut() {
        *room = *first;
    }
    if let Some(room) = room.last_chunk_mut() {
        *room = *last;
    }
    true
}
