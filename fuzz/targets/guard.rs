//! Bytes of a guest through the guard.
//!
//! Whatever passes, Kapacitor can take: see `kapacitor.rs`. And what Kapacitor can take passes.
//!
//! Input: flags, where calls end, then frames, or what frames are made of.

#![no_main]

use kapacitor_wasm::guard::{Guard, Violation};
use kapacitor_wasm::limits::Limits;
use kapacitor_wasm::policy::{Policy, Unwanted};
use kapacitor_wasm::protocol::{EdgeType, Point, Response, ResponseMessage};
use kapacitor_wasm::units::Bytes;
use libfuzzer_sys::{Corpus, fuzz_target};
use prost::Message;

use crate::kapacitor::Kapacitor;

mod kapacitor;
mod responses;

/// The only place that knows how a guard is made.
fn guard(provides: EdgeType, output: Bytes, unwanted: Unwanted) -> Guard {
    let policy = Policy { not_finite: unwanted, no_fields: unwanted, ..Policy::default() };
    Guard::new(provides, &Limits { output, ..Limits::default() }, &policy)
}

fuzz_target!(|input: &[u8]| -> Corpus {
    let [flags, ends, input @ ..] = input else { return Corpus::Reject };
    let provides = if flags & 1 == 0 { EdgeType::Stream } else { EdgeType::Batch };
    let max_batch = if flags & 2 == 0 { Bytes::mib(1) } else { Bytes(1000) };
    let frames = if flags & 4 == 0 { input.to_vec() } else { responses::frames(input) };
    let unwanted = if flags & 8 == 0 { Unwanted::Pass } else { Unwanted::Drop };
    let mut guard = guard(provides, max_batch, unwanted);
    let mut kapacitor = Kapacitor::new(provides);
    let mut out = Vec::new();
    let mut points = 0;
    let mut end = None;
    for call in calls(&frames, *ends) {
        let from = out.len();
        let result = guard.pass(call, &mut out);
        if let Err(problem) = kapacitor.receive(&out[from..]) {
            panic!("{problem}: {:02x?} of {call:02x?}", &out[from..]);
        }
        assert!(!kapacitor.in_batch(), "a batch was sent in parts");
        match result {
            Ok(passed) => {
                points += passed.points;
                assert!(kapacitor.points <= points);
                if provides == EdgeType::Stream || !guard.in_batch() {
                    assert_eq!(kapacitor.points, points);
                }
                if passed.error.is_some() {
                    end = Some(Ok(()));
                }
            }
            Err(violation) => end = Some(Err(violation)),
        }
        if end.is_some() {
            break;
        }
    }
    // A Begin grows by its size at most.
    assert!(out.len() <= frames.len() * 2 + 16);
    refuses_nothing_good(provides, max_batch, &frames, &out, end);
    Corpus::Keep
});

/// Cuts the frames into up to nine calls: a bit of `ends` says whether one ends behind a frame.
fn calls(frames: &[u8], mut ends: u8) -> Vec<&[u8]> {
    let mut calls = Vec::new();
    let (mut call, mut pos) = (0, 0);
    while ends != 0 {
        let mut rest = &frames[pos..];
        let Ok(length) = prost::encoding::decode_varint(&mut rest) else { break };
        if length >= rest.len() as u64 {
            break;
        }
        pos = frames.len() - rest.len() + length as usize;
        if ends & 1 != 0 {
            calls.push(&frames[call..pos]);
            call = pos;
        }
        ends >>= 1;
    }
    calls.push(&frames[call..]);
    calls
}

/// Frames as any encoder writes them, with points that can be stored, all pass with what is in them.
fn refuses_nothing_good(
    provides: EdgeType,
    max_batch: Bytes,
    frames: &[u8],
    out: &[u8],
    end: Option<Result<(), Violation>>,
) {
    let Ok(messages) = Kapacitor::new(provides).receive(frames) else { return };
    let mut again = Vec::new();
    for message in &messages {
        if let ResponseMessage::Point(point) = message
            && !can_be_stored(point)
        {
            return;
        }
        let response = Response { message: Some(message.clone()) };
        response.encode_length_delimited(&mut again).expect("a Vec grows as needed");
    }
    let open = messages.iter().rposition(|m| matches!(m, ResponseMessage::Begin(_)))
        > messages.iter().rposition(|m| matches!(m, ResponseMessage::End(_)));
    let large = frames.len() as u64 + 128 * messages.len() as u64 > max_batch.0;
    if again == frames && !open && !large {
        assert_eq!(end, None);
        assert_eq!(Kapacitor::new(provides).receive(out).as_ref(), Ok(&messages));
    }
}

/// Whether InfluxDB takes the point: it has fields, and its numbers are finite.
fn can_be_stored(point: &Point) -> bool {
    let others = point.fields_int.len() + point.fields_string.len() + point.fields_bool.len();
    others + point.fields_double.len() > 0 && point.fields_double.values().all(|v| v.is_finite())
}
