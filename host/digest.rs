//! Hashes as text.

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for half in [byte >> 4, byte & 0xf] {
            hex.extend(char::from_digit(half.into(), 16));
        }
    }
    hex
}
