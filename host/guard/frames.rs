//! Frames of responses, as the guard finds and writes them.

use crate::protocol::wire::{self, Fields, LEN};

/// Start and end of the message in the frame at `pos`; `None` if there is no whole frame.
pub fn frame_at(frames: &[u8], pos: usize) -> Option<(usize, usize)> {
    let (length, header) = wire::varint(&frames[pos..]).ok()?;
    let start = pos + header;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    (end <= frames.len()).then_some((start, end))
}

/// A point that was checked.
pub struct Point<'a> {
    /// Its whole frame.
    pub frame: &'a [u8],
    /// The point itself.
    pub message: &'a [u8],
}

/// The points in frames that were checked.
pub fn points_of(frames: &[u8]) -> impl Iterator<Item = Point<'_>> {
    let mut pos = 0;
    std::iter::from_fn(move || {
        let (start, end) = frame_at(frames, pos).filter(|_| pos < frames.len())?;
        let message = Fields::new(&frames[start..end]).next().ok().flatten()?.value;
        let frame = &frames[pos..end];
        pos = end;
        Some(Point { frame, message })
    })
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
