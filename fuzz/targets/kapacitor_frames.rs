//! Bytes from Kapacitor through the inbox.
//!
//! However they are split, what comes out is what a plain reader finds in them, in its order, and
//! memory stays within what the limits say.
//!
//! Input: the message limit, the queue limit, the seed of the split, then the bytes.

#![no_main]

use std::alloc::System;

use cap::Cap;
use kapacitor_wasm::internals::Bytes;
use kapacitor_wasm::internals::OnFull;
use kapacitor_wasm::internals::{Control, Inbox, InboxItem, InboxLimits};
use kapacitor_wasm::protocol::{FenceRequest, InfoRequest, Request, RequestMessage, SnapshotRequest};
use libfuzzer_sys::{Corpus, fuzz_target};
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, skip_field};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// What the inbox may need beside what it holds: its read buffer, twice while it moves.
const SPARE: usize = 512 * 1024;

/// What a byte of the input may become, decoded or as a part of the queue: an empty option takes
/// two bytes on the wire and a struct of two vectors here, in a vector that doubles.
const GROWTH: usize = 128;

/// Bytes of the queue that a snapshot request takes while it waits for the end of its batch, at most.
const HELD: usize = 512;

fuzz_target!(|input: &[u8]| -> Corpus {
    let [message, queue, seed, bytes @ ..] = input else { return Corpus::Reject };
    let (message, queue) = (Bytes(1 + u64::from(*message) * 16), Bytes(u64::from(*queue) * 8));
    let expected = reference(bytes, message);
    if expected.out.iter().filter(|out| matches!(out, Out::Request(_))).count()
        > kapacitor_wasm::internals::MAX_WAITING
    {
        return Corpus::Reject;
    }
    let limit = SPARE + GROWTH * bytes.len();
    ALLOCATOR.set_limit(ALLOCATOR.allocated() + limit).expect("more than there is");
    let found = through_the_inbox(bytes, message, queue, *seed);
    ALLOCATOR.set_limit(usize::MAX).expect("more than there is");
    if expected.most_held * HELD >= queue.as_usize() {
        // Snapshot requests that fill the queue can't wait for the end of their batch.
        assert_eq!(found.without_snapshots(), expected.without_snapshots());
    } else {
        assert_eq!(found.out, expected.out);
    }
    assert_eq!(found.keepalives, expected.keepalives);
    assert_eq!(found.points, expected.points);
    assert_eq!(found.failed, expected.failed);
    Corpus::Keep
});

/// What came out.
#[derive(Default)]
struct Found {
    out: Vec<Out>,
    keepalives: Vec<i64>,
    points: u64,
    /// Greatest number of snapshot requests that waited for the end of their batch.
    most_held: usize,
    /// Whether the bytes were found to be no frames at some point.
    failed: bool,
}

#[derive(Debug, PartialEq)]
enum Out {
    /// All data frames up to the next request.
    Data(Vec<u8>),
    /// A request, encoded again: a NaN in it is equal to itself only so.
    Request(Vec<u8>),
}

impl Out {
    fn request(message: RequestMessage) -> Self {
        Self::Request(Request { message: Some(message) }.encode_to_vec())
    }
}

impl Found {
    /// What came out except snapshot requests, and their number.
    fn without_snapshots(&self) -> (Vec<Out>, usize) {
        let snapshot = Out::request(RequestMessage::Snapshot(SnapshotRequest {}));
        let mut rest = Self::default();
        for out in self.out.iter().filter(|out| **out != snapshot) {
            match out {
                Out::Data(frames) => rest.data(frames),
                Out::Request(request) => rest.out.push(Out::Request(request.clone())),
            }
        }
        (rest.out, self.out.iter().filter(|out| **out == snapshot).count())
    }

    fn data(&mut self, frames: &[u8]) {
        match self.out.last_mut() {
            Some(Out::Data(data)) => data.extend_from_slice(frames),
            _ => self.out.push(Out::Data(frames.to_vec())),
        }
    }

    fn take_from(&mut self, inbox: &mut Inbox) -> bool {
        match inbox.take() {
            Some(InboxItem::Run(run)) => {
                assert!(!run.frames.is_empty());
                self.points += run.points;
                self.data(&run.frames);
            }
            Some(InboxItem::Control(request)) => self.out.push(Out::request(match *request {
                Control::Info => RequestMessage::Info(InfoRequest {}),
                Control::Init(request) => RequestMessage::Init(request),
                Control::Snapshot => RequestMessage::Snapshot(SnapshotRequest {}),
                Control::Restore(request) => RequestMessage::Restore(request),
                Control::Fence(fence) => {
                    // Nothing is dropped with `OnFull::Block`.
                    assert_eq!(fence.dropped, 0);
                    RequestMessage::Fence(FenceRequest { id: fence.id, at_end: fence.at_end })
                }
            })),
            None => return false,
        }
        true
    }
}

