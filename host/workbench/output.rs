//! What comes out of a plugin, as the records of a recording.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use kapacitor_wasm_data::{Batch, Point, Source, Value};

use super::pipeline::{Group, Message};
use crate::protocol::{self, BeginBatch, ResponseMessage};

/// A point or a whole batch, with its group.
pub type Output = Message;

/// Puts batches together.
#[derive(Default)]
pub struct Assembler {
    begin: Option<BeginBatch>,
    points: Vec<Point>,
}

impl Assembler {
    /// Takes the next response; returns the point or batch that it completes.
    pub fn push(&mut self, response: ResponseMessage) -> Option<Output> {
        match response {
            ResponseMessage::Begin(begin) => {
                self.points.clear();
                self.begin = Some(begin);
                None
            }
            ResponseMessage::Point(point) if self.begin.is_some() => {
                let name = self.begin.as_ref().map_or("", |begin| begin.name.as_str());
                let mut point = data_point(point);
                name.clone_into(&mut point.measurement);
                self.points.push(point);
                None
            }
            ResponseMessage::Point(point) => {
                let (id, dimensions) = (point.group.clone(), point.dimensions.clone());
                let by_name = point.by_name;
                Some(Message::Point(Group { id, dimensions, by_name }, data_point(point)))
            }
            ResponseMessage::End(end) => {
                let begin = self.begin.take()?;
                let dimensions = begin.tags.keys().cloned().collect();
                let group = Group { id: end.group, dimensions, by_name: begin.by_name };
                let points = mem::take(&mut self.points);
                let (name, tags, by_name) = (begin.name, begin.tags, begin.by_name);
                Some(Message::Batch(group, Batch { name, tags, by_name, tmax: end.tmax, points }))
            }
            _ => None,
        }
    }
}

fn data_point(point: protocol::Point) -> Point {
    let mut fields = BTreeMap::new();
    fields.extend(point.fields_double.into_iter().map(|(key, value)| (key, Value::Double(value))));
    fields.extend(point.fields_int.into_iter().map(|(key, value)| (key, Value::Int(value))));
    fields.extend(point.fields_bool.into_iter().map(|(key, value)| (key, Value::Bool(value))));
    fields.extend(point.fields_string.into_iter().map(|(key, value)| (key, Value::String(value))));
    let source = if point.database.is_empty() && point.retention_policy.is_empty() {
        Arc::default()
    } else {
        Arc::new(Source { database: point.database, retention_policy: point.retention_policy })
    };
    let mut tags = point.tags;
    tags.retain(|_, value| !value.is_empty());
    Point { source, measurement: point.name, tags, fields, time: point.time }
}
