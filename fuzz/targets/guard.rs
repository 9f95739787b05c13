//! Bytes of a guest through the guard.
//!
//! Whatever passes, Kapacitor can take: see `kapacitor.rs`. And what Kapacitor can take passes, less
//! what the policy leaves out.
//!
//! Input: flags, where calls end, then frames, or what frames are made of.

#![no_main]

use kapacitor_wasm::internals::Bytes;
use kapacitor_wasm::internals::Limits;
use kapacitor_wasm::internals::{EdgeCheck, Policy, Unwanted};
use kapacitor_wasm::internals::{Guard, Verdict, Violation};
use kapacitor_wasm::protocol::{BeginBatch, EdgeType, EndBatch, Point, Response, ResponseMessage};
use libfuzzer_sys::{Corpus, fuzz_target};
use prost::Message;

use crate::kapacitor::Kapacitor;

mod kapacitor;
mod responses;

/// What the flags choose.
#[derive(Clone, Copy)]
struct Setup {
    provides: EdgeType,
    max_batch: Bytes,
    unwanted: Unwanted,
    loose: bool,
}

impl Setup {
    fn new(flags: u8) -> Self {
        Self {
            provides: if flags & 1 == 0 { EdgeType::Stream } else { EdgeType::Batch },
            max_batch: if flags & 2 == 0 { Bytes::mib(1) } else { Bytes(1000) },
            unwanted: match flags & 0b10_1000 {
                0 => Unwanted::Pass,
                8 => Unwanted::Drop,
                _ => Unwanted::Fail,
            },
            loose: flags & 16 != 0,
        }
    }

    /// The only place that knows how a guard is made.
    fn guard(self) -> Guard {
        let policy = Policy {
            not_finite: self.unwanted,
            no_fields: self.unwanted,
            unwritable: self.unwanted,
            edge_check: if self.loose { EdgeCheck::Loose } else { EdgeCheck::Strict },
            ..Policy::default()
        };
        Guard::new(self.provides, &Limits { output: self.max_batch, ..Limits::default() }, &policy)
    }

    fn kapacitor(self) -> Kapacitor {
        Kapacitor::new(self.provides, self.loose)
    }

    /// What the policy leaves of a point, which needs a measurement of its own if it is `named`.
    fn left_of(self, point: &Point, named: bool) -> Option<Point> {
        let mut left = point.clone();
        if self.unwanted != Unwanted::Drop {
            return Some(left);
        }
        left.fields_double.retain(|name, number| number.is_finite() && is_field(name));
        left.fields_int.retain(|name, _| is_field(name));
        left.fields_string.retain(|name, _| is_field(name));
        left.fields_bool.retain(|name, _| is_field(name));
        can_be_stored(&left, named).then_some(left)
    }

    /// Whether the policy leaves a batch with this End.
    fn leaves_batch(self, end: &EndBatch) -> bool {
        self.unwanted != Unwanted::Drop || batch_can_be_stored(end)
    }

    /// Whether the policy leaves a point in a batch with this End.
    fn leaves_in_batch(self, end: &EndBatch, point: &Point) -> bool {
        self.unwanted != Unwanted::Drop || is_series(&end.name, &point.tags)
    }
}

