//! Frames of responses, as the guard finds and writes them.

use crate::protocol::wire::{self, LEN};

/// Start and end of the message in the frame at `pos`; `None` if there is no whole frame.
pub fn frame_at(frames: &[u8], pos: usize) -> Option<(usize, usize)> {
    let (length, header) = wire::varint(&frames[pos..]).ok()?;
    let start = pos + header;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    (end <= frames.len()).then_some((start, end))
}

/// Appends the frame of a response that has `body` as its field `number`.
pub fn put_frame(number: u32, body: &[u8], out: &mut Vec<u8>) {
    let mut message = Vec::with_capacity(body.len() + 12);
    wire::put_varint(u64::from(number << 3 | u32::from(LEN)), &mut message);
    wire::put_varint(body.len() as u64, &mut message);
    message.extend_from_slice(body);
    wire::put_varint(message.len() as u64, out);
    out.extend_from_slice(&message);
}
