//! How much room each read gets.

use bytes::BytesMut;

/// Minimum size of a read in bytes.
const MIN_READ: usize = 2 * 1024;

/// Maximum size of a read in bytes.
const MAX_READ: usize = 128 * 1024;

/// The size of the next read. Kapacitor writes each message with two small writes, so one read collects many; a
/// read that fills its room gets more room the next time.
#[derive(Debug)]
pub struct ReadSizer {
    /// Size of the next read in bytes.
    size: usize,
    /// Length of the buffer when the last read began.
    length: usize,
    /// Capacity of the buffer then.
    capacity: usize,
}

impl ReadSizer {
    /// Before the first read.
    pub fn new() -> Self {
        Self { size: MIN_READ, length: 0, capacity: 0 }
    }

    /// Memory in bytes that the next read into `buffer` takes, nearly: its room and, if `buffer` has to grow, the
    /// copy that is there meanwhile.
    #[inline]
    pub fn memory(&self, buffer: &BytesMut) -> usize {
        self.size + if self.must_grow(buffer) { buffer.len() } else { 0 }
    }

    /// Whether the next read needs a larger `buffer`.
    #[inline]
    pub fn must_grow(&self, buffer: &BytesMut) -> bool {
        buffer.capacity() - buffer.len() < self.size / 4
    }

    /// Makes room for a read at the end of `buffer`.
    pub fn make_room(&mut self, buffer: &mut BytesMut) {
        if self.must_grow(buffer) {
            buffer.reserve(self.size);
        }
        (self.length, self.capacity) = (buffer.len(), buffer.capacity());
    }

    /// Makes the next read larger if the last one has filled its room, and smaller if it has left nearly all.
    pub fn adapt(&mut self, buffer: &BytesMut) {
        let read = buffer.len().saturating_sub(self.length);
        if buffer.len() >= self.capacity {
            self.size = (self.size * 4).min(MAX_READ);
        } else if read < self.size / 16 {
            self.size = (self.size / 2).max(MIN_READ);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_grow_while_they_are_filled_and_shrink_when_they_are_not() {
        let (mut sizer, mut buffer) = (ReadSizer::new(), BytesMut::new());
        for _ in 0..4 {
            sizer.make_room(&mut buffer);
            buffer.resize(buffer.capacity(), 0);
            sizer.adapt(&buffer);
        }
        assert_eq!(sizer.size, MAX_READ);
        buffer.clear();
        for _ in 0..8 {
            sizer.make_room(&mut buffer);
            buffer.extend_from_slice(&[0]);
            sizer.adapt(&buffer);
        }
        assert_eq!(sizer.size, MIN_READ);
    }
}
