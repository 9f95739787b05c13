//! What one piece of work has for Kapacitor.

use std::mem;

use crate::sandbox::{MemoryFull, MemoryReservation};

/// The answer to one piece of work, in two parts that Kapacitor gets in this order: bytes that were copied,
/// and the frames of the last call that lie in guest memory and may go as they are.
///
/// The second part is valid until the next call into the guest, so [`Reply::begin_call`] copies it.
#[derive(Debug, Default)]
pub struct Reply {
    copied: Vec<u8>,
    /// Number of bytes that were copied before the current call.
    before_call: usize,
    in_place: bool,
    /// Counts the bytes of large outputs until they are counted for the session.
    room: Option<MemoryReservation>,
}

impl Reply {
    /// An empty reply that uses the capacity of `buffer`.
    pub fn with_buffer(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self { copied: buffer, ..Self::default() }
    }

    /// Where more bytes are appended.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        debug_assert!(!self.in_place, "these bytes would overtake the ones in guest memory");
        &mut self.copied
    }

    /// Prepares for a call into the guest, whose `output` the call overwrites: it is copied if it is part of
    /// the reply.
    pub fn begin_call(&mut self, output: &[u8]) {
        if mem::take(&mut self.in_place) {
            self.copied.extend_from_slice(output);
        }
        self.before_call = self.copied.len();
    }

    /// Makes sure that there is memory for `more` bytes.
    ///
    /// # Errors
    ///
    /// When `host.memory` has no room for them beside what `beside` and all others count.
    pub fn reserve(&mut self, more: usize, beside: &MemoryReservation) -> Result<(), MemoryFull> {
        let room = self.room.get_or_insert_with(|| beside.another());
        room.try_set((self.copied.len() + more) as u64)
    }

    /// Takes back what the current call has appended.
    pub fn undo_call(&mut self) {
        self.copied.truncate(self.before_call);
        self.in_place = false;
    }

    /// What the current call has appended.
    pub fn of_call(&self) -> &[u8] {
        &self.copied[self.before_call..]
    }

    /// Notes that the guest's output follows the copied bytes, where it lies.
    pub fn put_in_place(&mut self) {
        self.in_place = true;
    }

    /// Whether the guest's output follows the copied bytes.
    pub fn is_in_place(&self) -> bool {
        self.in_place
    }

    /// The copied bytes so far.
    pub fn copied(&self) -> &[u8] {
        &self.copied
    }

    /// The copied bytes.
    pub fn into_buffer(self) -> Vec<u8> {
        self.copied
    }

    /// Counts with `room` what is about to be appended.
    pub fn put_room(&mut self, room: MemoryReservation) {
        self.room = Some(room);
    }

    /// Takes out what counts the bytes of a large output, until it is dropped.
    pub fn take_room(&mut self) -> Option<MemoryReservation> {
        self.room.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_in_place_is_copied_once_and_in_order() {
        let mut reply = Reply::with_buffer(b"old".to_vec());
        reply.buffer().push(b'a');
        reply.put_in_place();
        reply.begin_call(b"b");
        reply.begin_call(b"not again");
        reply.buffer().push(b'c');
        assert_eq!(reply.buffer(), b"abc");
        reply.put_in_place();
        reply.undo_call();
        assert!(!reply.is_in_place());
        assert_eq!(reply.into_buffer(), b"ab");
    }
}
