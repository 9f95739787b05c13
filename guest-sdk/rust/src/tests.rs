//! The codec against prost, and the runtime by way of the harness.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use prost::Message;

use crate::edit::Edited;
use crate::output::Emit;
use crate::prelude::*;
use crate::testing::{Harness, flag, point};

mod agent {
    #![allow(clippy::all, dead_code, reason = "generated")]
    include!(concat!(env!("OUT_DIR"), "/agent.rs"));
}

prop_compose! {
    fn any_point()(
        time: i64,
        names in [".{0,200}", ".{0,5}", ".{0,5}", ".{0,9}"],
        dimensions in proptest::collection::vec(".{0,4}", 0..3),
        by_name: bool,
        tags in proptest::collection::hash_map("[a-c]{0,2}", ".{0,8}", 0..4),
        // Each name once, as Kapacitor does.
        fields in proptest::collection::hash_map("[a-d]{0,2}", any_value(), 0..6),
    ) -> agent::Point {
        let [name, database, retention_policy, group] = names;
        let mut point = agent::Point {
            time, name, database, retention_policy, group, dimensions, tags, by_name,
            ..agent::Point::default()
        };
        for (key, value) in fields {
            match value {
                OwnedValue::Double(v) => { point.fields_double.insert(key, v); }
                OwnedValue::Int(v) => { point.fields_int.insert(key, v); }
                OwnedValue::String(v) => { point.fields_string.insert(key, v); }
                OwnedValue::Bool(v) => { point.fields_bool.insert(key, v); }
            }
        }
        point
    }
}

fn any_value() -> impl Strategy<Value = OwnedValue> {
    prop_oneof![
        // NaN is not equal to itself.
        any::<f64>().prop_filter("a number", |v| !v.is_nan()).prop_map(OwnedValue::Double),
        any::<i64>().prop_map(OwnedValue::Int),
        ".{0,200}".prop_map(OwnedValue::String),
        any::<bool>().prop_map(OwnedValue::Bool),
    ]
}

/// What prost decoded, as a point that owns its data.
fn owned(point: &agent::Point) -> NewPoint {
    let mut fields = BTreeMap::new();
    fields.extend(point.fields_double.iter().map(|(k, v)| (k.clone(), OwnedValue::Double(*v))));
    fields.extend(point.fields_int.iter().map(|(k, v)| (k.clone(), OwnedValue::Int(*v))));
    fields.extend(point.fields_string.iter().map(|(k, v)| (k.clone(), OwnedValue::String(v.clone()))));
    fields.extend(point.fields_bool.iter().map(|(k, v)| (k.clone(), OwnedValue::Bool(*v))));
    NewPoint {
        time: point.time,
        name: point.name.clone(),
        database: point.database.clone(),
        retention_policy: point.retention_policy.clone(),
        group: point.group.clone(),
        dimensions: point.dimensions.clone(),
        by_name: point.by_name,
        tags: point.tags.clone().into_iter().collect(),
        fields,
    }
}

fn number_of_fields(point: &agent::Point) -> usize {
    point.fields_double.len() + point.fields_int.len() + point.fields_string.len() + point.fields_bool.len()
}

