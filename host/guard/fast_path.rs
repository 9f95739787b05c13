//! The check of points in the usual form: fields in the order of their numbers, tags and lengths of one byte, ASCII
//! text without control characters in names and tags and without a backslash at their end, and finite numbers.
//!
//! The rules are those of [`point_of_any_form`](super::full_check::point_of_any_form). Most of the guard's time is
//! spent here, so that mistakes in texts and numbers are collected and looked at once, at the end: a branch for
//! each text would be mispredicted whenever its length changes. Text is read in pieces of sixteen bytes, which may
//! include bytes behind it.

use super::field_types::{NameSets, TYPES, one_of_64};
use super::violation::MAX_ENTRIES;
use crate::protocol::field::{entry as map_entry, point, response};
use crate::protocol::wire::{FIXED64, LEN, VARINT, long_tag, short_tag};

/// Tag of a point in a response, as the first two bytes of a number.
const POINT: u64 = u16::from_le_bytes(long_tag(response::POINT, LEN)) as u64;

/// Tags of the fields of a point. Those between the other texts and the tags are texts.
const TIME: u8 = short_tag(point::TIME, VARINT);
const NAME: u8 = short_tag(point::NAME, LEN);
const OTHER_TEXTS: u8 = NAME + 1;
const TAGS: u8 = short_tag(point::TAGS, LEN);
const DOUBLES: u8 = TYPES[0];
const INTS: u8 = TYPES[1];
const STRINGS: u8 = TYPES[2];
const BOOLS: u8 = TYPES[3];
const BY_NAME: u8 = short_tag(point::BY_NAME, VARINT);

/// Tags in an entry of a map. A bool has the tag of an int.
const KEY: u8 = short_tag(map_entry::KEY, LEN);
const DOUBLE: u8 = short_tag(map_entry::VALUE, FIXED64);
const TEXT: u8 = short_tag(map_entry::VALUE, LEN);
const INT: u8 = short_tag(map_entry::VALUE, VARINT);

/// The bits of the exponent of a double, which are all set in numbers that are not finite, and the lowest of them.
const EXPONENT: u64 = 0x7ff0_0000_0000_0000;
const EXPONENT_1: u64 = 0x0010_0000_0000_0000;

/// The name `time`, which InfluxDB can't store, with the tag of a double behind it, and the bytes that it takes of a
/// word.
const TIME_OF_DOUBLE: u64 = u32::from_le_bytes(*b"time") as u64 | (DOUBLE as u64) << 32;
const TIME_BYTES: u64 = 0xff_ffff_ffff;

/// Number of bytes behind a point that may be read with it.
const BEHIND: usize = 32;

/// End of the frame at `pos`, if it is a point in the usual form that may go as it is. `None` means: use the full
/// check. A point that is to be `named` has a measurement.
#[inline(never)]
pub(super) fn point_at(frames: &[u8], pos: usize, named: bool) -> Option<usize> {
    let (from, end) = message_at(frames, pos)?;
    check(frames, from, end, named)?;
    Some(end)
}

/// Start of the point in the frame at `pos`, and the end of both.
#[inline(always)]
fn message_at(frames: &[u8], pos: usize) -> Option<(usize, usize)> {
    let head = u64::from_le_bytes(*frames.get(pos..)?.first_chunk()?);
    let one = |bytes: u64| (bytes & 0x7f) as usize;
    let two = |bytes: u64| (bytes & 0x7f | bytes >> 1 & 0x3f80) as usize;
    // Length of the message, tag of the point, length of the point: two bytes each, or one where that is enough.
    let (before_tag, message, behind_tag, point) =
        if head & 0x8080_ffff_8080 == 0x0080_0000_0080 | POINT << 16 {
            (2, two(head), 2, two(head >> 32))
        } else if head & 0x80ff_ff80 == POINT << 8 {
            (1, one(head), 1, one(head >> 24))
        } else if head & 0x0080_ffff_8080 == 0x0080 | POINT << 16 {
            (2, two(head), 1, one(head >> 32))
        } else {
            return None;
        };
    let end = pos + before_tag + message;
    (message == 2 + behind_tag + point && end <= frames.len()).then(|| (end - point, end))
}

