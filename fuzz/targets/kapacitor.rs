//! Kapacitor, as far as a UDF can hurt it: a plain model of what kapacitord 1.8 does with each
//! response.

use std::collections::BTreeMap;

use kapacitor_wasm::protocol::{BeginBatch, EdgeType, Point, Response, ResponseMessage};
use prost::Message;

/// One connection of a UDF node.
pub struct Kapacitor {
    /// Whether the edge behind the node takes points that are in no batch.
    points_alone: bool,
    /// Whether it takes batches.
    batches: bool,
    /// The batch that is open, and its points so far.
    batch: Option<(BeginBatch, u64)>,
    /// Points that went on to the next node.
    pub points: u64,
}

impl Kapacitor {
    /// `loose` if the edge takes what does not fit its kind.
    pub fn new(edge: EdgeType, loose: bool) -> Self {
        Self {
            points_alone: loose || edge == EdgeType::Stream,
            batches: loose || edge == EdgeType::Batch,
            batch: None,
            points: 0,
        }
    }

    /// Whether a batch began that has not ended. Its points would swallow later ones.
    pub fn in_batch(&self) -> bool {
        self.batch.is_some()
    }

    /// Reads what a UDF sent, up to its end.
    pub fn receive(&mut self, mut bytes: &[u8]) -> Result<Vec<ResponseMessage>, &'static str> {
        let mut received = Vec::new();
        while !bytes.is_empty() {
            let response = read(&mut bytes)?;
            let message = response.message.ok_or("kapacitord exits: no message is set")?;
            self.handle(&message)?;
            received.push(message);
        }
        Ok(received)
    }

    fn handle(&mut self, message: &ResponseMessage) -> Result<(), &'static str> {
        match (message, &mut self.batch) {
            (ResponseMessage::Point(point), Some((_, count))) => {
                *count += 1;
                one_type_for_each_field(point)
            }
            (ResponseMessage::Point(point), None) if self.points_alone => {
                self.points += 1;
                one_type_for_each_field(point)
            }
            (ResponseMessage::Point(_), None) => Err("a point on a batch edge"),
            (ResponseMessage::Begin(_) | ResponseMessage::End(_), _) if !self.batches => {
                Err("a batch on a stream edge")
            }
            (ResponseMessage::Begin(begin), None) => {
                self.batch = Some((begin.clone(), 0));
                Ok(())
            }
            (ResponseMessage::Begin(_), Some(_)) => Err("the points of the batch before are lost"),
            (ResponseMessage::End(_), Some((begin, count))) => {
                if u64::try_from(begin.size) != Ok(*count) {
                    return Err("kapacitord may exit: it allocates what the size of a batch says");
                }
                self.points += *count;
                self.batch = None;
                Ok(())
            }
            (ResponseMessage::End(_), None) => Err("kapacitord exits: an end without a begin"),
            (ResponseMessage::Error(_), _) => Err("the task fails"),
            (
                ResponseMessage::Info(_)
                | ResponseMessage::Init(_)
                | ResponseMessage::Keepalive(_)
                | ResponseMessage::Snapshot(_)
                | ResponseMessage::Restore(_),
                _,
            ) => Err("Kapacitor takes it for the answer of the host"),
            (ResponseMessage::Fence(_), _) => Err("kapacitord exits: a message that it does not know"),
        }
    }
}

/// Reads one frame the way Kapacitor's `agent.ReadMessage` does.
pub fn read(bytes: &mut &[u8]) -> Result<Response, &'static str> {
    let length = prost::encoding::decode_varint(bytes).map_err(|_| "the task fails: no frame length")?;
    // Kapacitor allocates it before it reads.
    let (message, rest) = usize::try_from(length)
        .ok()
        .and_then(|length| bytes.split_at_checked(length))
        .ok_or("kapacitord may exit: a frame that is longer than what is there")?;
    *bytes = rest;
    // Refuses text that is not UTF-8, as Kapacitor does.
    Response::decode(message).map_err(|_| "the task fails: it can't be decoded")
}

/// Of two types of one field Kapacitor would keep one, and nobody knows which was meant.
fn one_type_for_each_field(point: &Point) -> Result<(), &'static str> {
    let mut types = BTreeMap::<&str, u32>::new();
    let names = point
        .fields_double
        .keys()
        .chain(point.fields_int.keys())
        .chain(point.fields_string.keys())
        .chain(point.fields_bool.keys());
    for name in names {
        *types.entry(name).or_default() += 1;
    }
    if types.values().all(|count| *count == 1) { Ok(()) } else { Err("a field of two types") }
}
