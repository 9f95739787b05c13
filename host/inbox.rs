//! The input of one session: bytes as they came, cut into runs and requests.
//!
//! A run is as many whole Begin, Point and End frames as are waiting without a request between them;
//! a sandbox gets it in one call. Keepalives are taken out as soon as they arrive, since they must
//! never wait for a guest.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::frame::{self, FrameError, Kind};
use crate::protocol::RequestMessage;
use crate::units;

/// Room made for each read. Kapacitor writes each message with two small writes, so one read
/// collects many.
const READ: usize = 64 * 1024;

/// What a part counts for beside its bytes.
const PART: usize = 128;

/// A buffer that a message made larger than this is not kept.
const KEEP: usize = 1024 * 1024;

/// A run ends after the frame that reaches this length, so that the call deadline bounds a known
/// amount of work and the guest's input buffer stays small.
const MAX_RUN: usize = 256 * 1024;

/// What was waiting first.
#[derive(Debug)]
pub enum Item {
    /// Frames for the sandbox.
    Run(Run),
    /// A request, in its place between the runs.
    Request(Box<RequestMessage>),
}

/// A run of data frames.
#[derive(Debug, Default)]
pub struct Run {
    /// The frames as they came.
    pub frames: Bytes,
    /// How many of them are points.
    pub points: u64,
    /// Whether there is anything but points among them.
    pub batches: bool,
}

/// Input that was read and not yet taken.
pub struct Inbox {
    bytes: BytesMut,
    /// What the first `sorted` bytes are, in order.
    parts: VecDeque<Part>,
    sorted: usize,
    /// Whether a batch is open after the last part.
    in_batch: bool,
    /// Snapshot requests that came inside the open batch and wait for its end.
    held: Vec<RequestMessage>,
    max_message: units::Bytes,
    max_queue: usize,
}

enum Part {
    Run {
        length: usize,
        points: u64,
        batches: bool,
    },
    Request {
        length: usize,
        message: Box<RequestMessage>,
    },
    /// Was dealt with on arrival.
    Done {
        length: usize,
    },
}

impl Inbox {
    /// An empty inbox that takes messages of up to `max_message` bytes and holds up to `max_queue`
    /// bytes, or one message if that is larger.
    pub fn new(max_message: units::Bytes, max_queue: units::Bytes) -> Self {
        Self {
            bytes: BytesMut::new(),
            parts: VecDeque::new(),
            sorted: 0,
            in_batch: false,
            held: Vec::new(),
            max_message,
            // At least one byte, or nothing would ever be read.
            max_queue: max_queue.as_usize().max(1),
        }
    }

    /// Whether more should be read now. False when enough waits for the sandbox.
    pub fn has_room(&self) -> bool {
        self.sorted + self.parts.len() * PART < self.max_queue || self.parts.is_empty()
    }

    /// Where to read to; never empty.
    pub fn space(&mut self) -> &mut BytesMut {
        if self.bytes.capacity() - self.bytes.len() < READ / 4 {
            self.bytes.reserve(READ);
        }
        &mut self.bytes
    }

    /// Whether the bytes end inside a frame.
    pub fn is_cut(&self) -> bool {
        self.sorted < self.bytes.len()
    }

    /// Sorts what was read; gives each keepalive's time to `keepalive` at once.
    ///
    /// # Errors
    ///
    /// When what was read is no frame of Kapacitor's. What came before it can still be taken.
    pub fn sort(&mut self, mut keepalive: impl FnMut(i64)) -> Result<(), FrameError> {
        while let Some(frame) = frame::first(&self.bytes[self.sorted..], self.max_message)? {
            let message = &self.bytes[self.sorted + frame.start..self.sorted + frame.end];
            let length = frame.end;
            let is_point = match frame::kind(message)? {
                Kind::Point => true,
                Kind::Begin => {
                    self.in_batch = true;
                    false
                }
                Kind::End => {
                    self.in_batch = false;
                    false
                }
                Kind::Management(message) => {
                    self.parts.push_back(match *message {
                        RequestMessage::Keepalive(request) => {
                            keepalive(request.time);
                            Part::Done { length }
                        }
                        RequestMessage::Snapshot(_) if self.in_batch => {
                            self.held.push(*message);
                            Part::Done { length }
                        }
                        _ => Part::Request { length, message },
                    });
                    self.sorted += length;
                    continue;
                }
                Kind::Unknown => {
                    self.parts.push_back(Part::Done { length });
                    self.sorted += length;
                    continue;
                }
            };
            self.sorted += length;
            match self.parts.back_mut() {
                Some(Part::Run { length: run, points, batches }) if *run < MAX_RUN => {
                    *run += length;
                    *points += u64::from(is_point);
                    *batches |= !is_point;
                }
                _ => self.parts.push_back(Part::Run {
                    length,
                    points: u64::from(is_point),
                    batches: !is_point,
                }),
            }
            if !self.in_batch {
                self.release_held();
            }
        }
        Ok(())
    }

