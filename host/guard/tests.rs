//! The guard against prost, Kapacitor's decoder as far as messages go.

use std::collections::BTreeMap;

use proptest::prelude::*;
use prost::Message as _;

use super::fast_path::point_at;
use super::frames::{frame_at, put_frame};
use super::full_check::point_of_any_form;
use super::response::ResponseCheck;
use super::violation::{MAX_ENTRIES, Violation, ViolationKind};
use super::walk::{Guard, Verdict};
use crate::config::{EdgeCheck, Limits, Policy, Unwanted};
use crate::protocol::wire::{self, Fields};
use crate::protocol::{
    BeginBatch, EdgeType, EndBatch, KeepaliveResponse, Point, Response, ResponseMessage, put_error,
    put_response,
};
use crate::units::Bytes;

const MAX: Bytes = Bytes::mib(1);

/// A guard that leaves everything in that the protocol allows.
fn guard(provides: EdgeType) -> Guard {
    guard_with(provides, MAX, &PASS)
}

fn guard_with(provides: EdgeType, output: Bytes, policy: &Policy) -> Guard {
    Guard::new(provides, &Limits { output, output_points: 1000, ..Limits::default() }, policy)
}

static PASS: std::sync::LazyLock<Policy> = std::sync::LazyLock::new(|| Policy {
    not_finite: Unwanted::Pass,
    no_fields: Unwanted::Pass,
    unwritable: Unwanted::Pass,
    ..Policy::default()
});

fn frames(messages: impl IntoIterator<Item = ResponseMessage>) -> Vec<u8> {
    let mut frames = Vec::new();
    for message in messages {
        put_response(message, &mut frames);
    }
    frames
}

fn point(field: &str) -> ResponseMessage {
    let fields_double = [(field.to_owned(), 1.0)].into();
    ResponseMessage::Point(Point { name: "cpu".to_owned(), fields_double, ..Point::default() })
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
    ResponseMessage::End(EndBatch { name: "cpu".to_owned(), ..EndBatch::default() })
}

fn decode(mut bytes: &[u8]) -> Vec<ResponseMessage> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        messages.push(Response::decode_length_delimited(&mut bytes).unwrap().message.unwrap());
    }
    messages
}

fn refused(provides: EdgeType, frames: &[u8]) -> ViolationKind {
    guard(provides).pass(frames, &mut Vec::new()).unwrap_err().kind
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
    let passed = guard(EdgeType::Stream).pass(&input, &mut out).unwrap();
    assert_eq!(passed, Verdict { points: 2, points_out: 2, ..Verdict::default() });
    assert_eq!(out, input);
}

#[test]
fn the_size_of_a_batch_is_the_number_of_its_points() {
    for size in [0, 1, -1, 1 << 33, 1 << 62, i64::MIN] {
        let mut out = Vec::new();
        let mut subject = guard(EdgeType::Batch);
        subject.pass(&frames([begin(size), point("a"), point("b"), end()]), &mut out).unwrap();
        assert_eq!(decode(&out), [begin(2), point("a"), point("b"), end()]);
    }
}

#[test]
fn a_batch_over_several_calls_goes_out_whole() {
    let mut subject = guard(EdgeType::Batch);
    let mut out = Vec::new();
    let mut points_out =
        |subject: &mut Guard, frames: Vec<u8>| subject.pass(&frames, &mut out).unwrap().points_out;
    for open in [begin(9), point("a"), point("b")] {
        assert_eq!(points_out(&mut subject, frames([open])), 0);
    }
    assert!(subject.in_batch());
    assert_eq!(points_out(&mut subject, frames([end(), begin(0), end()])), 2);
    assert_eq!(decode(&out), [begin(2), point("a"), point("b"), end(), begin(0), end()]);
    assert!(!subject.in_batch());
}

