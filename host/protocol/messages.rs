//! Kapacitor's messages, generated from `proto/udf.proto`.
//!
//! The host decodes neither points nor batches: they pass through as bytes.

#[expect(missing_docs, clippy::doc_markdown, reason = "generated; the .proto file is the documentation")]
mod agent {
    include!(concat!(env!("OUT_DIR"), "/agent.rs"));
}

pub use agent::*;
pub use agent::{request::Message as RequestMessage, response::Message as ResponseMessage};

/// Appends `message` as one frame, the way both sides write it: varint length, then the message.
pub fn put_response(message: ResponseMessage, out: &mut Vec<u8>) {
    put(&Response { message: Some(message) }, out);
}

/// Appends `message` as one frame; Kapacitor's side.
pub fn put_request(message: RequestMessage, out: &mut Vec<u8>) {
    put(&Request { message: Some(message) }, out);
}

fn put(message: &impl prost::Message, out: &mut Vec<u8>) {
    message.encode_length_delimited(out).expect("a Vec grows as needed");
}

/// An ErrorResponse frame.
pub fn put_error(error: impl Into<String>, out: &mut Vec<u8>) {
    put_response(ResponseMessage::Error(ErrorResponse { error: error.into() }), out);
}
