//! What comes out of a plugin, as the records of a recording.

use std::mem;

use kapacitor_wasm_data::{Batch, Point};

use super::pipeline::{Group, Message};
use crate::protocol::{BeginBatch, ResponseMessage};

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
                let mut point = Point::from(point);
                name.clone_into(&mut point.measurement);
                self.points.push(point);
                None
            }
            ResponseMessage::Point(point) => {
                let (id, dimensions) = (point.group.clone(), point.dimensions.clone());
                let by_name = point.by_name;
                Some(Message::Point(Group { id, dimensions, by_name }, point.into()))
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