#[test]
fn a_batch_with_its_size_goes_from_where_it_lies() {
    let whole = frames([begin(2), point("a"), point("b"), end()]);
    let wrong = frames([begin(3), point("a"), point("b"), end()]);
    let none = frames([begin(0), end()]);
    let cases = [
        (vec![&whole], true),
        (vec![&whole, &none, &whole], true),
        (vec![&whole, &wrong], false),
        (vec![&wrong, &whole], false),
    ];
    for (parts, in_place) in cases {
        let input = parts.into_iter().flatten().copied().collect::<Vec<u8>>();
        let (mut out, mut subject) = (Vec::new(), guard(EdgeType::Batch));
        let verdict = subject.pass_in_place(&input, &mut out).unwrap();
        assert_eq!((verdict.in_place, out.is_empty()), (in_place, in_place));
        let (mut out, mut subject) = (Vec::new(), guard(EdgeType::Batch));
        subject.pass(&input, &mut out).unwrap();
        let mut expected = decode(&input);
        for response in &mut expected {
            if let ResponseMessage::Begin(begin) = response {
                begin.size = begin.size.min(2);
            }
        }
        assert_eq!(decode(&out), expected);
    }
    // A second size, of which Kapacitor takes the last one.
    let mut twice = vec![0x82, 0x01, 4, 0x20, 0x00, 0x20, 0x01];
    twice.insert(0, twice.len() as u8);
    twice.extend(end_frame());
    let mut out = Vec::new();
    guard(EdgeType::Batch).pass(&twice, &mut out).unwrap();
    let [ResponseMessage::Begin(begin), _] = &decode(&out)[..] else { panic!("a batch") };
    assert_eq!(begin.size, 0);
}

fn end_frame() -> Vec<u8> {
    frames([end()])
}

#[test]
fn what_came_before_a_violation_is_kept() {
    let mut out = Vec::new();
    let mut input = frames([point("a"), point("b")]);
    input.push(0);
    let violation = guard(EdgeType::Stream).pass(&input, &mut out).unwrap_err();
    assert_eq!(violation, Violation { response: 3, kind: ViolationKind::Empty });
    assert_eq!(decode(&out), [point("a"), point("b")]);
}

#[test]
fn order_and_edge_are_enforced() {
    use crate::protocol::EdgeType::{Batch, Stream};
    assert_eq!(refused(Stream, &frames([begin(1)])), ViolationKind::BatchOnStream("begin"));
    assert_eq!(refused(Stream, &frames([end()])), ViolationKind::BatchOnStream("end"));
    assert_eq!(refused(Batch, &frames([point("a")])), ViolationKind::PointOutsideBatch);
    assert_eq!(refused(Batch, &frames([end()])), ViolationKind::EndWithoutBegin);
    assert_eq!(refused(Batch, &frames([begin(0), begin(0)])), ViolationKind::BeginInBatch);
    assert_eq!(refused(Batch, &frames([begin(0), end(), end()])), ViolationKind::EndWithoutBegin);
}

#[test]
fn only_data_and_errors_pass() {
    let keepalive = ResponseMessage::Keepalive(KeepaliveResponse { time: 1 });
    assert_eq!(refused(EdgeType::Stream, &frames([keepalive])), ViolationKind::Forbidden("keepalive"));
    for (number, name) in [(1, "info"), (2, "init"), (4, "snapshot"), (5, "restore")] {
        let frame = framed(&[number << 3 | 2, 0]);
        assert_eq!(refused(EdgeType::Stream, &frame), ViolationKind::Forbidden(name));
    }
    // Field 1000.
    assert_eq!(refused(EdgeType::Stream, &framed(&[0xc2, 0x3e, 0])), ViolationKind::Forbidden("fence"));
    assert_eq!(refused(EdgeType::Stream, &[0]), ViolationKind::Empty);
    assert_eq!(refused(EdgeType::Stream, &framed(&[0x9a, 0x01, 0])), ViolationKind::Unknown(19));
    // A point and, behind it, an info: the last one of a oneof counts.
    assert_eq!(refused(EdgeType::Stream, &framed(&[0x8a, 0x01, 0, 0x0a, 0])), ViolationKind::Trailing);
    assert_eq!(refused(EdgeType::Stream, &framed(&[0x88, 0x01, 0])), ViolationKind::Malformed("point"));
    assert_eq!(refused(EdgeType::Stream, &[5, 0x8a]), ViolationKind::Frame);
    assert_eq!(refused(EdgeType::Stream, &[0xff; 10]), ViolationKind::Frame);
}

