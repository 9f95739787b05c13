//! The runtime, by way of the harness. The codec is tested against prost in the tests of the host.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::buffer::Buffer;
use crate::output::Emit;
use crate::prelude::*;
use crate::testing::{Harness, flag, point};

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

impl crate::testing::Registered for Copies {
    fn calls() -> Box<dyn crate::runtime::Calls> {
        crate::runtime::calls::<Self, _>()
    }
}

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
    let mut frames = Buffer::new();
    crate::wire::put_frame(16, &[], &mut frames);
    NewPoint::default().field("x", 1).emit(false, &mut frames);
    NewPoint::default().field("y", 1).emit(false, &mut frames);
    crate::wire::put_frame(18, &[], &mut frames);
    let mut calls = Copies::calls();
    calls.init(0);
    calls.input(frames.len())[..frames.len()].copy_from_slice(&frames);
    calls.process(frames.len());
    let (mut error, mut expected) = (Buffer::new(), Buffer::new());
    crate::wire::put_text(1, "no number", &mut error);
    crate::wire::put_frame(6, &error, &mut expected);
    assert_eq!(calls.result(), &expected[..]);
}

#[derive(Options)]
struct Picky;

impl Stream for Picky {
    type Group = ();

    fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
        match point.field("x") {
            Some(Value::Int(2)) => out.send(point.with("y", 1)),
            Some(Value::Int(3)) => Err(Error::new("three")),
            Some(Value::Int(4)) => {
                out.send(point)?;
                Err(Error::skip("four"))
            }
            _ => out.send(point),
        }
    }
}

#[test]
fn points_that_go_on_as_they_came_keep_their_place() {
    let frames = |numbers: &[i64]| {
        let mut frames = Buffer::new();
        for number in numbers {
            // Long enough for lengths of two bytes, as those of nearly all points are.
            let long = "x".repeat(200);
            let point = NewPoint::new("cpu").field("x", *number).field("z", &long);
            point.emit(true, &mut frames);
        }
        frames.to_vec()
    };
    let mut calls = crate::runtime::calls::<Picky, _>();
    calls.init(0);
    let mut process = |numbers: &[i64]| {
        let input = frames(numbers);
        calls.input(input.len())[..input.len()].copy_from_slice(&input);
        calls.process(input.len());
        calls.result().to_vec()
    };
    assert_eq!(process(&[0, 1]), frames(&[0, 1]));
    // A gap, and what was sent before a point was skipped.
    assert_eq!(process(&[0, 4, 1, 4]), frames(&[0, 1]));
    assert_eq!(process(&[4]), []);
    let edited = process(&[0, 2, 1, 4, 5]);
    assert!(edited.starts_with(&frames(&[0])) && edited.ends_with(&frames(&[1, 5])));
    assert!(edited.len() > frames(&[0, 2, 1, 5]).len());
    let failed = process(&[0, 1, 3]);
    let (mut error, mut last) = (Buffer::new(), Buffer::new());
    crate::wire::put_text(1, "three", &mut error);
    crate::wire::put_frame(6, &error, &mut last);
    assert_eq!(failed, [&frames(&[0, 1]), &last[..]].concat());
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