    /// Whether a snapshot request waits for the end of its batch.
    ///
    /// A snapshot from the middle of a batch would be of no use: whoever gets it back begins with
    /// another batch.
    pub fn holds_snapshot(&self) -> bool {
        !self.held.is_empty()
    }

    /// Lets the held snapshot requests wait no longer.
    pub fn release_held(&mut self) {
        for message in self.held.drain(..) {
            self.parts.push_back(Part::Request { length: 0, message: Box::new(message) });
        }
    }

    /// Takes what has been waiting longest.
    pub fn take(&mut self) -> Option<Item> {
        loop {
            let part = self.parts.pop_front()?;
            let (Part::Run { length, .. } | Part::Request { length, .. } | Part::Done { length }) = part;
            let frames = self.bytes.split_to(length);
            self.sorted -= length;
            if length > KEEP {
                // The rest moves, so that the large buffer goes with what was in it.
                self.bytes = BytesMut::from(&self.bytes[..]);
            }
            match part {
                Part::Run { points, batches, .. } => {
                    return Some(Item::Run(Run { frames: frames.freeze(), points, batches }));
                }
                Part::Request { message, .. } => return Some(Item::Request(message)),
                Part::Done { .. } => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{BeginBatch, EndBatch, KeepaliveRequest, Point, SnapshotRequest, put_request};

    fn inbox(messages: impl IntoIterator<Item = RequestMessage>) -> (Inbox, Vec<i64>) {
        let mut inbox = Inbox::new(units::Bytes::mib(1), units::Bytes::mib(1));
        let mut bytes = Vec::new();
        for message in messages {
            put_request(message, &mut bytes);
        }
        inbox.space().extend_from_slice(&bytes);
        let mut keepalives = Vec::new();
        inbox.sort(|time| keepalives.push(time)).unwrap();
        (inbox, keepalives)
    }

    fn point() -> RequestMessage {
        RequestMessage::Point(Point::default())
    }

    #[test]
    fn keepalives_overtake_and_requests_keep_their_place() {
        let (mut inbox, keepalives) = inbox([
            point(),
            point(),
            RequestMessage::Keepalive(KeepaliveRequest { time: 7 }),
            RequestMessage::Snapshot(SnapshotRequest {}),
            point(),
        ]);
        assert_eq!(keepalives, [7]);
        assert!(matches!(inbox.take(), Some(Item::Run(Run { points: 2, .. }))));
        assert!(matches!(inbox.take(), Some(Item::Request(_))));
        assert!(matches!(inbox.take(), Some(Item::Run(Run { points: 1, .. }))));
        assert!(inbox.take().is_none());
    }

    #[test]
    fn a_snapshot_waits_for_the_end_of_its_batch() {
        let batch = [
            RequestMessage::Begin(BeginBatch::default()),
            point(),
            RequestMessage::Snapshot(SnapshotRequest {}),
            point(),
            RequestMessage::End(EndBatch::default()),
            RequestMessage::Begin(BeginBatch::default()),
        ];
        let (mut whole, _) = inbox(batch.clone());
        assert!(!whole.holds_snapshot());
        let mut points = 0;
        while let Some(Item::Run(run)) = whole.take() {
            points += run.points;
        }
        assert_eq!(points, 2);
        assert!(matches!(whole.take(), Some(Item::Run(Run { points: 0, .. }))));

        let (mut cut, _) = inbox(batch[..4].to_vec());
        assert!(cut.holds_snapshot());
        cut.release_held();
        while let Some(Item::Run(_)) = cut.take() {}
        assert!(!cut.holds_snapshot());
    }

    #[test]
    fn runs_are_bounded() {
        let name = "x".repeat(1000);
        let (mut inbox, _) =
            inbox((0..1000).map(|_| RequestMessage::Point(Point { name: name.clone(), ..Point::default() })));
        let mut points = 0;
        while let Some(Item::Run(run)) = inbox.take() {
            assert!(run.frames.len() < MAX_RUN + 2000);
            points += run.points;
        }
        assert_eq!(points, 1000);
    }

    #[test]
    fn stops_at_the_limit_and_at_garbage() {
        let mut inbox = Inbox::new(units::Bytes(100), units::Bytes(10));
        let mut bytes = Vec::new();
        put_request(
            RequestMessage::Point(Point { name: "0123456789".to_owned(), ..Point::default() }),
            &mut bytes,
        );
        inbox.space().extend_from_slice(&bytes);
        inbox.space().extend_from_slice(&[101]);
        assert!(matches!(inbox.sort(|_| ()), Err(FrameError::TooLarge { length: 101, .. })));
        assert!(!inbox.has_room());
        assert!(inbox.is_cut());
        assert!(inbox.take().is_some());
    }
}
