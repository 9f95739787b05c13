use std::collections::BTreeMap;

use kapacitor_guest::prelude::*;
use kapacitor_guest::testing::{Harness, Registered, point};
use kapacitor_guest_tests::protocol::{ErrorResponse, Point as Message, request, response};

use crate::support::{process, requests, responses, start};

/// Numbers the points of each group.
#[derive(Options)]
struct Number;

impl Stream for Number {
    type Group = i64;

    fn point(&self, number: &mut i64, point: Point<'_>, out: &mut Output) -> Result<()> {
        *number += 1;
        out.send(point.with("number", *number))
    }
}

register!(Number);

#[test]
fn groups_have_their_own_state() {
    let mut harness = Harness::<Number>::start([]).unwrap();
    let mut number = |host: &str| {
        let point = point().tag("host", host).group_by(&["host"]);
        harness.point(&point).unwrap().remove(0).fields["number"].clone()
    };
    assert_eq!([number("a"), number("b"), number("a")], [1, 1, 2].map(OwnedValue::Int));
}

/// Decides by the field `x` whether to edit, fail, or skip.
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

register!(Picky);

/// A point that is long enough for lengths of two bytes, as nearly all points are.
fn numbered(number: i64) -> Message {
    Message {
        name: "cpu".to_owned(),
        fields_int: BTreeMap::from([("x".to_owned(), number)]),
        fields_string: BTreeMap::from([("z".to_owned(), "x".repeat(200))]),
        ..Message::default()
    }
}

#[test]
fn unchanged_points_keep_their_place() {
    let frames = |numbers: &[i64]| requests(numbers.iter().map(|n| request::Message::Point(numbered(*n))));
    let mut calls = start(Picky::calls());
    let mut process = |numbers: &[i64]| process(&mut *calls, &frames(numbers));
    assert_eq!(process(&[0, 1]), frames(&[0, 1]));
    // With a gap, and with a skipped point that had been sent before.
    assert_eq!(process(&[0, 4, 1, 4]), frames(&[0, 1]));
    assert!(process(&[4]).is_empty());
    let edited = process(&[0, 2, 1, 4, 5]);
    assert!(edited.starts_with(&frames(&[0])) && edited.ends_with(&frames(&[1, 5])));
    assert!(edited.len() > frames(&[0, 2, 1, 5]).len());
    let with_y = |mut point: Message| {
        point.fields_int.insert("y".to_owned(), 1);
        point
    };
    let expected = [numbered(0), with_y(numbered(2)), numbered(1), numbered(5)];
    assert_eq!(responses(&edited), expected.map(response::Message::Point));
    // The points before a failure are sent, and then its error.
    let error = response::Message::Error(ErrorResponse { error: "three".to_owned() });
    let failed = responses(&process(&[0, 1, 3]));
    let points = [numbered(0), numbered(1)].map(response::Message::Point);
    assert_eq!(failed, [&points[..], &[error]].concat());
}