fuzz_target!(|input: &[u8]| -> Corpus {
    let [flags, ends, input @ ..] = input else { return Corpus::Reject };
    let setup = Setup::new(*flags);
    let frames = if flags & 4 == 0 { input.to_vec() } else { responses::frames(input) };
    let mut guard = setup.guard();
    let mut kapacitor = setup.kapacitor();
    let mut out = Vec::new();
    let (mut points, mut batch) = (0, None);
    let mut end = None;
    for call in calls(&frames, *ends) {
        let from = out.len();
        let before = guard.clone();
        let mut in_place = Vec::new();
        let passed_in_place = before.clone().pass_in_place(call, &mut in_place);
        let result = guard.pass(call, &mut out);
        if passed_in_place.is_ok_and(|passed| passed.in_place) {
            in_place.extend_from_slice(call);
        }
        assert_eq!(in_place, out[from..]);
        match kapacitor.receive(&out[from..]) {
            Ok(messages) => {
                assert!(setup.unwanted == Unwanted::Pass || all_wanted(&messages), "{messages:?}")
            }
            Err(problem) => panic!("{problem}: {:02x?} of {call:02x?}", &out[from..]),
        }
        assert!(!kapacitor.in_batch(), "a batch was sent in parts");
        match result {
            Ok(mut passed) => {
                points += passed.points_out;
                assert_eq!(kapacitor.points, points);
                if passed.error.take().is_some() {
                    end = Some(Ok(()));
                }
                assert_eq!(passed, counted(setup, call, &mut batch));
            }
            Err(violation) => {
                as_if_it_had_not_come(before, call, &violation, &out[from..]);
                end = Some(Err(violation));
            }
        }
        if end.is_some() {
            break;
        }
    }
    // A Begin grows by its size at most.
    assert!(out.len() <= frames.len() * 2 + 16);
    refuses_nothing_good(setup, &frames, &out, end);
    Corpus::Keep
});

/// The counts of a call that passes; `batch` has the points that have passed of an open one.
fn counted(setup: Setup, mut call: &[u8], batch: &mut Option<Vec<Point>>) -> Verdict {
    let mut counted = Verdict::default();
    while !call.is_empty() {
        match kapacitor::read(&mut call).expect("it passed").message {
            Some(ResponseMessage::Begin(_)) => *batch = Some(Vec::new()),
            Some(ResponseMessage::Point(point)) => match setup.left_of(&point, batch.is_none()) {
                Some(left) => {
                    counted.points += 1;
                    counted.reduced_points += u64::from(fields(&left) < fields(&point));
                    match batch {
                        Some(points) => points.push(left),
                        None => counted.points_out += 1,
                    }
                }
                None => counted.dropped_points += 1,
            },
            Some(ResponseMessage::End(end)) => {
                let points = batch.take().unwrap_or_default();
                let leaves = |point: &&Point| setup.leaves_batch(&end) && setup.leaves_in_batch(&end, point);
                let left = points.iter().filter(leaves).count() as u64;
                let dropped = points.len() as u64 - left;
                counted.points_out += left;
                counted.points = counted.points.saturating_sub(dropped);
                counted.dropped_points += dropped;
            }
            _ => {}
        }
    }
    counted
}

/// What came before a violation has passed as it does without it.
fn as_if_it_had_not_come(mut guard: Guard, call: &[u8], violation: &Violation, out: &[u8]) {
    let mut rest = call;
    for _ in 1..violation.response {
        kapacitor::read(&mut rest).expect("it passed");
    }
    let mut again = Vec::new();
    guard.pass(&call[..call.len() - rest.len()], &mut again).expect("it passed");
    assert_eq!(again, out);
}

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

/// Frames as any encoder writes them all pass, with what the policy leaves in them.
fn refuses_nothing_good(setup: Setup, frames: &[u8], out: &[u8], end: Option<Result<(), Violation>>) {
    let Ok(messages) = setup.kapacitor().receive(frames) else { return };
    if setup.unwanted == Unwanted::Fail && !all_wanted(&messages) {
        return;
    }
    let open = messages.iter().rposition(|m| matches!(m, ResponseMessage::Begin(_)))
        > messages.iter().rposition(|m| matches!(m, ResponseMessage::End(_)));
    let large = frames.len() as u64 + 128 * messages.len() as u64 > setup.max_batch.0;
    if encoded(&messages) == frames && !open && !large {
        assert_eq!(end, None);
        let received = setup.kapacitor().receive(out).expect("it was received before");
        // Encoded, since a NaN is equal to itself only so.
        assert_eq!(encoded(&received), encoded(&left_of(setup, &messages)));
    }
}

