//! The protobuf wire format, as far as Kapacitor's messages need it.
//!
//! Reading borrows, never allocates and never panics: what is malformed ends the iteration, and the
//! host has checked the frames before. Writing appends to a `Vec`.

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
        // Nearly all there is: tag and length of one byte each.
        if let [tag @ ..0x80, length @ ..0x80, rest @ ..] = all
            && u32::from(*tag) & 7 == LEN
            && let Some((bytes, after)) = rest.split_at_checked(usize::from(*length))
        {
            self.0 = after;
            let whole = &all[..2 + bytes.len()];
            return Some(Field { number: u32::from(*tag >> 3), bytes, whole });
        }
        // And the time, with a tag of one byte.
        if let [tag @ ..0x80, rest @ ..] = all
            && u32::from(*tag) & 7 == VARINT
        {
            let (bytes, after) = rest.split_at_checked(varint_span(rest)?)?;
            self.0 = after;
            return Some(Field { number: u32::from(*tag >> 3), bytes, whole: &all[..1 + bytes.len()] });
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

/// Skips a field at `pos` that has a tag and a length of one byte each, as nearly all have: returns its tag and
/// where its contents begin and end. `None` says nothing about the field.
#[inline(always)]
pub fn short_field(bytes: &[u8], pos: usize) -> Option<(u8, usize, usize)> {
    let [tag @ ..0x80, length @ ..0x80, ..] = *bytes.get(pos..)? else { return None };
    let (start, end) = (pos + 2, pos + 2 + usize::from(length));
    (u32::from(tag) & 7 == LEN && end <= bytes.len()).then_some((tag, start, end))
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
    if let [0x0a, length, rest @ ..] = bytes
        && *length < 0x80
        && let Some((key, value)) = rest.split_at_checked(usize::from(*length))
    {
        match value {
            [0x11, value @ ..] if value.len() == 8 => return (key, value),
            [0x10, value @ ..] if value.len() == 1 => return (key, value),
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
pub fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends the tag of a field.
#[inline]
pub fn put_tag(number: u32, wire_type: u32, out: &mut Vec<u8>) {
    put_varint(u64::from(number << 3 | wire_type), out);
}

/// Appends a string or message field.
#[inline]
pub fn put_bytes(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    put_tag(number, LEN, out);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Appends a string field unless it is empty, which is the default.
pub fn put_text(number: u32, text: &str, out: &mut Vec<u8>) {
    if !text.is_empty() {
        put_bytes(number, text.as_bytes(), out);
    }
}

/// Appends an integer field unless it is zero.
pub fn put_int(number: u32, value: i64, out: &mut Vec<u8>) {
    if value != 0 {
        put_tag(number, VARINT, out);
        put_varint(value as u64, out);
    }
}

/// Appends an entry of a map of strings.
pub fn put_text_entry(number: u32, key: &str, value: &str, out: &mut Vec<u8>) {
    let field = |text: &str| 1 + varint_len(text.len() as u64) + text.len();
    put_tag(number, LEN, out);
    put_varint((field(key) + field(value)) as u64, out);
    put_bytes(1, key.as_bytes(), out);
    put_bytes(2, value.as_bytes(), out);
}

/// Appends a frame: one message whose only field is `number` with these bytes.
#[inline]
pub fn put_frame(number: u32, message: &[u8], out: &mut Vec<u8>) {
    begin_frame(number, message.len(), out);
    out.extend_from_slice(message);
}

/// Appends the beginning of a frame whose message will have `length` bytes.
#[inline]
pub fn begin_frame(number: u32, length: usize, out: &mut Vec<u8>) {
    let tag = number << 3 | LEN;
    // Nearly all: two bytes for the tag, and for each of the lengths.
    if (0x80..0x4000 - 4).contains(&length) && (16..32).contains(&number) {
        let two = |value: usize| (value as u8 | 0x80, (value >> 7) as u8);
        let ((body, body_high), (inner, inner_high)) = (two(length + 4), two(length));
        out.extend_from_slice(&[body, body_high, tag as u8 | 0x80, 0x01, inner, inner_high]);
        return;
    }
    // One append for the three varints: the tag of a Response takes one or two bytes, and no message
    // in 32 bits of memory has a length of more than five.
    let mut head = [0; 12];
    let mut end = 0;
    let body = varint_len(u64::from(tag)) + varint_len(length as u64) + length;
    for value in [body as u64, u64::from(tag), length as u64] {
        end = set_varint(value, &mut head, end);
    }
    put_head(head, end, out);
}

/// Appends the first `length` of twelve bytes. All twelve are stored and the rest is taken back, since to copy
/// a length that is known to the compiler needs no call.
#[inline(always)]
pub fn put_head(head: [u8; 12], length: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&head);
    out.truncate(start + length);
}

/// Writes a varint to `bytes` from `at` on, and returns where it ends.
#[inline(always)]
pub fn set_varint(mut value: u64, bytes: &mut [u8; 12], mut at: usize) -> usize {
    while value >= 0x80 && at < bytes.len() - 1 {
        bytes[at] = value as u8 | 0x80;
        value >>= 7;
        at += 1;
    }
    bytes[at] = value as u8;
    at + 1
}