/// Findings of the scan of a point.
#[derive(Default)]
struct PointScan {
    /// Not zero if something is wrong.
    wrong: u64,
    /// The highest bit is set if a number is not finite.
    not_finite: u64,
    /// The maps that have entries: a bit for the number of each.
    maps: u32,
}

/// Checks the point from `from` to `end`. Bytes behind `end` belong to the next frame.
#[inline(always)]
fn check(frames: &[u8], from: usize, end: usize, named: bool) -> Option<()> {
    // No byte beyond this is read. Otherwise a point that is not what it seems could lead far beyond its end, and
    // each point behind it again.
    let frames = &frames[..frames.len().min(end + BEHIND)];
    let behind = frames.len() - end;
    let mut rest = frames.get(from..)?;
    let mut found = PointScan::default();
    if let [TIME, time @ ..] = rest {
        rest = &time[varint_length(time.first_chunk()?)?..];
    }
    match short_field(rest) {
        Some((NAME, name, after)) if !name.is_empty() => {
            found.wrong |= not_plain(&rest[2..], name.len())? | ends_with_backslash(name, name.len());
            found.wrong |= u64::from(name[0] == b'#');
            rest = after;
        }
        _ if named => return None,
        _ => {}
    }
    // Database, retentionPolicy, group and dimensions. In this form there is nothing but ASCII in them, with their tags
    // and lengths, so all are looked at together.
    let texts = rest;
    while let Some((OTHER_TEXTS..TAGS, _, after)) = short_field(rest) {
        rest = after;
    }
    found.wrong |= high_bits(&texts[..texts.len() - rest.len()]);
    while let Some((length, key, value)) = entry(rest, TAGS) {
        found.look_at_tag(rest, length, key, value)?;
        rest = rest.get(2 + length..)?;
    }
    while let Some(key) = found.look_at_short_double(rest) {
        rest = &rest[13 + key..];
    }
    // Nearly always no byte is left.
    while rest.len() > behind {
        rest = found.look_at_field(rest)?;
    }
    if rest.len() != behind || found.wrong != 0 || found.not_finite >> 63 != 0 || found.maps == 0 {
        return None;
    }
    // In one map no name can have two types.
    if !found.maps.is_power_of_two() && sets_of(frames.get(from..end)?).may_have_two_types() {
        return None;
    }
    (end - from <= MAX_ENTRIES).then_some(())
}

/// The entry of the map with this tag at the start of `rest`: its length, its key's length, and what comes behind the
/// key.
#[inline(always)]
fn entry(rest: &[u8], tag: u8) -> Option<(usize, usize, &[u8])> {
    /// A tag, a length, the tag of a key, the key's length.
    const FORM: u32 = 0x80ff_80ff;
    let head = u32::from_le_bytes(*rest.first_chunk()?);
    if head & FORM != u32::from(KEY) << 16 | u32::from(tag) {
        return None;
    }
    let key = (head >> 24) as usize;
    Some(((head >> 8 & 0xff) as usize, key, rest.get(4 + key..)?))
}

impl PointScan {
    /// The entry of a double under a name of at most sixteen bytes: how many. The entry has thirteen more.
    #[inline(always)]
    fn look_at_short_double(&mut self, rest: &[u8]) -> Option<usize> {
        // One check that all bytes to be read are there.
        let rest: &[u8; 32] = rest.first_chunk()?;
        let (length, key, _) = entry(rest, DOUBLES)?;
        let high = HIGH.get(key)?;
        self.look_at_double(length, key, rest[4 + key..].first_chunk()?);
        let name = rest[4..].first_chunk()?;
        self.wrong |= not_plain_of(name, high) | ends_with_backslash(&rest[3..], key + 1);
        let [first, _] = words_of(name);
        self.wrong |= u64::from(first & TIME_BYTES == TIME_OF_DOUBLE);
        self.maps |= 1 << (DOUBLES >> 3);
        Some(key)
    }