/// What the policy leaves of whole batches and points.
fn left_of(setup: Setup, messages: &[ResponseMessage]) -> Vec<ResponseMessage> {
    let mut all = Vec::new();
    let mut last_begin = None;
    for message in messages {
        match message {
            ResponseMessage::Point(point) => match setup.left_of(point, last_begin.is_none()) {
                Some(left) => all.push(ResponseMessage::Point(left)),
                None => {
                    if let Some(ResponseMessage::Begin(BeginBatch { size, .. })) =
                        last_begin.and_then(|at: usize| all.get_mut(at))
                    {
                        *size -= 1;
                    }
                }
            },
            ResponseMessage::Begin(_) => {
                last_begin = Some(all.len());
                all.push(message.clone());
            }
            ResponseMessage::End(end) => {
                let begin = last_begin.take().expect("it was received before");
                if !setup.leaves_batch(end) {
                    all.truncate(begin);
                    continue;
                }
                let mut points = all.split_off(begin + 1);
                points.retain(|message| match message {
                    ResponseMessage::Point(point) => setup.leaves_in_batch(end, point),
                    _ => true,
                });
                if let Some(ResponseMessage::Begin(BeginBatch { size, .. })) = all.last_mut() {
                    *size = points.len() as i64;
                }
                all.append(&mut points);
                all.push(message.clone());
            }
            other => all.push(other.clone()),
        }
    }
    all
}

fn encoded(messages: &[ResponseMessage]) -> Vec<u8> {
    let mut frames = Vec::new();
    for message in messages {
        let response = Response { message: Some(message.clone()) };
        response.encode_length_delimited(&mut frames).expect("a Vec grows as needed");
    }
    frames
}

/// Whether InfluxDB takes all points of these messages.
fn all_wanted(messages: &[ResponseMessage]) -> bool {
    let mut batch: Option<Vec<&Point>> = None;
    messages.iter().all(|message| match message {
        ResponseMessage::Point(point) => {
            let stored = can_be_stored(point, batch.is_none());
            batch.iter_mut().for_each(|points| points.push(point));
            stored
        }
        ResponseMessage::End(end) => {
            let points = batch.take().unwrap_or_default();
            batch_can_be_stored(end) && points.iter().all(|point| is_series(&end.name, &point.tags))
        }
        ResponseMessage::Begin(_) => {
            batch = Some(Vec::new());
            true
        }
        _ => true,
    })
}

/// Number of the fields of a point.
fn fields(point: &Point) -> usize {
    let others = point.fields_int.len() + point.fields_string.len() + point.fields_bool.len();
    others + point.fields_double.len()
}

/// Whether InfluxDB takes the point: it has fields, its numbers are finite, and its names and its time can be stored.
fn can_be_stored(point: &Point, named: bool) -> bool {
    let ints = point.fields_int.keys().chain(point.fields_bool.keys());
    let mut names = point.fields_double.keys().chain(point.fields_string.keys()).chain(ints);
    fields(point) > 0
        && point.fields_double.values().all(|v| v.is_finite())
        && names.all(|name| is_field(name))
        && is_series(&point.name, &point.tags)
        && !(named && point.name.is_empty())
        && ![i64::MIN, i64::MIN + 1, i64::MAX].contains(&point.time)
}

fn batch_can_be_stored(end: &EndBatch) -> bool {
    !end.name.is_empty() && is_series(&end.name, &end.tags)
}

/// Whether a measurement with tags can be stored.
fn is_series<'a>(name: &str, tags: impl IntoIterator<Item = (&'a String, &'a String)>) -> bool {
    let escaped = |text: &str, special: &[char]| text.len() + text.matches(special).count();
    let mut length = escaped(name, &[',', ' ']);
    for (key, value) in tags {
        if !is_tag(key) || !is_text(value) {
            return false;
        }
        if !value.is_empty() {
            length += 2 + escaped(key, &[',', '=', ' ']) + escaped(value, &[',', '=', ' ']);
        }
    }
    is_text(name) && !name.starts_with(['#', '\t', '\0']) && length <= 65_535
}

fn is_text(text: &str) -> bool {
    !text.contains('\n') && !text.ends_with('\\')
}

fn is_tag(key: &str) -> bool {
    !key.is_empty() && key != "time" && is_text(key)
}

fn is_field(key: &str) -> bool {
    is_tag(key) && !key.starts_with(['\t', '\0'])
}