/// Points that are written in another form, in which the short check is led from each one into the next: into all that
/// follow, if it followed. A million of them then took an hour.
#[test]
fn the_short_check_is_not_led_astray() {
    // One double under the empty key with a field of no meaning behind it, and then one that belongs to nothing.
    let point =
        [&[0x42, 20, 0x0a, 0, 0x11, 0, 0, 0, 0, 0, 0, 0, 0], &[0x42, 7, 0x0a, 0, 0, 0, 0, 0, 0][..]].concat();
    let mut frame = Vec::new();
    put_frame(17, &point, &mut frame);
    let count = 1_000_000;
    let limits = Limits { output_points: count, ..Limits::default() };
    let mut out = Vec::new();
    let mut guard = Guard::new(EdgeType::Stream, &limits, &PASS);
    let passed = guard.pass(&frame.repeat(count as usize), &mut out).unwrap();
    assert_eq!((passed.points, out.len()), (count, count as usize * frame.len()));
}

#[test]
fn nothing_is_not_in_place() {
    let passed = guard(EdgeType::Stream).pass_in_place(&[], &mut Vec::new()).unwrap();
    assert_eq!(passed, Verdict::default());
}

#[test]
fn an_error_is_the_last_response() {
    let mut input = frames([point("a")]);
    put_error("no luck", &mut input);
    let mut out = Vec::new();
    let passed = guard(EdgeType::Stream).pass(&input, &mut out).unwrap();
    assert_eq!(
        passed,
        Verdict { points: 1, points_out: 1, error: Some("no luck".to_owned()), ..Verdict::default() }
    );
    assert_eq!(decode(&out), [point("a")]);
    input.extend(frames([point("b")]));
    assert_eq!(refused(EdgeType::Stream, &input), ViolationKind::AfterError);
}

#[test]
fn strings_must_be_utf_8_everywhere() {
    let name = |n: u8| framed(&[&[0x8a, 0x01, 4, n << 3 | 2, 2], &[b'a', 0xff][..]].concat());
    for (number, field) in
        [(2, "name"), (3, "database"), (4, "retentionPolicy"), (5, "group"), (6, "dimensions")]
    {
        assert_eq!(refused(EdgeType::Stream, &name(number)), ViolationKind::Utf8(field));
    }
    for (number, field) in
        [(7, "tags"), (8, "fieldsDouble"), (9, "fieldsInt"), (10, "fieldsString"), (12, "fieldsBool")]
    {
        let key = framed(&[0x8a, 0x01, 5, number << 3 | 2, 3, 0x0a, 1, 0xff]);
        assert_eq!(refused(EdgeType::Stream, &key), ViolationKind::Utf8(field));
    }
    for (number, field) in [(7, "tags"), (10, "fieldsString")] {
        let value = framed(&[0x8a, 0x01, 5, number << 3 | 2, 3, 0x12, 1, 0xff]);
        assert_eq!(refused(EdgeType::Stream, &value), ViolationKind::Utf8(field));
    }
}

#[test]
fn a_field_has_one_type() {
    let mut two = Point { fields_double: [("x".to_owned(), 1.0)].into(), ..Point::default() };
    two.fields_int.insert("x".to_owned(), 1);
    let input = frames([ResponseMessage::Point(two)]);
    assert_eq!(refused(EdgeType::Stream, &input), ViolationKind::TwoTypes("x".to_owned()));
}

#[test]
fn a_batch_is_bounded() {
    let mut subject = guard_with(EdgeType::Batch, Bytes(100), &PASS);
    let many = frames((0..20).map(|_| point("a")));
    let mut out = Vec::new();
    subject.pass(&frames([begin(0)]), &mut out).unwrap();
    let violation = subject.pass(&many, &mut out).unwrap_err();
    assert_eq!(violation.kind, ViolationKind::BatchTooLarge(Bytes(100)));
}

#[test]
fn points_of_a_batch_whose_end_exceeds_the_limit_do_not_go_out() {
    let end = ResponseMessage::End(EndBatch { name: "x".repeat(200), ..EndBatch::default() });
    let loose = Policy { edge_check: EdgeCheck::Loose, ..*PASS };
    for calls in [vec![vec![begin(1), point("a"), end.clone()]], vec![vec![begin(1)], vec![point("a"), end]]]
    {
        let mut subject = guard_with(EdgeType::Batch, Bytes(100), &loose);
        let mut out = Vec::new();
        let results: Vec<_> = calls.into_iter().map(|call| subject.pass(&frames(call), &mut out)).collect();
        let violation = results.into_iter().find_map(Result::err).unwrap();
        assert_eq!((violation.kind, out), (ViolationKind::BatchTooLarge(Bytes(100)), vec![]));
    }
}

