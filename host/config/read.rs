//! Reads the text of a `udf.toml`.

use std::io;
use std::path::Path;

use super::error::{ConfigError, EncodingProblem};
use crate::regular_file::{self, FileError};
use crate::units::Bytes;

/// Maximum size of a `udf.toml`. A thousand functions take a tenth of it.
const MAX_SIZE: Bytes = Bytes::mib(1);

/// The text of the file at `path`.
///
/// # Errors
///
/// When it can't be read, or is not text in UTF-8.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    let path = path.to_owned();
    match regular_file::read(&path, MAX_SIZE) {
        Ok(bytes) => decode(bytes).map_err(|problem| ConfigError::Encoding { path, problem }),
        Err(FileError::NotRegular(found)) => Err(ConfigError::NotAFile { path, found }),
        Err(FileError::TooLarge(most)) => Err(ConfigError::TooLarge { path, most }),
        Err(FileError::Io(e)) if e.kind() == io::ErrorKind::PermissionDenied => {
            Err(ConfigError::NotPermitted { path, user: rustix::process::geteuid().as_raw() })
        }
        Err(error) => Err(ConfigError::Read { path, source: error.into() }),
    }
}

fn decode(mut bytes: Vec<u8>) -> Result<String, EncodingProblem> {
    let line_of = |bytes: &[u8], at: usize| bytes[..at].split(|byte| *byte == b'\n').count();
    let utf16 = matches!(bytes[..], [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..]);
    if utf16 {
        return Err(EncodingProblem::Utf16);
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(EncodingProblem::Nul { line: line_of(&bytes, at) });
    }
    // Some editors put this mark before text in UTF-8.
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        EncodingProblem::NotUtf8 { line: line_of(e.as_bytes(), at) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_utf_8_with_or_without_a_mark() {
        assert_eq!(decode(b"\xef\xbb\xbfa = 1\r\n".to_vec()), Ok("a = 1\r\n".to_owned()));
        assert_eq!(decode(Vec::new()), Ok(String::new()));
        let utf16: Vec<u8> = "a = 1".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decode(utf16.clone()), Err(EncodingProblem::Utf16));
        assert_eq!(decode([b"\xff\xfe".to_vec(), utf16].concat()), Err(EncodingProblem::Utf16));
        assert_eq!(decode(b"a\nb\0".to_vec()), Err(EncodingProblem::Nul { line: 2 }));
        assert_eq!(decode(b"a\n\n\xfc".to_vec()), Err(EncodingProblem::NotUtf8 { line: 3 }));
    }
}