/// Reads and takes in turns, as a session does, in steps that the seed chooses.
fn through_the_inbox(mut bytes: &[u8], message: Bytes, queue: Bytes, seed: u8) -> Found {
    let mut found = Found::default();
    let mut inbox = Inbox::new(InboxLimits { message, queue, on_full: OnFull::Block });
    let mut random = u32::from(seed);
    let mut next = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 16) as usize
    };
    while !bytes.is_empty() && !found.failed {
        if inbox.has_room() {
            let longest = 1 << (next() % 12);
            let (now, later) = bytes.split_at((1 + next() % longest).min(bytes.len()));
            let space = inbox.space();
            assert!(space.capacity() > space.len(), "a read of nothing looks like the end");
            space.extend_from_slice(now);
            bytes = later;
            found.failed = inbox.sort(|time| found.keepalives.push(time)).is_err();
        } else {
            // Nothing is read until there is room, so taking must make some.
            assert!(found.take_from(&mut inbox) || inbox.has_room());
        }
        if next() % 4 == 0 {
            found.take_from(&mut inbox);
        }
    }
    while found.take_from(&mut inbox) {}
    inbox.release_held();
    while found.take_from(&mut inbox) {}
    found
}

/// The same in the plainest way.
fn reference(mut bytes: &[u8], limit: Bytes) -> Found {
    let mut found = Found::default();
    let (mut in_batch, mut client_state) = (false, false);
    let mut held = Vec::new();
    while !bytes.is_empty() {
        let mut rest = bytes;
        let Ok(length) = prost::encoding::decode_varint(&mut rest) else {
            // Only ten bytes, or the one that overflows, can't become a varint.
            found.failed = bytes.len() >= 10;
            break;
        };
        if length > limit.0 {
            found.failed = true;
            break;
        }
        let Some((message, after)) = rest.split_at_checked(length as usize) else { break };
        let frame = &bytes[..bytes.len() - after.len()];
        // Kapacitor writes its data with these tags. What else may be in the message is for the guest.
        let kind = match message {
            [0x82, 0x01, ..] => Some(Data::Begin),
            [0x8a, 0x01, ..] => Some(Data::Point),
            [0x92, 0x01, ..] => Some(Data::End),
            _ => match fields(message) {
                None => {
                    found.failed = true;
                    break;
                }
                // Data is for the guest, also when it comes behind a field that is not known.
                Some(fields) if fields.contains(&16) => Some(Data::Begin),
                Some(fields) if fields.contains(&17) => Some(Data::Point),
                Some(fields) if fields.contains(&18) => Some(Data::End),
                Some(_) => match Request::decode(message).map(|request| request.message) {
                    Err(_) => {
                        found.failed = true;
                        break;
                    }
                    Ok(None) => None,
                    Ok(Some(RequestMessage::Keepalive(request))) => {
                        found.keepalives.push(request.time);
                        None
                    }
                    // A snapshot waits for the end of the batch, unless the state belongs to the client.
                    Ok(Some(RequestMessage::Snapshot(request))) if in_batch && !client_state => {
                        held.push(RequestMessage::Snapshot(request));
                        found.most_held = found.most_held.max(held.len());
                        None
                    }
                    Ok(Some(request)) => {
                        client_state |= matches!(&request, RequestMessage::Init(init) if init.client_state);
                        found.out.push(Out::request(request));
                        None
                    }
                },
            },
        };
        if let Some(kind) = kind {
            found.data(frame);
            match kind {
                Data::Begin => in_batch = true,
                Data::Point => found.points += 1,
                Data::End => in_batch = false,
            }
            if !in_batch {
                found.out.extend(held.drain(..).map(Out::request));
            }
        }
        bytes = after;
    }
    found.out.extend(held.drain(..).map(Out::request));
    found
}

/// Numbers of the fields of a message, if it is well-formed and holds one request at most.
fn fields(mut message: &[u8]) -> Option<Vec<u32>> {
    let (mut fields, mut requests) = (Vec::new(), 0);
    while !message.is_empty() {
        let (number, wire_type) = decode_key(&mut message).ok()?;
        let known = matches!(number, 1..=5 | 16..=18 | 1000);
        let fits = match wire_type {
            // Groups are not part of proto3.
            WireType::StartGroup | WireType::EndGroup => false,
            WireType::LengthDelimited => true,
            _ => !known,
        };
        if !fits {
            return None;
        }
        skip_field(wire_type, number, &mut message, DecodeContext::default()).ok()?;
        fields.push(number);
        requests += u32::from(known);
    }
    (requests <= 1).then_some(fields)
}

enum Data {
    Begin,
    Point,
    End,
}