#[test]
fn what_would_fill_kapacitors_memory_is_refused() {
    let empty = framed(&[0x8a, 0x01, 0]);
    let mut many = frames([begin(0)]);
    many.extend(empty.iter().cycle().take(empty.len() * 900));
    // A batch over several calls, of which none has too many points.
    let mut slow = guard(EdgeType::Batch);
    slow.pass(&many, &mut Vec::new()).unwrap();
    let rest = empty.repeat(900);
    assert_eq!(slow.pass(&rest, &mut Vec::new()).unwrap_err().kind, ViolationKind::TooManyPoints(1000));
    many.extend(empty.iter().cycle().take(empty.len() * 900));
    assert_eq!(refused(EdgeType::Batch, &many), ViolationKind::TooManyPoints(1000));

    let mut point: Vec<u8> = Vec::new();
    // An entry of fieldsDouble without key and value, again and again.
    point.extend([0x42, 0x00].iter().cycle().take(2 * (MAX_ENTRIES + 1)));
    let mut message = vec![0x8a, 0x01];
    wire::put_varint(point.len() as u64, &mut message);
    message.extend(point);
    assert_eq!(refused(EdgeType::Stream, &framed(&message)), ViolationKind::TooManyEntries("point"));
}

#[test]
fn tags_of_begin_and_end_are_limited_and_count_for_the_batch() {
    let tags = |count: usize| (0..count).map(|i| (format!("{i:05}"), String::new())).collect();
    let begin = |count| {
        ResponseMessage::Begin(BeginBatch {
            name: "cpu".to_owned(),
            tags: tags(count),
            ..BeginBatch::default()
        })
    };
    let end = |count| ResponseMessage::End(EndBatch { tags: tags(count), ..EndBatch::default() });
    let many = MAX_ENTRIES + 1;
    let kind = refused(EdgeType::Batch, &frames([begin(many)]));
    assert_eq!(kind, ViolationKind::TooManyEntries("begin"));
    let kind = refused(EdgeType::Batch, &frames([begin(0), end(many)]));
    assert_eq!(kind, ViolationKind::TooManyEntries("end"));

    let most = Bytes(2000);
    for batch in [[begin(300), end(0)], [begin(0), end(300)], [begin(150), end(150)]] {
        let kind = guard_with(EdgeType::Batch, most, &PASS).pass(&frames(batch), &mut Vec::new());
        assert_eq!(kind.unwrap_err().kind, ViolationKind::BatchTooLarge(most));
    }
    assert!(
        guard_with(EdgeType::Batch, most, &PASS).pass(&frames([begin(50), end(50)]), &mut Vec::new()).is_ok()
    );
}

#[test]
fn points_before_a_cut_frame_are_kept() {
    let mut input = frames([point("a")]);
    input.extend([5, 0x8a]);
    let mut out = Vec::new();
    assert!(guard(EdgeType::Stream).pass(&input, &mut out).is_err());
    assert_eq!(decode(&out), [point("a")]);
}

#[test]
fn points_before_what_is_wrong_among_all_responses_are_kept() {
    let loose = Policy { edge_check: EdgeCheck::Loose, ..Policy::default() };
    let (failed, out) = with_policy(loose, EdgeType::Stream, &frames([point("a"), end()]));
    assert_eq!(failed, Err(ViolationKind::EndWithoutBegin));
    assert_eq!(decode(&out), [point("a")]);

    let many = frames((0..1001).map(|_| point("a")));
    let mut out = Vec::new();
    let violation = guard(EdgeType::Stream).pass(&many, &mut out).unwrap_err();
    assert_eq!(violation, Violation { response: 1001, kind: ViolationKind::TooManyPoints(1000) });
    assert_eq!(decode(&out).len(), 1000);
}

