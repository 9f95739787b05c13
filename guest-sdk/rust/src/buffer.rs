//! Bytes that are written one piece after the other.

use std::hint::black_box;
use std::mem;
use std::ops::Deref;

/// Least room that is made.
const LEAST: usize = 32;

/// Bytes that grow at their end. A `Vec` calls a function to append even four bytes, and that one calls another to
/// copy them; here a few bytes are stored in place.
#[derive(Clone, Debug, Default)]
pub struct Buffer {
    /// What was written, and zeros or what was written before behind it.
    room: Vec<u8>,
    length: usize,
}

impl Buffer {
    /// Without bytes, and without room for any.
    pub const fn new() -> Self {
        Self { room: Vec::new(), length: 0 }
    }

    /// Without bytes, and with room for so many.
    pub fn with_room(length: usize) -> Self {
        Self { room: vec![0; length], length: 0 }
    }

    /// How many bytes there is room for, with those that are there.
    pub fn room(&self) -> usize {
        self.room.len()
    }

    /// Appends so many bytes, to be written by the caller: until then they are any.
    #[inline(always)]
    pub fn more(&mut self, length: usize) -> &mut [u8] {
        if self.room.len() - self.length < length {
            self.grow(length);
        }
        let start = self.length;
        self.length += length;
        &mut self.room[start..start + length]
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, length: usize) {
        let least = self.length + length;
        self.room.resize(least.max(2 * self.room.len()).max(LEAST), 0);
    }

    /// Appends bytes whose number is known when this is compiled.
    #[inline(always)]
    pub fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.more(N).copy_from_slice(&bytes);
    }

    /// Appends bytes.
    #[inline]
    pub fn append(&mut self, bytes: &[u8]) {
        self.more(bytes.len()).copy_from_slice(bytes);
    }

    /// Forgets what is behind the first `length` bytes.
    #[inline(always)]
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Forgets all bytes, and keeps the room.
    #[inline]
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// Gives up the room, and leaves nothing in memory of what was in it.
    pub fn wipe(&mut self) {
        self.length = 0;
        wipe(&mut self.room);
    }
}

/// Gives up a `Vec`, and leaves nothing in memory of what was in it.
pub fn wipe(bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.resize(bytes.capacity(), 0);
    // Otherwise the compiler sees that nobody reads what is freed.
    black_box(&mut bytes[..]);
    drop(mem::take(bytes));
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.room[..self.length]
    }
}

impl From<&[u8]> for Buffer {
    fn from(bytes: &[u8]) -> Self {
        Self { room: bytes.to_vec(), length: bytes.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_was_written_in_whatever_pieces() {
        let mut buffer = Buffer::new();
        let mut expected = Vec::new();
        for i in 0..100u8 {
            buffer.put([i; 6]);
            expected.extend([i; 6]);
            let piece = vec![i; usize::from(i)];
            buffer.append(&piece);
            expected.extend(piece);
            if i % 7 == 0 {
                buffer.truncate(expected.len() - 3);
                expected.truncate(expected.len() - 3);
            }
            assert_eq!(buffer[..], expected);
        }
        buffer.truncate(usize::MAX);
        assert_eq!(buffer[..], expected);
        buffer.clear();
        assert!(buffer.is_empty() && buffer.room() >= expected.len());
        buffer.put([7]);
        assert_eq!(buffer[..], [7]);
        buffer.wipe();
        assert_eq!((buffer.len(), buffer.room()), (0, 0));
    }
}
