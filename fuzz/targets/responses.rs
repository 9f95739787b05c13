//! Responses whose lengths are right and whose contents may be anything, so that the fuzzer gets
//! behind the first check.

use arbitrary::{Result, Unstructured};

/// What is expected behind a tag.
#[derive(Clone, Copy)]
enum Shape {
    Varint,
    Fixed64,
    Text,
    /// A map entry with a value of this shape.
    Entry(&'static Shape),
    Message(&'static [(u32, Shape)]),
}

const RESPONSE: &[(u32, Shape)] = &[
    (17, Shape::Message(POINT)),
    (17, Shape::Message(POINT)),
    (17, Shape::Message(POINT)),
    (16, Shape::Message(BEGIN)),
    (18, Shape::Message(END)),
    (18, Shape::Message(END)),
    (6, Shape::Message(&[(1, Shape::Text)])),
    (3, Shape::Message(&[(1, Shape::Varint)])),
];

const POINT: &[(u32, Shape)] = &[
    (1, Shape::Varint),
    (2, Shape::Text),
    (3, Shape::Text),
    (4, Shape::Text),
    (5, Shape::Text),
    (6, Shape::Text),
    (7, Shape::Entry(&Shape::Text)),
    (8, Shape::Entry(&Shape::Fixed64)),
    (9, Shape::Entry(&Shape::Varint)),
    (10, Shape::Entry(&Shape::Text)),
    (11, Shape::Varint),
    (12, Shape::Entry(&Shape::Varint)),
];

const BEGIN: &[(u32, Shape)] = &[
    (1, Shape::Text),
    (2, Shape::Text),
    (3, Shape::Entry(&Shape::Text)),
    (4, Shape::Varint),
    (5, Shape::Varint),
];

const END: &[(u32, Shape)] = &[
    (1, Shape::Text),
    (2, Shape::Text),
    (3, Shape::Varint),
    (4, Shape::Entry(&Shape::Text)),
    (5, Shape::Varint),
];

/// Frames for as long as there is input.
pub fn frames(input: &[u8]) -> Vec<u8> {
    let mut u = Unstructured::new(input);
    let mut out = Vec::new();
    while !u.is_empty() {
        let mut message = Vec::new();
        if field(&mut u, RESPONSE, &mut message).is_err() {
            break;
        }
        if rarely(&mut u) && field(&mut u, RESPONSE, &mut message).is_err() {
            break;
        }
        varint(&mut u, message.len() as u64, &mut out);
        out.extend_from_slice(&message);
    }
    out
}

fn field(u: &mut Unstructured<'_>, fields: &[(u32, Shape)], out: &mut Vec<u8>) -> Result<()> {
    let (mut number, shape) = *u.choose(fields)?;
    if rarely(u) {
        number = u.int_in_range(0..=40)?;
    }
    let mut wire_type = match shape {
        Shape::Varint => 0,
        Shape::Fixed64 => 1,
        Shape::Text | Shape::Entry(_) | Shape::Message(_) => 2,
    };
    if rarely(u) {
        wire_type = u.int_in_range(0..=7)?;
    }
    varint(u, u64::from(number << 3 | wire_type), out);
    match shape {
        Shape::Varint => {
            let value = match u.int_in_range(0..=3)? {
                0 => u.arbitrary()?,
                _ => u64::from(u.arbitrary::<u8>()?),
            };
            varint(u, value, out);
        }
        Shape::Fixed64 => out.extend_from_slice(&u.arbitrary::<[u8; 8]>()?),
        Shape::Text => {
            let text = text(u)?;
            contents(u, &text, out);
        }
        Shape::Entry(value) => {
            let mut entry = Vec::new();
            if !rarely(u) {
                field(u, &[(1, Shape::Text)], &mut entry)?;
            }
            if !rarely(u) {
                field(u, &[(2, *value)], &mut entry)?;
            }
            while rarely(u) {
                field(u, &[(1, Shape::Text), (2, *value)], &mut entry)?;
            }
            contents(u, &entry, out);
        }
        Shape::Message(fields) => {
            let mut message = Vec::new();
            for _ in 0..u.int_in_range(0..=6)? {
                field(u, fields, &mut message)?;
            }
            contents(u, &message, out);
        }
    }
    Ok(())
}

/// Mostly names that meet each other, at times anything.
fn text(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    Ok(match u.int_in_range(0..=7)? {
        0 => {
            let length = u.int_in_range(0..=300)?;
            u.bytes(length.min(u.len()))?.to_vec()
        }
        1 => Vec::new(),
        // Two of these are more than InfluxDB takes for a measurement with its tags.
        2 if rarely(u) => vec![b'e'; u.int_in_range(30_000..=66_000)?],
        2 => "Ω\u{10ffff}".as_bytes().to_vec(),
        _ => vec![u.int_in_range(b'a'..=b'd')?; u.int_in_range(1..=9)?],
    })
}

fn contents(u: &mut Unstructured<'_>, contents: &[u8], out: &mut Vec<u8>) {
    varint(u, contents.len() as u64, out);
    out.extend_from_slice(contents);
}

/// A varint, at times of more bytes than it needs.
fn varint(u: &mut Unstructured<'_>, value: u64, out: &mut Vec<u8>) {
    prost::encoding::encode_varint(value, out);
    if rarely(u)
        && let Some(last) = out.last_mut()
    {
        *last |= 0x80;
        out.push(0);
    }
}

/// One in 32, and never at the end of the input.
fn rarely(u: &mut Unstructured<'_>) -> bool {
    u.int_in_range(0..=31u8).is_ok_and(|n| n == 31)
}