/// What Kapacitor decodes of something that is sent.
fn sent(point: impl Emit) -> agent::Point {
    let mut frame = Vec::new();
    point.emit(true, &mut frame);
    let response = agent::Response::decode_length_delimited(&frame[..]).unwrap();
    match response.message {
        Some(agent::response::Message::Point(point)) => point,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn points_are_read_as_prost_reads_them(theirs in any_point()) {
        let bytes = theirs.encode_to_vec();
        let ours = Point::new(&bytes);
        prop_assert_eq!(NewPoint::from(ours), owned(&theirs));
        for (key, value) in &owned(&theirs).fields {
            prop_assert_eq!(ours.field(key), Some(value.as_value()));
            prop_assert_eq!(ours.number(key).ok(), value.as_value().as_number());
        }
        for (key, value) in &theirs.tags {
            prop_assert_eq!(ours.tag(key), Some(value.as_str()));
        }
        prop_assert_eq!(ours.field("never"), None);
    }

    #[test]
    fn what_is_sent_is_what_was_there(theirs in any_point()) {
        let bytes = theirs.encode_to_vec();
        prop_assert_eq!(&sent(Point::new(&bytes)), &theirs);
        prop_assert_eq!(&sent(owned(&theirs)), &theirs);
    }

    /// Whatever is set, removed or renamed, in any order.
    #[test]
    fn edits_do_what_they_say_and_nothing_else(
        theirs in any_point(),
        fields in proptest::collection::vec(("[a-d]{0,2}", proptest::option::of(any_value())), 0..4),
        tags in proptest::collection::vec(("[a-c]{0,2}", proptest::option::of(".{0,8}")), 0..2),
        time in proptest::option::of(any::<i64>()),
        name in proptest::option::of(".{0,8}"),
    ) {
        let bytes = theirs.encode_to_vec();
        let mut edited = Edited::new(Point::new(&bytes));
        let mut expected = owned(&theirs);
        for (key, value) in &fields {
            edited = match value {
                Some(value) => {
                    expected.fields.insert(key.clone(), value.clone());
                    edited.with(key, value.as_value())
                }
                None => {
                    expected.fields.remove(key);
                    edited.without(key)
                }
            };
        }
        for (key, value) in &tags {
            edited = match value {
                Some(value) => {
                    expected.tags.insert(key.clone(), value.clone());
                    edited.with_tag(key, value)
                }
                None => {
                    expected.tags.remove(key);
                    edited.without_tag(key)
                }
            };
        }
        if let Some(time) = time {
            expected.time = time;
            edited = edited.at(time);
        }
        if let Some(name) = &name {
            expected.name.clone_from(name);
            edited = edited.named(name);
        }
        let sent = sent(edited);
        prop_assert_eq!(number_of_fields(&sent), expected.fields.len(), "a field has two types");
        prop_assert_eq!(owned(&sent), expected);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let point = Point::new(&bytes);
        let _ = format!("{point:?} {:?}", point.number("x"));
        let _ = sent_bytes(point.with("x", 1.0));
    }
}

fn sent_bytes(point: impl Emit) -> Vec<u8> {
    let mut frame = Vec::new();
    point.emit(true, &mut frame);
    frame
}

#[derive(Options, Debug)]
#[allow(dead_code, reason = "read by Debug")]
struct All {
    text: String,
    number: f64,
    count: u32,
    #[option(name = "yes")]
    truth: bool,
    every: Duration,
    maybe: Option<i64>,
    list: Vec<String>,
    #[option(default = 7)]
    preset: usize,
    verbose: Flag,
}

impl Stream for All {
    type Group = u64;

    fn check(&self) -> Result<()> {
        if self.count < 100 { Ok(()) } else { Err(Error::new("option `count`: must be below 100")) }
    }

    fn point(&self, seen: &mut u64, point: Point<'_>, out: &mut Output) -> Result<()> {
        *seen += 1;
        let text = format!("{self:?}");
        out.send(point.with("seen", *seen as i64).with("options", &text))
    }
}

register!(All);

#[test]
fn options_of_each_type() {
    let options = [
        ("text", "t".into()),
        ("number", 1.5.into()),
        ("count", 3.into()),
        ("yes", true.into()),
        ("every", Duration::from_secs(300).into()),
        ("list", "a".into()),
        ("list", "b".into()),
        ("verbose", flag()),
    ];
    let mut harness = Harness::<All>::start(options).unwrap();
    let sent = harness.point(&point().field("x", 1)).unwrap().remove(0);
    let expected = "All { text: \"t\", number: 1.5, count: 3, truth: true, every: 300s, maybe: None, \
                    list: [\"a\", \"b\"], preset: 7, verbose: Flag(true) }";
    assert_eq!(sent.fields["options"], expected.into());
}

#[test]
fn all_problems_of_the_options_are_named() {
    let options = [
        ("text", 1.into()),
        ("number", "x".into()),
        ("count", (-1).into()),
        ("yes", true.into()),
        ("yes", true.into()),
        ("maybe", 1.5.into()),
        ("typo", 1.5.into()),
        ("verbose", 1.into()),
    ];
    let error = Harness::<All>::start(options).unwrap_err().to_string();
    let expected = "there is no option `typo`; option `text`: expected string, got int; option `number`: expected double, got string; \
                    option `count`: -1 is out of range; option `yes`: given 2 times, expected once; \
                    option `every`: missing, expected duration; option `maybe`: expected int, got double; \
                    option `verbose`: expected no value";
    assert_eq!(error, expected);
}

#[test]
fn groups_have_their_own_state() {
    let base = [("text", "t".into()), ("number", 1.5.into()), ("count", 3.into())];
    let rest = [("yes", true.into()), ("every", Duration::from_secs(1).into())];
    let mut harness = Harness::<All>::start(base.into_iter().chain(rest)).unwrap();
    let mut seen = |host: &str| {
        let point = point().tag("host", host).group_by(&["host"]);
        harness.point(&point).unwrap().remove(0).fields["seen"].clone()
    };
    assert_eq!([seen("a"), seen("b"), seen("a")], [1, 1, 2].map(OwnedValue::Int));
}

/// Batches to a stream: a new point for each point, until one is not a number.
#[derive(Options)]
struct Copies;

impl Batch for Copies {
    type Group = ();

    const PROVIDES: Edge = Edge::Stream;

    fn batch(&self, _: &mut (), points: &Points<'_>, out: &mut Output) -> Result<()> {
        for point in points {
            let value = point.number("x").map_err(|_| Error::new("no number"))?;
            out.send(NewPoint::like(point).field("copy", value))?;
        }
        out.send(NewPoint::like(points).field("count", points.len()))
    }
}

register!(Copies);

#[test]
fn new_points_of_a_batch_stay_in_its_group() {
    let mut harness = Harness::<Copies>::start([]).unwrap();
    let tags = BTreeMap::from([("host".to_owned(), "a".to_owned()), ("cpu".to_owned(), "0".to_owned())]);
    let batch = NewBatch { name: "load".to_owned(), tags, by_name: true, tmax: 9 };
    let input = NewPoint::default().at(1).tag("host", "a").tag("cpu", "0").field("x", 1);
    let mut sent = harness.batch(&batch, &[input]).unwrap().remove(0).1;
    for point in &sent {
        assert_eq!((point.name.as_str(), point.by_name), ("load", true));
        assert_eq!(
            (&point.dimensions[..], &point.tags),
            (&["cpu".to_owned(), "host".to_owned()][..], &batch.tags)
        );
    }
    let whole = sent.pop().unwrap();
    assert_eq!((whole.time, whole.fields), (9, BTreeMap::from([("count".to_owned(), OwnedValue::Int(1))])));
    assert_eq!(sent[0].fields, BTreeMap::from([("copy".to_owned(), OwnedValue::Double(1.0))]));
}

#[test]
fn nothing_is_left_of_a_batch_that_failed() {
    use crate::testing::Registered;
    let mut frames = Vec::new();
    crate::wire::put_frame(16, &[], &mut frames);
    NewPoint::default().field("x", 1).emit(false, &mut frames);
    NewPoint::default().field("y", 1).emit(false, &mut frames);
    crate::wire::put_frame(18, &[], &mut frames);
    let mut calls = Copies::calls();
    calls.init(0);
    calls.input(frames.len())[..frames.len()].copy_from_slice(&frames);
    calls.process(frames.len());
    let mut result = calls.result();
    let response = agent::Response::decode_length_delimited(&mut result).unwrap();
    assert!(result.is_empty());
    let error = agent::ErrorResponse { error: "no number".to_owned() };
    assert_eq!(response.message, Some(agent::response::Message::Error(error)));
}

mod no_names_needed {
    //! `register!` and `derive(Options)` rely on no name that a plugin may have taken.
    #![allow(dead_code, non_camel_case_types, clippy::upper_case_acronyms)]

    struct Option;
    struct Some;
    struct None;
    struct Result;
    struct Ok;
    struct Box;
    struct Vec;
    struct String;

    #[derive(kapacitor_guest::Options)]
    struct Plain {
        size: usize,
    }

    impl kapacitor_guest::Stream for Plain {
        type Group = ();

        fn point(
            &self,
            _: &mut (),
            point: kapacitor_guest::Point<'_>,
            out: &mut kapacitor_guest::Output,
        ) -> kapacitor_guest::Result<()> {
            out.send(point)
        }
    }

    kapacitor_guest::register!(Plain);
}
