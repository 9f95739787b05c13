//! The data frames of either direction: their numbers are the same in requests and in responses.

use crate::protocol::frame;
use crate::protocol::wire::Fields;
use crate::protocol::{field, wire};
use crate::units::Bytes;

/// What a data frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataKind {
    /// A batch begins.
    Begin,
    /// A point.
    Point,
    /// A batch ends.
    End,
}

/// Tags of the data, in the form that both sides write.
const BEGIN: [u8; 2] = wire::long_tag(field::request::BEGIN, wire::LEN);
const POINT: [u8; 2] = wire::long_tag(field::request::POINT, wire::LEN);
const END: [u8; 2] = wire::long_tag(field::request::END, wire::LEN);

/// The data frames among some whole frames: what each is, the frame, and its message.
#[derive(Clone, Debug)]
pub struct DataFrames<'a> {
    rest: &'a [u8],
}

impl<'a> DataFrames<'a> {
    /// Those among `frames`.
    pub fn of(frames: &'a [u8]) -> Self {
        Self { rest: frames }
    }

    /// Number of bytes behind the frame that was given last.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }
}

impl<'a> Iterator for DataFrames<'a> {
    type Item = (DataKind, &'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let found = frame::first(self.rest, Bytes(u64::MAX)).ok().flatten()?;
            let (whole, after) = self.rest.split_at(found.end);
            self.rest = after;
            let message = &whole[found.start..];
            if let Some(kind) = kind(message) {
                return Some((kind, whole, message));
            }
        }
    }
}

#[inline]
fn kind(message: &[u8]) -> Option<DataKind> {
    match message.first_chunk() {
        Some(&POINT) => Some(DataKind::Point),
        Some(&BEGIN) => Some(DataKind::Begin),
        Some(&END) => Some(DataKind::End),
        _ => unusual_kind(message),
    }
}

/// The kind of a message that does not begin with data: an answer of the host, or one with fields that nobody knows.
#[cold]
fn unusual_kind(message: &[u8]) -> Option<DataKind> {
    let mut fields = Fields::new(message);
    while let Ok(Some(field)) = fields.next() {
        match field.number {
            field::request::BEGIN => return Some(DataKind::Begin),
            field::request::POINT => return Some(DataKind::Point),
            field::request::END => return Some(DataKind::End),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{
        BeginBatch, EndBatch, KeepaliveResponse, Point, RequestMessage, ResponseMessage, put_error,
        put_request, put_response,
    };

    #[test]
    fn data_is_found_among_the_frames_of_both_directions() {
        let (mut input, mut output) = (Vec::new(), Vec::new());
        put_request(RequestMessage::Begin(BeginBatch::default()), &mut input);
        put_request(RequestMessage::Point(Point::default()), &mut input);
        put_request(RequestMessage::End(EndBatch::default()), &mut input);
        put_response(ResponseMessage::Keepalive(KeepaliveResponse { time: 1 }), &mut output);
        put_response(ResponseMessage::Begin(BeginBatch::default()), &mut output);
        put_response(ResponseMessage::Point(Point::default()), &mut output);
        // A point behind a field that nobody knows.
        output.extend_from_slice(&[5, 0x58, 1, 0x8a, 0x01, 0]);
        put_response(ResponseMessage::End(EndBatch::default()), &mut output);
        put_error("no", &mut output);
        let kinds = |frames: &[u8]| DataFrames::of(frames).map(|(kind, ..)| kind).collect::<Vec<_>>();
        use DataKind::{Begin, End, Point as OnePoint};
        assert_eq!(kinds(&input), [Begin, OnePoint, End]);
        assert_eq!(kinds(&output), [Begin, OnePoint, OnePoint, End]);
        // What is cut off is left out.
        assert_eq!(kinds(&input[..input.len() - 1]), [Begin, OnePoint]);
    }
}