fn doubles(fields: impl IntoIterator<Item = (&'static str, f64)>) -> ResponseMessage {
    let fields_double = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    ResponseMessage::Point(Point { time: 5, name: "cpu".to_owned(), fields_double, ..Point::default() })
}

fn with_policy(
    policy: Policy,
    provides: EdgeType,
    input: &[u8],
) -> (Result<Verdict, ViolationKind>, Vec<u8>) {
    let mut out = Vec::new();
    let result = guard_with(provides, MAX, &policy).pass(input, &mut out);
    (result.map_err(|violation| violation.kind), out)
}

#[test]
fn numbers_that_are_not_finite_are_left_out() {
    let input = frames([
        begin(0),
        doubles([("a", 1.0), ("b", f64::NAN)]),
        point("whole"),
        doubles([("b", f64::INFINITY)]),
        doubles([("b", f64::NEG_INFINITY), ("c", 2.0)]),
        end(),
    ]);
    let (passed, out) = with_policy(Policy::default(), EdgeType::Batch, &input);
    assert_eq!(
        passed,
        Ok(Verdict { points: 3, points_out: 3, dropped_points: 1, reduced_points: 2, ..Verdict::default() })
    );
    let left = [begin(3), doubles([("a", 1.0)]), point("whole"), doubles([("c", 2.0)]), end()];
    assert_eq!(decode(&out), left);

    let fail = Policy { not_finite: Unwanted::Fail, ..Policy::default() };
    let (failed, _) = with_policy(fail, EdgeType::Batch, &input);
    assert_eq!(failed, Err(ViolationKind::NotFinite("b".to_owned())));
    let pass = Policy { not_finite: Unwanted::Pass, ..Policy::default() };
    assert_eq!(with_policy(pass, EdgeType::Batch, &input).0.unwrap().points, 4);
}

#[test]
fn of_two_entries_with_one_name_the_later_one_counts() {
    let entry = |value: f64| {
        let mut entry = vec![0x42, 12, 0x0a, 1, b'x', 0x11];
        entry.extend(value.to_le_bytes());
        entry
    };
    let message = |values: [f64; 2]| {
        let mut frame = Vec::new();
        put_frame(17, &[&[0x12, 1, b'm'][..], &values.map(entry).concat()].concat(), &mut frame);
        frame
    };
    let healed = message([f64::NAN, 2.0]);
    let (passed, out) = with_policy(Policy::default(), EdgeType::Stream, &healed);
    assert_eq!((passed.unwrap().points, out), (1, healed));
    let (passed, out) = with_policy(Policy::default(), EdgeType::Stream, &message([2.0, f64::NAN]));
    assert_eq!((passed.unwrap().dropped_points, out), (1, Vec::new()));
}

#[test]
fn points_without_fields_are_left_out() {
    let input = frames([doubles([]), point("a")]);
    let (passed, out) = with_policy(Policy::default(), EdgeType::Stream, &input);
    assert_eq!(passed, Ok(Verdict { points: 1, points_out: 1, dropped_points: 1, ..Verdict::default() }));
    assert_eq!(decode(&out), [point("a")]);
    let fail = Policy { no_fields: Unwanted::Fail, ..Policy::default() };
    assert_eq!(with_policy(fail, EdgeType::Stream, &input).0, Err(ViolationKind::NoFields));
}

#[test]
fn loose_edges_take_both() {
    let loose = Policy { edge_check: EdgeCheck::Loose, ..Policy::default() };
    for provides in [EdgeType::Stream, EdgeType::Batch] {
        let input = frames([point("a"), begin(7), point("b"), end(), point("c")]);
        let (passed, out) = with_policy(loose, provides, &input);
        assert_eq!(passed.unwrap().points, 3);
        assert_eq!(decode(&out), [point("a"), begin(1), point("b"), end(), point("c")]);
        let (failed, _) = with_policy(loose, provides, &frames([end()]));
        assert_eq!(failed, Err(ViolationKind::EndWithoutBegin));
    }
}

prop_compose! {
    fn any_point()(
        time: i64,
        name in ".{0,10}",
        dimensions in proptest::collection::vec(".{0,4}", 0..3),
        by_name: bool,
        tags in proptest::collection::btree_map(".{0,8}", ".{0,8}", 0..4),
        fields_double in proptest::collection::btree_map("[a-d]{0,2}", proptest::num::f64::ANY, 0..4),
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

prop_compose! {
    fn ascii_point()(
        time in 0..i64::MAX,
        name in "[ -~]{0,20}",
        dimensions in proptest::collection::vec("[ -~]{0,20}", 0..3),
        by_name: bool,
        tags in proptest::collection::btree_map("[ -~]{0,20}", "[ -~]{0,20}", 0..4),
        fields_double in proptest::collection::btree_map("[ -~]{1,20}", proptest::num::f64::NORMAL, 0..4),
        fields_int in proptest::collection::btree_map("[ -~]{1,20}", any::<i64>(), 0..4),
    ) -> Point {
        // What is empty is not written, and short entries are written with both halves.
        let tags = tags.into_iter().filter(|(key, value)| !key.is_empty() && !value.is_empty()).collect();
        let fields_double = fields_double.into_iter().filter(|(_, value)| *value != 0.0).collect();
        Point { time, name, dimensions, by_name, tags, fields_double, fields_int, ..Point::default() }
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
        let result = guard(EdgeType::Stream).pass(&input, &mut out);
        prop_assert_eq!(result.is_err(), has_two_types(&point));
        if result.is_ok() {
            prop_assert_eq!(out, input);
        }
    }

    /// What passes the short check passes the one for any form, and what is written as nearly all points are
    /// needs no other.
    #[test]
    fn the_short_check_is_no_laxer_than_the_whole_one(
        point in ascii_point(),
        named: bool,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut input = frames([ResponseMessage::Point(point.clone())]);
        let length = input.len();
        for (index, byte) in &changes {
            let index = index.index(length);
            input[index] = *byte;
        }
        // More comes behind it, as in a run.
        input.extend([0xff; 32]);
        let Some((start, end)) = frame_at(&input, 0) else { return Ok(()) };
        let short = point_at(&input, 0, named) == Some(end);
        if short {
            let body = Fields::new(&input[start..end]).next().unwrap().unwrap().value;
            let seen = point_of_any_form(body);
            let Ok(seen) = seen else { return Err(TestCaseError::fail("the whole check refuses it")) };
            prop_assert!(!seen.not_finite && seen.sets != [0; 4]);
            prop_assert!(!seen.unwritable && (seen.named || !named));
            prop_assert!(ResponseCheck::new(&PASS).one_type_each(body).is_ok());
        }
        let message = point.encode_to_vec();
        let unwritable = point_of_any_form(&message).is_ok_and(|seen| seen.unwritable);
        if changes.is_empty()
            && !point.fields_double.is_empty()
            && point.fields_int.is_empty()
            && !(named && point.name.is_empty())
            && !unwritable
        {
            prop_assert!(short);
        }
    }

    /// Bytes of a real point, some of them changed: whatever passes, prost decodes.
    #[test]
    fn whatever_passes_is_a_message(
        point in any_point(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        edge in prop_oneof![Just(EdgeType::Stream), Just(EdgeType::Batch)],
        strict: bool,
    ) {
        let mut input = match edge {
            EdgeType::Stream => frames([ResponseMessage::Point(point)]),
            EdgeType::Batch => frames([begin(3), ResponseMessage::Point(point), end()]),
        };
        for (index, byte) in changes {
            let index = index.index(input.len());
            input[index] = byte;
        }
        let (mut out, mut in_place) = (Vec::new(), Vec::new());
        let policy = if strict { Policy::default() } else { *PASS };
        let result = guard_with(edge, MAX, &policy).pass(&input, &mut out);
        match guard_with(edge, MAX, &policy).pass_in_place(&input, &mut in_place) {
            Ok(passed) if passed.in_place => prop_assert!(in_place.is_empty() && out == input),
            other => prop_assert_eq!((other, in_place), (result, out.clone())),
        }
        for message in decode(&out) {
            match (message, edge) {
                (ResponseMessage::Point(point), _) => {
                    prop_assert!(!has_two_types(&point));
                    let fields = point.fields_double.len() + point.fields_int.len()
                        + point.fields_string.len() + point.fields_bool.len();
                    prop_assert!(!strict || fields > 0);
                    prop_assert!(!strict || point.fields_double.values().all(|value| value.is_finite()));
                }
                (ResponseMessage::Begin(begin), EdgeType::Batch) => prop_assert!((0..=3).contains(&begin.size)),
                (ResponseMessage::End(_), EdgeType::Batch) => {}
                (other, _) => prop_assert!(false, "{:?} passed", other),
            }
        }
    }
}
