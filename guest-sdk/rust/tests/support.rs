use kapacitor_guest::runtime::Calls;
use kapacitor_guest_tests::protocol::{Request, Response, request, response};
use prost::Message;

/// The frames of requests, as Kapacitor writes them.
pub fn requests(messages: impl IntoIterator<Item = request::Message>) -> Vec<u8> {
    let mut frames = Vec::new();
    for message in messages {
        Request { message: Some(message) }.encode_length_delimited(&mut frames).unwrap();
    }
    frames
}

/// The messages in the frames of responses, as Kapacitor reads them.
pub fn responses(mut frames: &[u8]) -> Vec<response::Message> {
    let mut messages = Vec::new();
    while !frames.is_empty() {
        messages.push(Response::decode_length_delimited(&mut frames).unwrap().message.unwrap());
    }
    messages
}

/// Starts a plugin that needs no options.
pub fn start(mut calls: Box<dyn Calls>) -> Box<dyn Calls> {
    calls.init(0);
    assert_eq!(calls.result(), [8, 1], "an InitResponse with success");
    calls
}

/// Makes a call with frames; returns the frames of the result.
pub fn process(calls: &mut dyn Calls, frames: &[u8]) -> Vec<u8> {
    calls.input(frames.len())[..frames.len()].copy_from_slice(frames);
    calls.process(frames.len());
    calls.result().to_vec()
}
