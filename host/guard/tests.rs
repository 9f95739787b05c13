//! The guard against prost, Kapacitor's decoder as far as messages go.

use std::collections::BTreeMap;

use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::protocol::{
    BeginBatch, EndBatch, KeepaliveResponse, Point, Response, ResponseMessage, put_error, put_response,
};

const MAX: Bytes = Bytes::mib(1);

fn frames(messages: impl IntoIterator<Item = ResponseMessage>) -> Vec<u8> {
    let mut frames = Vec::new();
    for message in messages {
        put_response(message, &mut frames);
    }
    frames
}

fn point(field: &str) -> ResponseMessage {
    ResponseMessage::Point(Point { fields_double: [(field.to_owned(), 1.0)].into(), ..Point::default() })
}

fn begin(size: i64) -> ResponseMessage {
    ResponseMessage::Begin(BeginBatch {
        name: "cpu".to_owned(),
        size,
        by_name: true,
        ..BeginBatch::default()
    })
}

fn end() -> ResponseMessage {
    ResponseMessage::End(EndBatch::default())
}

fn decode(mut bytes: &[u8]) -> Vec<ResponseMessage> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        messages.push(Response::decode_length_delimited(&mut bytes).unwrap().message.unwrap());
    }
    messages
}

fn refused(provides: EdgeType, frames: &[u8]) -> Problem {
    Guard::new(provides, MAX).pass(frames, &mut Vec::new()).unwrap_err().problem
}

/// A frame around the bytes of a message.
fn framed(message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    wire::put_varint(message.len() as u64, &mut frame);
    frame.extend_from_slice(message);
    frame
}

#[test]
fn points_pass_as_they_are() {
    let input = frames([point("a"), point("b")]);
    let mut out = Vec::new();
    let passed = Guard::new(EdgeType::Stream, MAX).pass(&input, &mut out).unwrap();
    assert_eq!(passed, Passed { points: 2, error: None });
    assert_eq!(out, input);
}

#[test]
fn the_size_of_a_batch_is_the_number_of_its_points() {
    for size in [0, 1, -1, 1 << 33, 1 << 62, i64::MIN] {
        let mut out = Vec::new();
        let mut guard = Guard::new(EdgeType::Batch, MAX);
        guard.pass(&frames([begin(size), point("a"), point("b"), end()]), &mut out).unwrap();
        assert_eq!(decode(&out), [begin(2), point("a"), point("b"), end()]);
    }
}

#[test]
fn a_batch_over_several_calls_goes_out_whole() {
    let mut guard = Guard::new(EdgeType::Batch, MAX);
    let mut out = Vec::new();
    guard.pass(&frames([begin(9)]), &mut out).unwrap();
    guard.pass(&frames([point("a")]), &mut out).unwrap();
    guard.pass(&frames([point("b")]), &mut out).unwrap();
    assert!(out.is_empty() && guard.in_batch());
    guard.pass(&frames([end(), begin(0), end()]), &mut out).unwrap();
    assert_eq!(decode(&out), [begin(2), point("a"), point("b"), end(), begin(0), end()]);
    assert!(!guard.in_batch());
}

#[test]
fn what_came_before_a_violation_is_kept() {
    let mut out = Vec::new();
    let mut input = frames([point("a"), point("b")]);
    input.push(0);
    let violation = Guard::new(EdgeType::Stream, MAX).pass(&input, &mut out).unwrap_err();
    assert_eq!(violation, Violation { response: 3, problem: Problem::Empty });
    assert_eq!(decode(&out), [point("a"), point("b")]);
}

#[test]
fn order_and_edge_are_enforced() {
    use EdgeType::{Batch, Stream};
    assert_eq!(refused(Stream, &frames([begin(1)])), Problem::BatchOnStream("begin"));
    assert_eq!(refused(Stream, &frames([end()])), Problem::BatchOnStream("end"));
    assert_eq!(refused(Batch, &frames([point("a")])), Problem::PointOutsideBatch);
    assert_eq!(refused(Batch, &frames([end()])), Problem::EndWithoutBegin);
    assert_eq!(refused(Batch, &frames([begin(0), begin(0)])), Problem::BeginInBatch);
    assert_eq!(refused(Batch, &frames([begin(0), end(), end()])), Problem::EndWithoutBegin);
}

