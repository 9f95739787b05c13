//! Frames: a varint length and a message, the way both sides write them.
//!
//! A frame from Kapacitor is looked at just enough to know what it is. Points and batches are not
//! decoded.

use prost::Message;
use thiserror::Error;

use super::field;
use super::messages::{
    FenceRequest, InfoRequest, InitRequest, KeepaliveRequest, Request, RequestMessage, RestoreRequest,
    SnapshotRequest,
};
use crate::protocol::wire;
use crate::protocol::wire::{Fields, LEN, WireError, long_tag};
use crate::units::Bytes;

/// Tags of the data in a Request, in which Kapacitor sets no other field.
const BEGIN: [u8; 2] = long_tag(field::request::BEGIN, LEN);
const POINT: [u8; 2] = long_tag(field::request::POINT, LEN);
const END: [u8; 2] = long_tag(field::request::END, LEN);

/// Maximum size in bytes of a request that is neither data nor a restore.
pub const MAX_REQUEST: usize = 1024 * 1024;

/// Maximum number of options and values of a task. Decoded, each takes many times the two bytes that it may have.
pub const MAX_OPTIONS: usize = 4096;

/// Maximum number of requests that may wait on a connection. Kapacitor waits for the answer to each.
pub const MAX_WAITING: usize = 256;

/// Where the first frame of some bytes lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where the message begins, that is, the length of the frame's header.
    pub start: usize,
    /// Where the frame ends.
    pub end: usize,
}

/// Why bytes from Kapacitor are no frame. Nothing after them can be trusted.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FrameError {
    /// The message would be larger than what is accepted.
    #[error("a message of {length} bytes is larger than sessions.message = {max}")]
    TooLarge {
        /// The length that the header says.
        length: u64,
        /// The limit.
        max: Bytes,
    },
    /// The header is no varint.
    #[error("a frame header is not a varint")]
    Header,
    /// The message is a request that is far larger than any of Kapacitor's.
    #[error("a request of {length} bytes is larger than {MAX_REQUEST}, the most for any but restore")]
    LargeRequest {
        /// Length of the request.
        length: usize,
    },
    /// There are more requests than Kapacitor ever makes.
    #[error("more than {MAX_WAITING} requests wait for their answers")]
    TooManyRequests,
    /// A task has more options and values than any of Kapacitor's.
    #[error("an init request of more than {MAX_OPTIONS} options and values")]
    TooManyOptions,
    /// The message is no Request.
    #[error("a message is not a Kapacitor request: {0}")]
    Message(String),
}

/// Finds the first frame of `bytes`; `None` if more bytes are needed.
///
/// # Errors
///
/// When no more bytes can make it a frame of at most `max` bytes.
#[inline]
pub fn first(bytes: &[u8], max: Bytes) -> Result<Option<Frame>, FrameError> {
    match wire::varint(bytes) {
        Ok((length, _)) if length > max.0 => Err(FrameError::TooLarge { length, max }),
        Ok((length, start)) => {
            let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
            Ok(end.filter(|end| *end <= bytes.len()).map(|end| Frame { start, end }))
        }
        Err(WireError::Incomplete) => Ok(None),
        Err(WireError::Malformed) => Err(FrameError::Header),
    }
}

/// What a message from Kapacitor is.
#[derive(Debug)]
pub enum Kind {
    /// A batch begins.
    Begin,
    /// A point.
    Point,
    /// A batch ends.
    End,
    /// A keepalive, which Kapacitor sent at this time, in nanoseconds by its clock.
    Keepalive(i64),
    /// A request that has to keep its place between the data.
    Control(Box<Control>),
    /// Nothing, or a message that a later Kapacitor may know.
    Unknown,
}

/// A request that is neither data nor a keepalive.
#[derive(Clone, Debug, PartialEq)]
pub enum Control {
    /// What are the edges and options of the function?
    Info,
    /// A task starts.
    Init(InitRequest),
    /// Kapacitor asks for the state of the task.
    Snapshot,
    /// Kapacitor gives the task a state back.
    Restore(RestoreRequest),
    /// A client asks how far the task has come.
    Fence(Fence),
}

/// A request to tell how far the task has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fence {
    /// The number that the client gets back.
    pub id: i64,
    /// Whether the answer comes behind the last output, at the end of the input.
    pub at_end: bool,
    /// Number of points before it that were dropped since the queue was full.
    pub dropped: u64,
}

/// Tells what `message` is. Data is not decoded.
///
/// # Errors
///
/// When it is not a request.
#[inline]
pub fn kind(message: &[u8]) -> Result<Kind, FrameError> {
    match message.first_chunk() {
        Some(&POINT) => Ok(Kind::Point),
        Some(&BEGIN) => Ok(Kind::Begin),
        Some(&END) => Ok(Kind::End),
        _ => decoded_kind(message),
    }
}

