//! A key group of a job in Apache Flink, exported to a file.
//!
//! The file has one entry, or several one after the other, as Java's `DataOutputStream` writes them (big endian):
//!
//! ```text
//! 1 byte     format, 1
//! 2 bytes    length of the name
//! n bytes    the name of the function, UTF-8
//! 4 bytes    length of the snapshot
//! m bytes    the snapshot
//! ```

use anyhow::{Result, bail};

use crate::logging::on_one_line;

/// The first byte of an entry. No snapshot begins with it.
const FORMAT: u8 = 1;

/// One entry: the state of one function.
#[derive(Debug, PartialEq)]
pub struct Entry<'a> {
    /// Name of the function.
    pub function: String,
    /// The bytes of its snapshot.
    pub snapshot: &'a [u8],
}

/// The entries of a key group; `None` if `bytes` do not begin like one.
pub fn entries(bytes: &[u8]) -> Option<Result<Vec<Entry<'_>>>> {
    (bytes.first() == Some(&FORMAT)).then(|| all(bytes))
}

fn all(bytes: &[u8]) -> Result<Vec<Entry<'_>>> {
    let (mut rest, mut entries) = (bytes, Vec::new());
    while let Some((format, after)) = rest.split_first() {
        let (number, at) = (entries.len() + 1, bytes.len() - rest.len());
        if *format != FORMAT {
            bail!(
                "it is no key group from here on: entry {number}, at byte {at}, begins with {format:#04x} and not with the format {FORMAT:#04x}"
            );
        }
        let Some((entry, after)) = first(after) else {
            bail!("it is a key group that is cut off: entry {number}, at byte {at}, is longer than the file");
        };
        entries.push(entry);
        rest = after;
    }
    Ok(entries)
}

/// The entry at the start of `bytes`, behind its format, and what follows it.
fn first(bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (name, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    let (length, rest) = rest.split_first_chunk()?;
    let (snapshot, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    // A file can name any.
    Some((Entry { function: on_one_line(&String::from_utf8_lossy(name)), snapshot }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(function: &str, snapshot: &[u8]) -> Vec<u8> {
        let (name, length) = (function.len() as u16, snapshot.len() as u32);
        [&[1][..], &name.to_be_bytes(), function.as_bytes(), &length.to_be_bytes(), snapshot].concat()
    }

    #[test]
    fn entries_follow_each_other() {
        assert_eq!(entry("ab", b"xyz"), b"\x01\x00\x02ab\x00\x00\x00\x03xyz");
        let bytes = [entry("a", b"one"), entry("moving_avg", &vec![7; 70_000]), entry("", b"")].concat();
        let found = entries(&bytes).unwrap().unwrap();
        let found: Vec<_> = found.iter().map(|entry| (&entry.function[..], entry.snapshot.len())).collect();
        assert_eq!(found, [("a", 3), ("moving_avg", 70_000), ("", 0)]);
        assert!(entries(b"KWSN\x01").is_none() && entries(b"").is_none());
    }

    #[test]
    fn no_length_is_trusted() {
        let bytes = [entry("a", b"one"), entry("b", b"two")].concat();
        for end in 1..bytes.len() {
            let found = entries(&bytes[..end]).unwrap();
            assert_eq!(found.is_ok(), end == bytes.len() / 2, "{end}");
        }
        let error = |bytes: &[u8]| entries(bytes).unwrap().unwrap_err().to_string();
        assert_eq!(
            error(b"\x01\x00\x01a\xff\xff\xff\xff"),
            "it is a key group that is cut off: entry 1, at byte 0, is longer than the file"
        );
        assert_eq!(
            error(&[&entry("a", b"one")[..], b"KWSN"].concat()),
            "it is no key group from here on: entry 2, at byte 11, begins with 0x4b and not with the format 0x01"
        );
    }

    #[test]
    fn name_can_be_shown() {
        let bytes = entry("a\n\u{1b}[31m", b"");
        let found = entries(&bytes).unwrap().unwrap();
        assert!(found[0].function.chars().all(|c| !c.is_control()), "{found:?}");
    }
}