#[test]
fn only_data_and_errors_pass() {
    let keepalive = ResponseMessage::Keepalive(KeepaliveResponse { time: 1 });
    assert_eq!(refused(EdgeType::Stream, &frames([keepalive])), Problem::Forbidden("keepalive"));
    for (number, name) in [(1, "info"), (2, "init"), (4, "snapshot"), (5, "restore")] {
        let frame = framed(&[number << 3 | 2, 0]);
        assert_eq!(refused(EdgeType::Stream, &frame), Problem::Forbidden(name));
    }
    assert_eq!(refused(EdgeType::Stream, &[0]), Problem::Empty);
    assert_eq!(refused(EdgeType::Stream, &framed(&[0x9a, 0x01, 0])), Problem::Unknown(19));
    // A point and, behind it, an info: the last one of a oneof counts.
    assert_eq!(refused(EdgeType::Stream, &framed(&[0x8a, 0x01, 0, 0x0a, 0])), Problem::Trailing);
    assert_eq!(refused(EdgeType::Stream, &framed(&[0x88, 0x01, 0])), Problem::Malformed("point"));
    assert_eq!(refused(EdgeType::Stream, &[5, 0x8a]), Problem::Frame);
    assert_eq!(refused(EdgeType::Stream, &[0xff; 10]), Problem::Frame);
}

#[test]
fn an_error_is_the_last_response() {
    let mut input = frames([point("a")]);
    put_error("no luck", &mut input);
    let mut out = Vec::new();
    let passed = Guard::new(EdgeType::Stream, MAX).pass(&input, &mut out).unwrap();
    assert_eq!(passed, Passed { points: 1, error: Some("no luck".to_owned()) });
    assert_eq!(decode(&out), [point("a")]);
    input.extend(frames([point("b")]));
    assert_eq!(refused(EdgeType::Stream, &input), Problem::AfterError);
}

#[test]
fn strings_must_be_utf_8_everywhere() {
    let name = |n: u8| framed(&[&[0x8a, 0x01, 4, n << 3 | 2, 2], &[b'a', 0xff][..]].concat());
    for (number, field) in
        [(2, "name"), (3, "database"), (4, "retentionPolicy"), (5, "group"), (6, "dimensions")]
    {
        assert_eq!(refused(EdgeType::Stream, &name(number)), Problem::Utf8(field));
    }
    for (number, field) in
        [(7, "tags"), (8, "fieldsDouble"), (9, "fieldsInt"), (10, "fieldsString"), (12, "fieldsBool")]
    {
        let key = framed(&[0x8a, 0x01, 5, number << 3 | 2, 3, 0x0a, 1, 0xff]);
        assert_eq!(refused(EdgeType::Stream, &key), Problem::Utf8(field));
    }
    for (number, field) in [(7, "tags"), (10, "fieldsString")] {
        let value = framed(&[0x8a, 0x01, 5, number << 3 | 2, 3, 0x12, 1, 0xff]);
        assert_eq!(refused(EdgeType::Stream, &value), Problem::Utf8(field));
    }
}

#[test]
fn a_field_has_one_type() {
    let mut two = Point { fields_double: [("x".to_owned(), 1.0)].into(), ..Point::default() };
    two.fields_int.insert("x".to_owned(), 1);
    let input = frames([ResponseMessage::Point(two)]);
    assert_eq!(refused(EdgeType::Stream, &input), Problem::TwoTypes("x".to_owned()));
}

#[test]
fn a_batch_is_bounded() {
    let mut guard = Guard::new(EdgeType::Batch, Bytes(100));
    let many = frames((0..20).map(|_| point("a")));
    let mut out = Vec::new();
    guard.pass(&frames([begin(0)]), &mut out).unwrap();
    let violation = guard.pass(&many, &mut out).unwrap_err();
    assert_eq!(violation.problem, Problem::BatchTooLarge(Bytes(100)));
}

