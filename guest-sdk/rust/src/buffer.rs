//! A buffer that is appended to piece by piece.

use std::hint::black_box;
use std::mem;
use std::ops::Deref;

/// Minimum size of a buffer that grows, in bytes.
const LEAST: usize = 32;

/// Size up to which a buffer doubles when it grows, in bytes. From there on it grows by this much.
const STEP: usize = 4 * 1024 * 1024;

/// Bytes that grow at their end.
///
/// A `Vec` calls a function to append even four bytes, which calls another one to copy them. Here a few
/// bytes are stored in place, which is faster in a sandbox.
#[derive(Clone, Debug, Default)]
pub struct Buffer {
    /// The bytes that were written, and behind them zeros or bytes of earlier contents.
    room: Vec<u8>,
    length: usize,
}

impl Buffer {
    /// An empty buffer without memory.
    pub const fn new() -> Self {
        Self { room: Vec::new(), length: 0 }
    }

    /// An empty buffer with room for `length` bytes.
    pub fn with_room(length: usize) -> Self {
        Self { room: vec![0; length], length: 0 }
    }

    /// The number of bytes that fit without growing, including the ones already there.
    pub fn room(&self) -> usize {
        self.room.len()
    }

    /// Appends `length` bytes and returns them. The caller must write all of them: their contents are
    /// unspecified.
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
        let more = self.length + length - self.room.len();
        reserve(&mut self.room, more.max(LEAST));
        self.room.resize(self.room.capacity(), 0);
    }

    /// Appends a number of bytes that is known at compile time.
    #[inline(always)]
    pub fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.more(N).copy_from_slice(&bytes);
    }

    /// Appends bytes.
    #[inline]
    pub fn append(&mut self, bytes: &[u8]) {
        self.more(bytes.len()).copy_from_slice(bytes);
    }

    /// Puts bytes in front of the others, which move. Without room for them the buffer grows first.
    pub fn put_in_front(&mut self, bytes: &[u8]) {
        let length = self.length;
        self.more(bytes.len());
        self.room.copy_within(..length, bytes.len());
        self.room[..bytes.len()].copy_from_slice(bytes);
    }

    /// Removes all bytes behind the first `length`.
    #[inline(always)]
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Removes all bytes and keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// The bytes, without a copy; the memory behind them stays.
    pub fn into_vec(mut self) -> Vec<u8> {
        self.room.truncate(self.length);
        self.room
    }

    /// Overwrites the memory with zeros and gives it up.
    pub fn wipe(&mut self) {
        self.length = 0;
        wipe(&mut self.room);
    }
}

/// Makes room for `more` bytes in a `Vec` that is appended to step by step and may become large.
///
/// A `Vec` that doubles holds three times its contents while it moves. Beyond [`STEP`] this one grows in place if
/// it is the last thing in the memory, as it is where nothing else grows.
pub fn reserve(bytes: &mut Vec<u8>, more: usize) {
    if bytes.capacity() - bytes.len() >= more {
        return;
    }
    let least = bytes.len() + more - bytes.capacity();
    let step = least.max(bytes.capacity().min(STEP));
    if bytes.capacity() >= STEP {
        // The allocator grows the last thing in the memory in place only if the free memory behind it is large
        // enough. So the memory is made to grow, by something that is given back at once.
        drop(black_box(Vec::<u8>::with_capacity(step)));
    }
    bytes.reserve_exact(bytes.capacity() - bytes.len() + step);
}

/// Overwrites the memory of a `Vec` with zeros and gives it up.
pub fn wipe(bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.resize(bytes.capacity(), 0);
    // Otherwise the compiler would remove the writes, because nothing reads the bytes before they are
    // freed.
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

impl From<Vec<u8>> for Buffer {
    /// The bytes, without a copy.
    fn from(room: Vec<u8>) -> Self {
        let length = room.len();
        Self { room, length }
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
    fn buffer_holds_the_bytes_that_were_written() {
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
        buffer.append(&[1, 2]);
        assert_eq!(buffer.clone().into_vec(), [1, 2]);
        buffer.clear();
        buffer.put([7]);
        assert_eq!(buffer[..], [7]);
        buffer.wipe();
        assert_eq!((buffer.len(), buffer.room()), (0, 0));
    }

    #[test]
    fn bytes_are_put_in_front_of_a_vec_without_moving_it() {
        for room in [0, 2, 3, LEAST, 100] {
            let mut bytes = Vec::with_capacity(5 + room);
            bytes.extend([1, 2, 3, 4, 5]);
            let place = bytes.as_ptr();
            let mut buffer = Buffer::from(bytes);
            buffer.put_in_front(&[6, 7]);
            buffer.put_in_front(&[]);
            buffer.put_in_front(&[8]);
            assert_eq!(buffer[..], [8, 6, 7, 1, 2, 3, 4, 5]);
            assert!(room < LEAST || place == buffer.as_ptr());
        }
    }
}
