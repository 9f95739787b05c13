use super::*;

const NAME: &str = "Nodes";

/// A message with its length before it.
fn message(bytes: &[u8]) -> Vec<u8> {
    [&[bytes.len() as u8], bytes].concat()
}

/// Type 65, a struct: its name, its id and one field, `name`, of type 66.
fn structure(name: &str) -> Vec<u8> {
    let field = [&[1, name.len() as u8], name.as_bytes(), &[1, 0xff, 0x84, 0]].concat();
    message(&[&[0xff, 0x81, 3, 1, 1, 1, b'S', 1, 0xff, 0x82, 0, 1, 1][..], &field, &[0, 0]].concat())
}

/// Type 66, a map without a name.
fn map(key: u8, value: u8) -> Vec<u8> {
    message(&[0xff, 0x83, 4, 1, 2, 0xff, 0x84, 0, 1, key << 1, 1, value << 1, 0, 0])
}

/// A value of type 65 whose first field has the bytes `entries`.
fn value(entries: &[u8]) -> Vec<u8> {
    message(&[&[0xff, 0x82, 1], entries, &[0]].concat())
}

fn decoded(messages: &[Vec<u8>]) -> Result<Vec<(String, Vec<u8>)>, GobError> {
    let gob = messages.concat();
    let map = bytes_map(&gob, NAME)?;
    Ok(map.into_iter().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect())
}

#[test]
fn a_map_is_decoded() {
    let two = value(&[2, 1, b'b', 2, 7, 8, 1, b'a', 0]);
    let expected = vec![("a".to_owned(), vec![]), ("b".to_owned(), vec![7, 8])];
    assert_eq!(decoded(&[structure(NAME), map(6, 5), two]), Ok(expected));
    assert_eq!(decoded(&[structure(NAME), map(6, 5), value(&[0])]), Ok(vec![]), "empty");
    assert_eq!(decoded(&[structure(NAME), map(6, 5), message(&[0xff, 0x82, 0])]), Ok(vec![]), "left out");
}

#[test]
fn numbers_are_decoded() {
    let uint = |bytes: &[u8]| Reader(bytes).uint();
    assert_eq!(uint(&[0x7f]), Ok(127));
    assert_eq!(uint(&[0xfe, 1, 0]), Ok(256));
    assert_eq!(uint(&[0xf8, 255, 255, 255, 255, 255, 255, 255, 255]), Ok(u64::MAX));
    assert_eq!(uint(&[0xf7, 1, 0, 0, 0, 0, 0, 0, 0, 0]), Err(GobError::Number));
    assert_eq!(uint(&[0x80]), Err(GobError::Number));
    assert_eq!(uint(&[0xfe, 1]), Err(GobError::Incomplete));
    let int = |bytes: &[u8]| Reader(bytes).int();
    assert_eq!(int(&[0x08]), Ok(4));
    assert_eq!(int(&[0xff, 0x81]), Ok(-65));
    assert_eq!(int(&[0xf8, 255, 255, 255, 255, 255, 255, 255, 255]), Ok(i64::MIN));
}

#[test]
fn other_types_are_errors() {
    let one = value(&[1, 1, b'a', 1, 7]);
    assert_eq!(decoded(&[structure("Other"), map(6, 5), one.clone()]), Err(GobError::Field));
    assert_eq!(decoded(&[structure(NAME), map(5, 5), one.clone()]), Err(GobError::Field));
    assert_eq!(decoded(&[structure(NAME), map(6, 6), one.clone()]), Err(GobError::Field));
    assert_eq!(decoded(&[structure(NAME), one.clone()]), Err(GobError::Field), "no map");
    assert_eq!(decoded(std::slice::from_ref(&one)), Err(GobError::Struct));
    assert_eq!(decoded(&[message(&[4, 0, 4])]), Err(GobError::Struct), "an int");
    // A slice type, and a type of two kinds.
    assert_eq!(decoded(&[message(&[0xff, 0x83, 2, 0, 0])]), Err(GobError::Definition));
    assert_eq!(decoded(&[message(&[0xff, 0x83, 3, 0, 1, 1, 4, 1, 4, 0, 0])]), Err(GobError::Definition));
    let second = message(&[0xff, 0x82, 2, 0, 0]);
    assert_eq!(decoded(&[structure(NAME), map(6, 5), second]), Err(GobError::Field));
}

#[test]
fn damaged_values_are_errors() {
    let with = |last: Vec<u8>| decoded(&[structure(NAME), map(6, 5), last]);
    assert_eq!(with(value(&[2, 1, b'a', 0, 1, b'a', 0])), Err(GobError::Twice));
    assert_eq!(with(value(&[1, 1, 0xff, 0])), Err(GobError::Utf8));
    assert_eq!(with(value(&[0xf8, 255, 255, 255, 255, 255, 255, 255, 255])), Err(GobError::Incomplete));
    assert_eq!(
        with(value(&[1, 1, b'a', 0xf8, 255, 255, 255, 255, 255, 255, 255, 255])),
        Err(GobError::Incomplete)
    );
    assert_eq!(with(message(&[0xff, 0x82, 0, 0])), Err(GobError::Trailing));
    assert_eq!(with([value(&[0]), vec![0]].concat()), Err(GobError::Trailing));
    let far = message(&[0xff, 0x82, 1, 0, 0xf8, 255, 255, 255, 255, 255, 255, 255, 255, 0]);
    assert_eq!(with(far), Err(GobError::Number), "fields are counted past 64 bits");
    let smallest = message(&[0xf8, 255, 255, 255, 255, 255, 255, 255, 255, 3, 0, 0]);
    assert_eq!(decoded(&[smallest]), Err(GobError::Number), "an id without a positive one");
}

#[test]
fn every_prefix_is_incomplete() {
    let gob = [structure(NAME), map(6, 5), value(&[1, 1, b'a', 1, 7])].concat();
    for end in 0..gob.len() {
        assert_eq!(bytes_map(&gob[..end], NAME), Err(GobError::Incomplete), "{end} bytes");
    }
}
