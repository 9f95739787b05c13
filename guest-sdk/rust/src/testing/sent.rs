//! What a plugin has sent, as the host passes it on.

use crate::error::{Error, Result};
use crate::new_batch::NewBatch;
use crate::new_point::NewPoint;
use crate::numbers::{BEGIN, ERROR, POINT, end_batch};
use crate::point::Point;
use crate::value::OwnedValue;
use crate::wire::{self, Fields, text};

/// Reads the frames of a result: batches and their points. Points outside of batches are in one without a name.
///
/// # Errors
///
/// The error among the frames.
pub fn read_frames(mut frames: &[u8]) -> Result<Vec<(NewBatch, Vec<NewPoint>)>> {
    let mut batches = Vec::new();
    let mut points: Vec<NewPoint> = Vec::new();
    let mut in_batch = false;
    while let Some((_, response, after)) = wire::split_frame(frames) {
        frames = after;
        let Some(message) = Fields(response).next() else {
            continue;
        };
        match message.number {
            ERROR => {
                let error = Fields(message.bytes).with_number(1).map_or("", |field| text(field.bytes));
                return Err(Error::new(error));
            }
            BEGIN => in_batch = true,
            POINT => points.push(NewPoint::from(Point::new(message.bytes, None))),
            _ => {
                in_batch = false;
                batches.push((read_end(message.bytes), std::mem::take(&mut points)));
            }
        }
    }
    if !points.is_empty() || in_batch {
        batches.push((NewBatch::default(), points));
    }
    Ok(batches)
}

/// Reads an InitResponse or RestoreResponse.
///
/// # Errors
///
/// The error in it.
pub fn read_answer(answer: &[u8]) -> Result<()> {
    let mut success = false;
    let mut error = "";
    for field in Fields(answer) {
        match field.number {
            1 => success = field.varint() != 0,
            _ => error = text(field.bytes),
        }
    }
    if success { Ok(()) } else { Err(Error::new(error)) }
}

/// Leaves out numbers that are not finite, and points that have no fields, as the host does by default. Returns how many
/// of both there were.
pub fn leave_out(points: &mut Vec<NewPoint>) -> u64 {
    let size =
        |points: &[NewPoint]| points.len() + points.iter().map(|point| point.fields.len()).sum::<usize>();
    let before = size(points);
    for point in points.iter_mut() {
        point.fields.retain(|_, value| !matches!(value, OwnedValue::Double(value) if !value.is_finite()));
    }
    points.retain(|point| !point.fields.is_empty());
    (before - size(points)) as u64
}

/// Reads an EndBatch, from which Kapacitor takes name, tags and time of a batch, too.
fn read_end(end: &[u8]) -> NewBatch {
    let mut batch = NewBatch::default();
    for field in Fields(end) {
        match field.number {
            end_batch::NAME => text(field.bytes).clone_into(&mut batch.name),
            end_batch::TMAX => batch.tmax = field.varint() as i64,
            end_batch::TAGS => {
                let (key, value) = wire::entry(field.bytes);
                batch.tags.insert(text(key).to_owned(), text(value).to_owned());
            }
            _ => {}
        }
    }
    batch
}