/// Tells what a message is that does not begin with data. Data is not decoded here either, and large requests are not:
/// decoded, they would take many times their size.
#[cold]
fn decoded_kind(message: &[u8]) -> Result<Kind, FrameError> {
    use field::request::{BEGIN, END, FENCE, INFO, INIT, KEEPALIVE, POINT, RESTORE, SNAPSHOT};

    let malformed = || FrameError::Message("it is malformed".to_owned());
    let (mut only, mut fields) = (None, Fields::new(message));
    while let Some(field) = fields.next().map_err(|_| malformed())? {
        let known =
            [INFO, INIT, SNAPSHOT, RESTORE, KEEPALIVE, BEGIN, POINT, END, FENCE].contains(&field.number);
        if known && field.wire_type != LEN {
            return Err(malformed());
        }
        if known && only.replace(field).is_some() {
            return Err(FrameError::Message("it holds more than one request".to_owned()));
        }
    }
    let Some(field) = only else { return Ok(Kind::Unknown) };
    match field.number {
        BEGIN => return Ok(Kind::Begin),
        POINT => return Ok(Kind::Point),
        END => return Ok(Kind::End),
        RESTORE => {}
        _ if field.value.len() > MAX_REQUEST => {
            return Err(FrameError::LargeRequest { length: field.value.len() });
        }
        _ => {}
    }
    if field.number == INIT && options(field.value) > MAX_OPTIONS {
        return Err(FrameError::TooManyOptions);
    }
    let decoded = |e: prost::DecodeError| FrameError::Message(e.to_string());
    let control = match field.number {
        KEEPALIVE => {
            let request = KeepaliveRequest::decode(field.value).map_err(decoded)?;
            return Ok(Kind::Keepalive(request.time));
        }
        INFO => {
            InfoRequest::decode(field.value).map_err(decoded)?;
            Control::Info
        }
        INIT => Control::Init(InitRequest::decode(field.value).map_err(decoded)?),
        SNAPSHOT => {
            SnapshotRequest::decode(field.value).map_err(decoded)?;
            Control::Snapshot
        }
        FENCE => {
            let request = FenceRequest::decode(field.value).map_err(decoded)?;
            Control::Fence(Fence { id: request.id, at_end: request.at_end, dropped: 0 })
        }
        _ => Control::Restore(RestoreRequest::decode(field.value).map_err(decoded)?),
    };
    Ok(Kind::Control(Box::new(control)))
}

/// Number of options and values in an InitRequest, and of other fields of them, as far as it is well-formed.
fn options(init: &[u8]) -> usize {
    /// Number of the field.
    const OPTIONS: u32 = 1;

    let (mut count, mut fields) = (0, Fields::new(init));
    while let Ok(Some(option)) = fields.next() {
        let is_option = option.number == OPTIONS && option.wire_type == LEN;
        let mut values = Fields::new(if is_option { option.value } else { &[] });
        count += 1;
        while count <= MAX_OPTIONS && matches!(values.next(), Ok(Some(_))) {
            count += 1;
        }
        if count > MAX_OPTIONS {
            break;
        }
    }
    count
}

/// Takes the first frame off some whole data frames: what it is, the frame, and what follows it.
pub fn first_data(frames: &[u8]) -> Option<(Kind, &[u8], &[u8])> {
    let frame = first(frames, Bytes(u64::MAX)).ok().flatten()?;
    let (whole, rest) = frames.split_at(frame.end);
    Some((kind(&whole[frame.start..]).ok()?, whole, rest))
}

/// The message of one frame.
pub fn message(frame: &[u8]) -> Option<RequestMessage> {
    let found = first(frame, Bytes(u64::MAX)).ok().flatten()?;
    Request::decode(&frame[found.start..found.end]).ok()?.message
}

