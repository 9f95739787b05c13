//! Messages as Kapacitor writes them to the UDF.

use std::mem;

use kapacitor_wasm_data::{Batch, Point, Value};

use super::Message;
use super::group::Group;
use crate::protocol::{self, BeginBatch, EndBatch, RequestMessage, put_request};

/// Appends the frames of `message`. Returns the number of fields that were left out: unsigned numbers that no int can
/// hold.
pub fn put_frames(message: Message, frames: &mut Vec<u8>) -> u64 {
    let mut left_out = 0;
    match message {
        Message::Point(group, point) => {
            let source = point.source.clone();
            let Group { id, dimensions, by_name } = group;
            let mut point = converted(point, &mut left_out);
            point.database.clone_from(&source.database);
            point.retention_policy.clone_from(&source.retention_policy);
            (point.group, point.dimensions, point.by_name) = (id, dimensions, by_name);
            // The tags of a group that a point does not have are not part of it.
            put_request(RequestMessage::Point(point), frames);
        }
        Message::Batch(group, batch) => put_batch(group, batch, frames, &mut left_out),
    }
    left_out
}

/// A batch: in its points, Kapacitor sends only time, group, tags and fields.
fn put_batch(group: Group, batch: Batch, frames: &mut Vec<u8>, left_out: &mut u64) {
    let Batch { name, tags, by_name, tmax, points } = batch;
    let begin = BeginBatch {
        name: name.clone(),
        group: group.id.clone(),
        tags: tags.clone(),
        size: points.len() as i64,
        by_name,
    };
    put_request(RequestMessage::Begin(begin), frames);
    for point in points {
        let mut point = converted(point, left_out);
        point.name = String::new();
        point.group.clone_from(&group.id);
        put_request(RequestMessage::Point(point), frames);
    }
    let end = EndBatch { name, group: group.id, tmax, tags, by_name: false };
    put_request(RequestMessage::End(end), frames);
}

/// A point of a recording as a point of the protocol, without its group.
fn converted(mut point: Point, left_out: &mut u64) -> protocol::Point {
    let mut converted = protocol::Point {
        time: point.time,
        name: point.measurement,
        tags: mem::take(&mut point.tags),
        ..protocol::Point::default()
    };
    for (key, value) in point.fields {
        match value {
            Value::Double(value) => _ = converted.fields_double.insert(key, value),
            Value::Int(value) => _ = converted.fields_int.insert(key, value),
            Value::Unsigned(value) => match i64::try_from(value) {
                Ok(value) => _ = converted.fields_int.insert(key, value),
                Err(_) => *left_out += 1,
            },
            Value::Bool(value) => _ = converted.fields_bool.insert(key, value),
            Value::String(value) => _ = converted.fields_string.insert(key, value),
        }
    }
    converted
}
