//! The two primitives of the protobuf wire format that the host needs: varints and tags.
//!
//! Source: the encoding page of the Protocol Buffers documentation. Nothing here allocates, and
//! every read is bounds-checked.

/// Wire type of a varint.
pub const VARINT: u8 = 0;
/// Wire type of eight bytes.
pub const FIXED64: u8 = 1;
/// Wire type of a length and the bytes that it counts.
pub const LEN: u8 = 2;
/// Wire type of four bytes.
pub const FIXED32: u8 = 5;

/// The tag of a field whose number is below 16: one byte.
///
/// # Panics
///
/// When the number is larger, which ends the compilation where the tag is a constant.
pub const fn short_tag(number: u32, wire_type: u8) -> u8 {
    assert!(number < 16, "the tag has more than one byte");
    (number as u8) << 3 | wire_type
}

/// The tag of a field whose number is 16 to 2047: a varint of two bytes.
///
/// # Panics
///
/// When the number is another one, which ends the compilation where the tag is a constant.
pub const fn long_tag(number: u32, wire_type: u8) -> [u8; 2] {
    assert!(16 <= number && number < 2048, "the tag does not have two bytes");
    let tag = number << 3 | wire_type as u32;
    [tag as u8 | 0x80, (tag >> 7) as u8]
}

/// Why there is no value at the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The bytes end before the value does.
    Incomplete,
    /// No continuation can make it a value.
    Malformed,
}

/// Reads the varint at the start of `bytes`; returns it with its length.
///
/// # Errors
///
/// When the bytes end inside the varint, or can't be one.
#[inline]
pub fn varint(bytes: &[u8]) -> Result<(u64, usize), WireError> {
    match bytes {
        [first, ..] if *first < 0x80 => Ok((u64::from(*first), 1)),
        [first, second, ..] if *second < 0x80 => Ok((u64::from(*first & 0x7f) | u64::from(*second) << 7, 2)),
        _ => long_varint(bytes),
    }
}

fn long_varint(bytes: &[u8]) -> Result<(u64, usize), WireError> {
    let mut value = 0;
    for (i, &byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            // The tenth byte holds the last bit of 64.
            return if i == 9 && byte > 1 { Err(WireError::Malformed) } else { Ok((value, i + 1)) };
        }
    }
    Err(if bytes.len() < 10 { WireError::Incomplete } else { WireError::Malformed })
}

/// Appends `value` as a varint.
pub fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads the fields of one message, one after the other.
pub struct Fields<'a> {
    bytes: &'a [u8],
    pos: usize,
}

/// One field as it came.
#[derive(Clone, Copy)]
pub struct WireField<'a> {
    /// The field's number.
    pub number: u32,
    /// Its wire type.
    pub wire_type: u8,
    /// What follows the tag: the contents of a `LEN` field, the bytes of the others.
    pub value: &'a [u8],
    /// Where the field begins in the message, and where it ends.
    pub span: (usize, usize),
}

impl<'a> Fields<'a> {
    /// The fields of `message`.
    pub fn new(message: &'a [u8]) -> Self {
        Self { bytes: message, pos: 0 }
    }

    /// The bytes that were not read yet.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.pos..]
    }

    /// The next field, or `None` at the end of the message.
    ///
    /// # Errors
    ///
    /// When the message is cut off or is no message. Groups, which proto3 does not have, count as
    /// malformed.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "an iterator of results could go on after an error")]
    pub fn next(&mut self) -> Result<Option<WireField<'a>>, WireError> {
        if self.pos == self.bytes.len() {
            return Ok(None);
        }
        let start = self.pos;
        let (tag, length) = varint(&self.bytes[start..])?;
        let tag = u32::try_from(tag).map_err(|_| WireError::Malformed)?;
        let rest = &self.bytes[start + length..];
        let (skip, take) = match (tag & 7) as u8 {
            LEN => {
                let (take, skip) = varint(rest)?;
                (skip, usize::try_from(take).map_err(|_| WireError::Incomplete)?)
            }
            FIXED64 => (0, 8),
            VARINT => (0, varint(rest)?.1),
            FIXED32 => (0, 4),
            _ => return Err(WireError::Malformed),
        };
        if tag >> 3 == 0 {
            return Err(WireError::Malformed);
        }
        let value = rest[skip..].get(..take).ok_or(WireError::Incomplete)?;
        self.pos = start + length + skip + take;
        Ok(Some(WireField { number: tag >> 3, wire_type: (tag & 7) as u8, value, span: (start, self.pos) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tags_agree_with_prost(short in 1..16u32, long in 16..2048u32) {
            use prost::encoding::{WireType, encode_key};
            for (ours, theirs) in [
                (VARINT, WireType::Varint),
                (FIXED64, WireType::SixtyFourBit),
                (LEN, WireType::LengthDelimited),
                (FIXED32, WireType::ThirtyTwoBit),
            ] {
                let (mut one, mut two) = (Vec::new(), Vec::new());
                encode_key(short, theirs, &mut one);
                encode_key(long, theirs, &mut two);
                prop_assert_eq!(&one[..], &[short_tag(short, ours)][..]);
                prop_assert_eq!(&two[..], &long_tag(long, ours)[..]);
            }
        }

        #[test]
        fn varints_agree_with_prost(value: u64) {
            let mut ours = Vec::new();
            put_varint(value, &mut ours);
            let mut theirs = Vec::new();
            prost::encoding::encode_varint(value, &mut theirs);
            prop_assert_eq!(&ours, &theirs);
            prop_assert_eq!(varint(&ours), Ok((value, ours.len())));
            prop_assert_eq!(varint(&ours[..ours.len() - 1]), Err(WireError::Incomplete));
        }

        #[test]
        fn any_bytes_read_as_prost_reads_them(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let theirs = prost::encoding::decode_varint(&mut &bytes[..]).ok();
            prop_assert_eq!(varint(&bytes).ok().map(|(value, _)| value), theirs);
        }

        #[test]
        fn fields_never_panic_and_cover_the_message(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut fields = Fields::new(&bytes);
            let mut end = 0;
            while let Ok(Some(field)) = fields.next() {
                prop_assert_eq!(field.span.0, end);
                end = field.span.1;
            }
        }
    }
}