/// The time of the batch that an End ends or, unless it is `in_batch`, of a Point, in nanoseconds since
/// 1970. Only this field is read.
pub fn time(frame: &[u8], in_batch: bool) -> Option<i64> {
    let found = first(frame, Bytes(u64::MAX)).ok().flatten()?;
    let data = Fields::new(&frame[found.start..found.end]).next().ok()??;
    let number = match data.number {
        field::request::POINT if !in_batch => field::point::TIME,
        field::request::END => field::end::TMAX,
        _ => return None,
    };
    // What is zero is not written.
    let mut time = 0;
    let mut fields = Fields::new(data.value);
    while let Ok(Some(field)) = fields.next() {
        if field.number == number {
            time = wire::varint(field.value).ok()?.0 as i64;
        }
    }
    Some(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::wire::short_tag;
    use crate::protocol::{BeginBatch, EndBatch, Point, put_request};
    use proptest::prelude::*;

    #[test]
    fn the_time_of_a_point_or_of_a_batch() {
        let frame = |message| {
            let mut frame = Vec::new();
            put_request(message, &mut frame);
            frame
        };
        let point =
            |time| frame(RequestMessage::Point(Point { time, name: "cpu".into(), ..Point::default() }));
        assert_eq!(time(&point(1_700_000_000_000_000_000), false), Some(1_700_000_000_000_000_000));
        assert_eq!(time(&point(-1), false), Some(-1));
        assert_eq!(time(&point(0), false), Some(0));
        assert_eq!(time(&point(7), true), None);
        let end = RequestMessage::End(EndBatch { tmax: 7, name: "cpu".into(), ..EndBatch::default() });
        assert_eq!(time(&frame(end), true), Some(7));
        assert_eq!(time(&frame(RequestMessage::Begin(BeginBatch::default())), true), None);
        assert_eq!(time(&[], false), None);
    }

    const MAX: Bytes = Bytes::mib(1);

    #[test]
    fn a_length_is_never_trusted() {
        for length in [MAX.0 + 1, 1 << 31, 1 << 40, 1 << 62, u64::MAX] {
            let mut bytes = Vec::new();
            wire::put_varint(length, &mut bytes);
            assert_eq!(first(&bytes, MAX), Err(FrameError::TooLarge { length, max: MAX }));
        }
        assert_eq!(first(&[0xff; 11], MAX), Err(FrameError::Header));
    }

    #[test]
    fn unknown_and_empty_requests_are_not_errors() {
        assert!(matches!(kind(&[]), Ok(Kind::Unknown)));
        // Field 19, two bytes.
        assert!(matches!(kind(&[0x9a, 0x01, 2, 0, 0]), Ok(Kind::Unknown)));
        assert!(matches!(kind(&[0x0f, 0xff]), Err(FrameError::Message(_))));
    }

    #[test]
    fn a_message_holds_one_request_that_is_well_formed() {
        let field =
            |number: u32, value: &[u8]| [&[short_tag(number, LEN), value.len() as u8], value].concat();
        // An unknown field, as a later Kapacitor may write it, and field 0, which is none.
        for (contents, fits) in [(&[][..], true), (&[0x58, 1], true), (&[0x01, 0x01], false)] {
            for number in [field::request::INFO, field::request::SNAPSHOT] {
                assert_eq!(kind(&field(number, contents)).is_ok(), fits, "{number} {contents:?}");
            }
        }
        let fence = |contents: &[u8]| kind(&[&[0xc2, 0x3e, contents.len() as u8], contents].concat());
        for (contents, id, at_end) in [
            (&[][..], 0, false),
            (&[8, 1], 1, false),
            (&[0x10, 1, 8, 7], 7, true),
            (&[0x18, 1, 8, 7], 7, false),
        ] {
            let Ok(Kind::Control(request)) = fence(contents) else { panic!("{contents:?}") };
            assert_eq!(*request, Control::Fence(Fence { id, at_end, dropped: 0 }));
        }
        assert!(fence(&[8]).is_err() && kind(&[0xc0, 0x3e, 1]).is_err());
        let two = [field(field::request::INFO, &[]), field(field::request::SNAPSHOT, &[])].concat();
        let Err(FrameError::Message(text)) = kind(&two) else { panic!("two requests in a message") };
        assert_eq!(text, "it holds more than one request");
    }

    proptest! {
        #[test]
        fn frames_are_found_however_the_bytes_are_split(
            names in proptest::collection::vec(".{0,200}", 1..20),
            split in 0..4096usize,
        ) {
            let mut bytes = Vec::new();
            for (i, name) in names.iter().enumerate() {
                put_request(RequestMessage::Point(Point { name: name.clone(), ..Point::default() }), &mut bytes);
                put_request(RequestMessage::Keepalive(KeepaliveRequest { time: i as i64 }), &mut bytes);
            }
            let split = split.min(bytes.len());
            let mut pos = 0;
            let mut found = Vec::new();
            for available in [split, bytes.len()] {
                while let Some(frame) = first(&bytes[pos..available], MAX).unwrap() {
                    found.push(Request::decode(&bytes[pos + frame.start..pos + frame.end]).unwrap());
                    pos += frame.end;
                }
            }
            prop_assert_eq!(pos, bytes.len());
            prop_assert_eq!(found.len(), 2 * names.len());
            for (i, pair) in found.chunks(2).enumerate() {
                prop_assert!(matches!(&pair[0].message, Some(RequestMessage::Point(p)) if p.name == names[i]));
                prop_assert!(matches!(&pair[1].message, Some(RequestMessage::Keepalive(k)) if k.time == i as i64));
            }
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            if let Ok(Some(frame)) = first(&bytes, MAX) {
                let _ = kind(&bytes[frame.start..frame.end]);
            }
        }
    }
}
