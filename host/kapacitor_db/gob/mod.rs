//! Decodes Go's gob as far as it is needed: one struct with one map of strings to bytes.
//!
//! A gob is messages with a length before each. A message defines a type, or is a value of a defined
//! type. What is decoded borrows from the gob, so that nothing in it chooses an allocation.

use std::collections::BTreeMap;
use std::str;

use thiserror::Error;

/// The types that need no definition.
const BYTES: i64 = 5;
const STRING: i64 = 6;

/// Why a gob is not what it should be. Each is said of the gob.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum GobError {
    /// It ends within a value.
    #[error("ends too early")]
    Incomplete,
    /// A number has more than 64 bits.
    #[error("has a number that is too large")]
    Number,
    /// Bytes follow where nothing is expected.
    #[error("goes on after its end")]
    Trailing,
    /// A type definition is neither a struct nor a map, or is not complete.
    #[error("defines a type other than a struct or a map")]
    Definition,
    /// The value is not a struct.
    #[error("is not a struct")]
    Struct,
    /// A field is there that is not known, or is no map of strings to bytes.
    #[error("has a field that is not a known map of strings to bytes")]
    Field,
    /// The same key is there again.
    #[error("has a key twice")]
    Twice,
    /// A name is no text.
    #[error("has a name that is not UTF-8")]
    Utf8,
}

/// The map of strings to bytes in the field `name` of the struct that is encoded in `gob`.
///
/// # Errors
///
/// When the gob is damaged, or when the struct has other fields that are not empty.
pub fn bytes_map<'a>(gob: &'a [u8], name: &str) -> Result<BTreeMap<&'a str, &'a [u8]>, GobError> {
    let mut messages = Reader(gob);
    let mut types = BTreeMap::new();
    loop {
        let mut message = Reader(messages.bytes()?);
        let id = message.int()?;
        if id >= 0 {
            let map = value(&mut message, types.get(&id), &types, name)?;
            message.end()?;
            messages.end()?;
            return Ok(map);
        }
        let definition = definition(&mut message)?;
        message.end()?;
        types.insert(id.checked_neg().ok_or(GobError::Number)?, definition);
    }
}

/// A type that a gob defines.
enum Type<'a> {
    /// The names and the types of its fields.
    Struct(Vec<(&'a str, i64)>),
    Map {
        key: i64,
        value: i64,
    },
}

/// A type is encoded as a struct, of which the one field that is set tells the kind.
fn definition<'a>(reader: &mut Reader<'a>) -> Result<Type<'a>, GobError> {
    let mut kind = Fields::default();
    let definition = match kind.next(reader)? {
        Some(2) => struct_type(reader)?,
        Some(3) => map_type(reader)?,
        _ => return Err(GobError::Definition),
    };
    match kind.next(reader)? {
        None => Ok(definition),
        Some(_) => Err(GobError::Definition),
    }
}

fn struct_type<'a>(reader: &mut Reader<'a>) -> Result<Type<'a>, GobError> {
    let mut fields = Vec::new();
    let mut parts = Fields::default();
    while let Some(part) = parts.next(reader)? {
        match part {
            0 => common_type(reader)?,
            1 => {
                for _ in 0..reader.uint()? {
                    fields.push(field_type(reader)?);
                }
            }
            _ => return Err(GobError::Definition),
        }
    }
    Ok(Type::Struct(fields))
}

fn field_type<'a>(reader: &mut Reader<'a>) -> Result<(&'a str, i64), GobError> {
    let (mut name, mut id) = (None, None);
    let mut parts = Fields::default();
    while let Some(part) = parts.next(reader)? {
        match part {
            0 => name = Some(reader.text()?),
            1 => id = Some(reader.int()?),
            _ => return Err(GobError::Definition),
        }
    }
    Ok((name.ok_or(GobError::Definition)?, id.ok_or(GobError::Definition)?))
}