#[test]
fn what_would_fill_kapacitors_memory_is_refused() {
    let empty = framed(&[0x8a, 0x01, 0]);
    let mut many = frames([begin(0)]);
    many.extend(empty.iter().cycle().take(empty.len() * 10_000));
    assert_eq!(refused(EdgeType::Batch, &many), Problem::BatchTooLarge(MAX));

    let mut point: Vec<u8> = Vec::new();
    // An entry of fieldsDouble without key and value, again and again.
    point.extend([0x42, 0x00].iter().cycle().take(2 * (MAX_ENTRIES + 1)));
    let mut message = vec![0x8a, 0x01];
    wire::put_varint(point.len() as u64, &mut message);
    message.extend(point);
    assert_eq!(refused(EdgeType::Stream, &framed(&message)), Problem::TooManyEntries);
}

#[test]
fn points_before_a_cut_frame_are_kept() {
    let mut input = frames([point("a")]);
    input.extend([5, 0x8a]);
    let mut out = Vec::new();
    assert!(Guard::new(EdgeType::Stream, MAX).pass(&input, &mut out).is_err());
    assert_eq!(decode(&out), [point("a")]);
}

prop_compose! {
    fn any_point()(
        time: i64,
        name in ".{0,10}",
        dimensions in proptest::collection::vec(".{0,4}", 0..3),
        by_name: bool,
        tags in proptest::collection::btree_map(".{0,8}", ".{0,8}", 0..4),
        fields_double in proptest::collection::btree_map("[a-d]{0,2}", any::<f64>(), 0..4),
        fields_int in proptest::collection::btree_map("[a-d]{0,2}", any::<i64>(), 0..4),
        fields_string in proptest::collection::btree_map("[a-d]{0,2}", ".{0,8}", 0..2),
        fields_bool in proptest::collection::btree_map("[a-d]{0,2}", any::<bool>(), 0..2),
    ) -> Point {
        Point {
            time, name, dimensions, by_name, tags, fields_double, fields_int, fields_string, fields_bool,
            ..Point::default()
        }
    }
}

fn has_two_types(point: &Point) -> bool {
    let mut types: BTreeMap<&str, usize> = BTreeMap::new();
    let names = point
        .fields_double
        .keys()
        .chain(point.fields_int.keys())
        .chain(point.fields_string.keys())
        .chain(point.fields_bool.keys());
    for name in names {
        *types.entry(name).or_default() += 1;
    }
    types.values().any(|n| *n > 1)
}

proptest! {
    #[test]
    fn every_point_of_prost_passes_unless_a_field_has_two_types(point in any_point()) {
        let input = frames([ResponseMessage::Point(point.clone())]);
        let mut out = Vec::new();
        let result = Guard::new(EdgeType::Stream, MAX).pass(&input, &mut out);
        prop_assert_eq!(result.is_err(), has_two_types(&point));
        if result.is_ok() {
            prop_assert_eq!(out, input);
        }
    }

    /// Bytes of a real point, some of them changed: whatever passes, prost decodes.
    #[test]
    fn whatever_passes_is_a_message(
        point in any_point(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        edge in prop_oneof![Just(EdgeType::Stream), Just(EdgeType::Batch)],
    ) {
        let mut input = match edge {
            EdgeType::Stream => frames([ResponseMessage::Point(point)]),
            EdgeType::Batch => frames([begin(3), ResponseMessage::Point(point), end()]),
        };
        for (index, byte) in changes {
            let index = index.index(input.len());
            input[index] = byte;
        }
        let mut out = Vec::new();
        let _ = Guard::new(edge, MAX).pass(&input, &mut out);
        for message in decode(&out) {
            match (message, edge) {
                (ResponseMessage::Point(point), _) => prop_assert!(!has_two_types(&point)),
                (ResponseMessage::Begin(begin), EdgeType::Batch) => prop_assert!((0..=3).contains(&begin.size)),
                (ResponseMessage::End(_), EdgeType::Batch) => {}
                (other, _) => prop_assert!(false, "{:?} passed", other),
            }
        }
    }
}