    /// The value of an entry, a double.
    #[inline(always)]
    fn look_at_double(&mut self, length: usize, key: usize, value: &[u8; 9]) {
        let [double, number @ ..] = *value;
        self.wrong |= u64::from(double ^ DOUBLE) | (length ^ (11 + key)) as u64;
        self.not_finite |= (u64::from_le_bytes(number) & EXPONENT) + EXPONENT_1;
    }

    /// The value of an entry, a text, but for whether it is ASCII.
    #[inline(always)]
    fn look_at_text(&mut self, length: usize, key: usize, value: &[u8]) -> Option<()> {
        let &[text, text_length] = value.first_chunk()?;
        self.wrong |= u64::from(text ^ TEXT) | (length ^ (4 + key + usize::from(text_length))) as u64;
        Some(())
    }

    /// The tag at the start of `rest`, whose key and value are to be stored by InfluxDB.
    #[inline(always)]
    fn look_at_tag(&mut self, rest: &[u8], length: usize, key: usize, value: &[u8]) -> Option<()> {
        self.look_at_text(length, key, value)?;
        self.look_at_name(rest, key)?;
        let text_length = usize::from(value[1]);
        // An empty value is not written by Kapacitor.
        if text_length > 0 {
            self.wrong |=
                not_plain(&value[2..], text_length)? | ends_with_backslash(&value[2..], text_length);
        }
        Some(())
    }

    /// The name of a tag or field, of this length, in the entry at the start of `rest`.
    #[inline(always)]
    fn look_at_name(&mut self, rest: &[u8], length: usize) -> Option<()> {
        let name = &rest[4..];
        self.wrong |= not_plain(name, length)? | ends_with_backslash(name, length);
        self.wrong |= u64::from(is_time(name, length));
        Some(())
    }

    /// The field at the start of `rest`, and what comes behind it.
    #[inline(never)]
    fn look_at_field<'a>(&mut self, rest: &'a [u8]) -> Option<&'a [u8]> {
        if let [BY_NAME, 0..0x80, after @ ..] = rest {
            return Some(after);
        }
        let (tag, contents, after) = short_field(rest)?;
        match tag {
            OTHER_TEXTS..TAGS => self.wrong |= high_bits(contents),
            TAGS => {
                let (length, key, value) = entry(rest, tag)?;
                self.look_at_tag(rest, length, key, value)?;
            }
            STRINGS => {
                let (length, key, value) = entry(rest, tag)?;
                self.look_at_text(length, key, value)?;
                self.wrong |= high_bits(contents);
                self.look_at_name(rest, key)?;
            }
            DOUBLES => {
                let (length, key, value) = entry(rest, tag)?;
                self.look_at_double(length, key, value.first_chunk()?);
                self.look_at_name(rest, key)?;
            }
            INTS | BOOLS => {
                let (length, key, value) = entry(rest, tag)?;
                let (int, number) = value.get(..length.checked_sub(key + 2)?)?.split_first()?;
                self.wrong |= u64::from(int ^ INT) | u64::from(!is_varint(number));
                self.look_at_name(rest, key)?;
            }
            _ => return None,
        }
        if TYPES.contains(&tag) {
            self.maps |= 1 << (tag >> 3);
        }
        Some(after)
    }
}

/// Cuts off the first field if its tag and its length have one byte each: the tag, the contents, what follows.
#[inline(always)]
fn short_field(rest: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    // The length by itself: where the next field begins waits for it, and a part of a word takes longer.
    let &[tag, length] = rest.first_chunk()?;
    if u32::from(tag) & 0x87 != 0x02 || length >= 0x80 {
        return None;
    }
    let (contents, after) = rest[2..].split_at_checked(usize::from(length))?;
    Some((tag, contents, after))
}

/// The sets of the field names of a point that was checked.
fn sets_of(mut point: &[u8]) -> NameSets {
    let mut seen = NameSets::default();
    while let [tag, rest @ ..] = point {
        if tag & 7 == VARINT {
            let length = rest.iter().position(|byte| *byte < 0x80).map_or(rest.len(), |last| last + 1);
            point = &rest[length..];
            continue;
        }
        let Some((tag, entry, after)) = short_field(point) else { break };
        if let (Some(of), [_, length, key @ ..]) = (TYPES.iter().position(|of| *of == tag), entry) {
            seen.sets[of] |= one_of_64(key.get(..usize::from(*length)).unwrap_or(key));
        }
        point = after;
    }
    seen
}

