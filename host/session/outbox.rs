//! What Kapacitor has not read yet.

use std::io;
use std::mem;

use super::link::Link;
use crate::protocol::{ResponseMessage, put_response};
use crate::task::Reply;

/// Capacity in bytes above which an empty buffer is freed.
const RETAINED_CAPACITY: usize = 1024 * 1024;

/// Number of reads after which Kapacitor is known to go on since it was sent a snapshot.
const READS_OF_RECEIPT: u32 = 2;

/// Whole frames in the order in which Kapacitor gets them.
#[derive(Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    /// Number of bytes that were written.
    sent: usize,
    /// An empty buffer for the next reply.
    spare: Vec<u8>,
    /// Number of unsent bytes up to the end of the last snapshot; `None` once that was read.
    to_snapshot: Option<usize>,
    /// Number of reads since the last snapshot was sent.
    reads: u32,
    /// Whether nobody reads any more, so that nothing is kept.
    lost: bool,
}

impl Outbox {
    /// Number of bytes that Kapacitor has not taken yet.
    pub fn unsent(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Appends one response.
    pub fn put(&mut self, response: ResponseMessage) {
        if !self.lost {
            put_response(response, &mut self.bytes);
        }
    }

    /// Notes that nobody reads any more: what was not sent is dropped, and what comes is, too.
    pub fn lose(&mut self) {
        *self = Self { lost: true, ..Self::default() };
    }

    /// Notes that the last bytes are a snapshot.
    pub fn expect_receipt(&mut self) {
        if !self.lost {
            (self.to_snapshot, self.reads) = (Some(self.unsent()), 0);
        }
    }

    /// Notes that Kapacitor's side was read, or was found at its `end`. True if Kapacitor is known now to have the
    /// last snapshot.
    ///
    /// A connection whose other side has closed without reading all is broken, which is known when all that was sent
    /// before is read. The first read may bring what was sent before the snapshot.
    pub fn note_read(&mut self, end: bool) -> bool {
        if self.to_snapshot != Some(0) {
            return false;
        }
        self.reads += 1;
        let received = end || self.reads >= READS_OF_RECEIPT;
        if received {
            self.to_snapshot = None;
        }
        received
    }

    /// A buffer for the next reply.
    pub fn take_spare(&mut self) -> Vec<u8> {
        mem::take(&mut self.spare)
    }

    /// Takes in a reply: the copied bytes, and then `output`, which lies in guest memory until the next call.
    /// As much of `output` as the connection takes at once is written to it from there, and the rest is copied.
    /// Returns the number of bytes that were written.
    ///
    /// # Errors
    ///
    /// When the connection is lost.
    pub fn accept(&mut self, reply: Reply, output: &[u8], link: &Link) -> io::Result<usize> {
        if self.lost {
            return Ok(0);
        }
        // What is gone makes room, or a Kapacitor that always lags a little would cost ever more.
        self.bytes.drain(..mem::take(&mut self.sent));
        let mut copied = reply.into_buffer();
        let mut written = Ok(0);
        if self.bytes.is_empty() && copied.is_empty() && !output.is_empty() {
            written = link.write_now(output);
            self.bytes.extend_from_slice(&output[*written.as_ref().unwrap_or(&0)..]);
        } else {
            copied.extend_from_slice(output);
        }
        if self.bytes.is_empty() {
            mem::swap(&mut self.bytes, &mut copied);
        } else {
            self.bytes.extend_from_slice(&copied);
        }
        self.spare = copied;
        self.spare.clear();
        free_if_large(&mut self.spare);
        written
    }

    /// Waits until the connection takes some bytes; returns their number. Nothing is lost if this is dropped.
    ///
    /// # Errors
    ///
    /// When the connection is lost.
    pub async fn write(&mut self, link: &Link) -> io::Result<usize> {
        let written = link.write(&self.bytes[self.sent..]).await?;
        self.note_sent(written);
        Ok(written)
    }

    /// Writes what the connection takes without waiting; returns the number of bytes.
    ///
    /// # Errors
    ///
    /// When the connection is lost.
    pub fn write_now(&mut self, link: &Link) -> io::Result<usize> {
        if self.unsent() == 0 {
            return Ok(0);
        }
        let written = link.write_now(&self.bytes[self.sent..])?;
        self.note_sent(written);
        Ok(written)
    }

    fn note_sent(&mut self, written: usize) {
        self.sent += written;
        self.to_snapshot = self.to_snapshot.map(|unsent| unsent.saturating_sub(written));
        if self.sent == self.bytes.len() {
            self.sent = 0;
            self.bytes.clear();
            free_if_large(&mut self.bytes);
        }
    }

    /// Capacity of the buffers in bytes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity() + self.spare.capacity()
    }