fn map_type<'a>(reader: &mut Reader<'a>) -> Result<Type<'a>, GobError> {
    let (mut key, mut value) = (None, None);
    let mut parts = Fields::default();
    while let Some(part) = parts.next(reader)? {
        match part {
            0 => common_type(reader)?,
            1 => key = Some(reader.int()?),
            2 => value = Some(reader.int()?),
            _ => return Err(GobError::Definition),
        }
    }
    let (key, value) = (key.ok_or(GobError::Definition)?, value.ok_or(GobError::Definition)?);
    Ok(Type::Map { key, value })
}

/// The name of a type and its id, which are not needed: the id is also before the definition.
fn common_type(reader: &mut Reader<'_>) -> Result<(), GobError> {
    let mut parts = Fields::default();
    while let Some(part) = parts.next(reader)? {
        match part {
            0 => drop(reader.bytes()?),
            1 => drop(reader.int()?),
            _ => return Err(GobError::Definition),
        }
    }
    Ok(())
}

fn value<'a>(
    reader: &mut Reader<'a>,
    of: Option<&Type<'_>>,
    types: &BTreeMap<i64, Type<'_>>,
    name: &str,
) -> Result<BTreeMap<&'a str, &'a [u8]>, GobError> {
    let Some(Type::Struct(fields)) = of else { return Err(GobError::Struct) };
    let mut map = BTreeMap::new();
    let mut numbers = Fields::default();
    // An empty field is left out.
    while let Some(number) = numbers.next(reader)? {
        let field = usize::try_from(number).ok().and_then(|number| fields.get(number));
        let (found, id) = field.ok_or(GobError::Field)?;
        match types.get(id) {
            Some(Type::Map { key: STRING, value: BYTES }) if *found == name => map = entries(reader)?,
            _ => return Err(GobError::Field),
        }
    }
    Ok(map)
}

fn entries<'a>(reader: &mut Reader<'a>) -> Result<BTreeMap<&'a str, &'a [u8]>, GobError> {
    let mut map = BTreeMap::new();
    for _ in 0..reader.uint()? {
        if map.insert(reader.text()?, reader.bytes()?).is_some() {
            return Err(GobError::Twice);
        }
    }
    Ok(map)
}

/// The fields of a struct, each told by its distance from the one before; zero ends them.
#[derive(Default)]
struct Fields {
    /// The number of the next field that could be there.
    next: u64,
}

impl Fields {
    fn next(&mut self, reader: &mut Reader<'_>) -> Result<Option<u64>, GobError> {
        let Some(skipped) = reader.uint()?.checked_sub(1) else { return Ok(None) };
        let number = self.next.checked_add(skipped).ok_or(GobError::Number)?;
        self.next = number.checked_add(1).ok_or(GobError::Number)?;
        Ok(Some(number))
    }
}

/// What is left of some bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], GobError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(GobError::Incomplete)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A small number is one byte. A larger one has before it, negated, how many bytes it has.
    fn uint(&mut self) -> Result<u64, GobError> {
        let first = self.take(1)?[0];
        if first < 0x80 {
            return Ok(first.into());
        }
        let length = usize::from(first.wrapping_neg());
        if length > 8 {
            return Err(GobError::Number);
        }
        Ok(self.take(length)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// The lowest bit tells whether all the others are inverted.
    fn int(&mut self) -> Result<i64, GobError> {
        let uint = self.uint()?;
        let magnitude = (uint >> 1).cast_signed();
        Ok(if uint & 1 == 0 { magnitude } else { !magnitude })
    }

    fn bytes(&mut self) -> Result<&'a [u8], GobError> {
        let length = usize::try_from(self.uint()?).map_err(|_| GobError::Incomplete)?;
        self.take(length)
    }

    fn text(&mut self) -> Result<&'a str, GobError> {
        str::from_utf8(self.bytes()?).map_err(|_| GobError::Utf8)
    }

    fn end(&self) -> Result<(), GobError> {
        if self.0.is_empty() { Ok(()) } else { Err(GobError::Trailing) }
    }
}

#[cfg(test)]
mod tests;