/// Not zero if not all bytes are ASCII; faster than the standard library on the short strings of a point.
#[inline(always)]
pub(super) fn high_bits(bytes: &[u8]) -> u64 {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let Some(last) = bytes.last_chunk::<8>() else {
        return u64::from(bytes.iter().fold(0, |all, byte| all | byte) & 0x80);
    };
    // Whole words, and the last one, which may overlap the one before.
    let words = bytes.as_chunks::<8>().0.iter();
    words.fold(u64::from_le_bytes(*last), |all, word| all | u64::from_le_bytes(*word)) & HIGH
}

/// The high bits of the first bytes of sixteen; of one for a name without bytes, behind which the tag of the value is,
/// a control character.
const HIGH: [[u64; 2]; 17] = {
    let mut masks = [[0; 2]; 17];
    let mut i = 0;
    while i < 16 {
        masks[i + 1] = masks[i];
        masks[i + 1][i / 8] |= 0x80 << (8 * (i % 8));
        i += 1;
    }
    masks[0] = masks[1];
    masks
};

/// Added to a byte of ASCII, this sets its highest bit unless it is a control character.
const PLAIN: u64 = 0x6060_6060_6060_6060;

/// Not zero if a byte of `text` whose high bit is in `high` is not ASCII, or is a control character such as a line
/// break.
#[inline(always)]
fn not_plain_of(text: &[u8; 16], high: &[u64; 2]) -> u64 {
    // A byte that is not ASCII carries into the ones behind it, and is wrong by itself.
    let [a, b] = words_of(text);
    (a | !a.wrapping_add(PLAIN)) & high[0] | (b | !b.wrapping_add(PLAIN)) & high[1]
}

#[inline(always)]
fn words_of(text: &[u8; 16]) -> [u64; 2] {
    let (words, _) = text.as_chunks::<8>();
    [u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1])]
}

/// Zero if the first `length` bytes of `text`, one at least, are there and ASCII without control characters.
#[inline(always)]
fn not_plain(text: &[u8], length: usize) -> Option<u64> {
    match (text.first_chunk(), HIGH.get(length)) {
        (Some(text), Some(high)) => Some(not_plain_of(text, high)),
        _ => {
            let text = text.get(..length)?;
            let plain = !text.is_empty() && text.iter().all(|byte| (0x20..0x80).contains(byte));
            Some(u64::from(!plain))
        }
    }
}

/// Not zero if the last of the first `length` bytes of `text` is a backslash, with which InfluxDB escapes what follows.
#[inline(always)]
fn ends_with_backslash(text: &[u8], length: usize) -> u64 {
    u64::from(text.get(length.wrapping_sub(1)) == Some(&b'\\'))
}

/// Whether the first `length` bytes of `text` are the name `time`, which InfluxDB can't store.
#[inline(always)]
fn is_time(text: &[u8], length: usize) -> bool {
    length == 4 && text.starts_with(b"time")
}

/// The length of the varint at the start of `bytes`, if it has no more.
#[inline(always)]
fn varint_length(bytes: &[u8; 9]) -> Option<usize> {
    let ends = !u64::from_le_bytes(*bytes.first_chunk()?) & 0x8080_8080_8080_8080;
    match ends {
        // The greatest time, which InfluxDB can't store, has all bits set.
        0 => (bytes[8] < 0x80 && bytes[..8] != [0xff; 8]).then_some(9),
        _ => Some(ends.trailing_zeros() as usize / 8 + 1),
    }
}

/// Whether there is one varint of at most nine bytes, and nothing else.
fn is_varint(bytes: &[u8]) -> bool {
    matches!(bytes, [front @ .., 0..0x80] if front.len() < 9 && front.iter().all(|byte| *byte >= 0x80))
}