    /// Frees the buffers of an outbox that has sent everything.
    pub fn shrink(&mut self) {
        if self.unsent() == 0 {
            (self.bytes, self.sent, self.spare) = (Vec::new(), 0, Vec::new());
        }
    }
}

/// Frees an empty buffer that grew large.
fn free_if_large(buffer: &mut Vec<u8>) {
    if buffer.capacity() > RETAINED_CAPACITY {
        *buffer = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};
    use tokio::runtime::Builder;

    use super::*;
    use crate::protocol::KeepaliveResponse;
    use crate::session::End;

    fn link(writer: DuplexStream) -> Link {
        Link::of_two(End::reader(tokio::io::empty()), End::writer(writer))
    }

    #[test]
    fn snapshot_is_received_when_it_has_left_and_kapacitor_goes_on() {
        let mut outbox = Outbox::default();
        assert!(!outbox.note_read(true));
        outbox.bytes.extend_from_slice(b"points and a snapshot");
        outbox.expect_receipt();
        outbox.bytes.extend_from_slice(b" and points");
        outbox.note_sent(20);
        assert!(!outbox.note_read(false) && !outbox.note_read(true));
        outbox.note_sent(4);
        assert!(!outbox.note_read(false) && outbox.note_read(false) && !outbox.note_read(true));
        outbox.expect_receipt();
        outbox.note_sent(8);
        assert!(outbox.note_read(true));
    }

    #[test]
    fn nothing_is_kept_for_nobody() {
        let mut outbox = Outbox::default();
        outbox.put(ResponseMessage::Keepalive(KeepaliveResponse { time: 1 }));
        outbox.expect_receipt();
        outbox.lose();
        assert_eq!(outbox.unsent(), 0);
        outbox.put(ResponseMessage::Keepalive(KeepaliveResponse { time: 2 }));
        let gone = Link::of_two(End::reader(tokio::io::empty()), End::Lost);
        assert_eq!(outbox.accept(reply(b"01"), b"23", &gone).unwrap(), 0);
        outbox.expect_receipt();
        assert!(outbox.unsent() == 0 && !outbox.note_read(true));
    }

    fn reply(copied: &[u8]) -> Reply {
        let mut reply = Reply::default();
        reply.buffer().extend_from_slice(copied);
        reply
    }

    #[test]
    fn kapacitor_gets_copied_bytes_before_output_in_place() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            // The connection takes four bytes at a time.
            let (writer, mut reader) = duplex(4);
            let (link, mut outbox) = (link(writer), Outbox::default());
            assert_eq!(outbox.accept(reply(b""), b"012345", &link).unwrap(), 4);
            assert_eq!(outbox.accept(reply(b"67"), b"89", &link).unwrap(), 0);
            assert_eq!(outbox.accept(reply(b""), b"ab", &link).unwrap(), 0);
            assert_eq!(outbox.unsent(), 8);
            let mut read = Vec::new();
            while read.len() < 12 {
                let mut part = [0; 3];
                let count = reader.read(&mut part).await.unwrap();
                read.extend_from_slice(&part[..count]);
                if outbox.unsent() > 0 {
                    outbox.write(&link).await.unwrap();
                }
            }
            assert_eq!(read, b"0123456789ab");
            assert_eq!(outbox.unsent(), 0);
        });
    }

    #[test]
    fn large_buffers_are_freed_once_they_are_empty() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (writer, _reader) = duplex(4 * RETAINED_CAPACITY);
            let (link, mut outbox) = (link(writer), Outbox::default());
            outbox.accept(reply(&vec![0; 2 * RETAINED_CAPACITY]), b"", &link).unwrap();
            assert!(outbox.capacity() > RETAINED_CAPACITY);
            outbox.write(&link).await.unwrap();
            assert_eq!((outbox.unsent(), outbox.capacity()), (0, 0));
        });
    }
}
