use std::collections::BTreeMap;

use kapacitor_guest::prelude::*;
use kapacitor_guest::testing::{Harness, Registered, point};
use kapacitor_guest_tests::protocol::{
    BeginBatch, EndBatch, ErrorResponse, Point as Message, request, response,
};

use crate::support::{process, requests, responses, start};

/// Takes batches and provides a stream: a new point for each point, until one has no number.
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
    let mut batch = NewBatch::new("load").tag("host", "a").tag("cpu", "0").at(9);
    batch.by_name = true;
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

/// Takes batches and provides a stream: each point, with edits.
#[derive(Options)]
struct Regrouped;

impl Batch for Regrouped {
    type Group = ();

    const PROVIDES: Edge = Edge::Stream;

    fn batch(&self, _: &mut (), points: &Points<'_>, out: &mut Output) -> Result<()> {
        for point in points {
            out.send(point.with_tag("level", format!("{}0", point.number("x")?)).without_tag("cpu"))?;
            out.send(point.group_by(["level", "host"]).named("new"))?;
        }
        Ok(())
    }
}

register!(Regrouped);

#[test]
fn points_of_a_batch_can_be_grouped_anew() {
    let mut harness = Harness::<Regrouped>::start([]).unwrap();
    let mut batch = NewBatch::new("load").tag("host", "a").tag("cpu", "0");
    batch.by_name = true;
    let input = NewPoint::default().at(1).tag("host", "a").tag("cpu", "0").field("x", 1);
    let sent = harness.batch(&batch, &[input]).unwrap().remove(0).1;
    let of = |point: &NewPoint| (point.name.clone(), point.dimensions.join(","), point.by_name);
    assert_eq!(of(&sent[0]), ("load".to_owned(), "cpu,host".to_owned(), true));
    let tags = [("host", "a"), ("level", "10")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(sent[0].tags, BTreeMap::from(tags));
    assert_eq!(of(&sent[1]), ("new".to_owned(), "host,level".to_owned(), true));
}

#[test]
fn new_points_are_grouped_as_kapacitor_does() {
    let new = || NewPoint::new("cpu").tag("host", "a").tag("rack", "1").tag("gone", "x").untag("gone");
    assert_eq!(new().group_by(&["rack", "host", "rack"]).group, "host=a,rack=1");
    assert_eq!(new().group_by(&["gone"]).group, "gone=");
    let mut by_name = new().named("mem");
    by_name.by_name = true;
    assert_eq!(by_name.clone().group_by(&["host"]).group, "mem\nhost=a");
    assert_eq!(by_name.group_by(&[]).group, "mem");
}

#[test]
fn failed_batch_leaves_only_its_error() {
    let mut calls = start(Copies::calls());
    let point = |name: &str| {
        let fields_int = BTreeMap::from([(name.to_owned(), 1)]);
        request::Message::Point(Message { fields_int, ..Message::default() })
    };
    let frames = requests([
        request::Message::Begin(BeginBatch::default()),
        point("x"),
        point("y"),
        request::Message::End(EndBatch::default()),
    ]);
    let error = response::Message::Error(ErrorResponse { error: "no number".to_owned() });
    assert_eq!(responses(&process(&mut *calls, &frames)), [error]);
}

/// Passes batches on.
#[derive(Options)]
struct Mirror;

impl Batch for Mirror {
    type Group = ();

    fn batch(&self, _: &mut (), points: &Points<'_>, out: &mut Output) -> Result<()> {
        let mut batch = out.batch(points)?;
        points.iter().for_each(|point| batch.send(point));
        Ok(())
    }
}

register!(Mirror);

#[test]
fn batch_may_be_spread_over_any_number_of_calls() {
    let begin = BeginBatch { name: "cpu".to_owned(), group: "host=a".to_owned(), ..BeginBatch::default() };
    let end = EndBatch { name: "cpu".to_owned(), tmax: 9, ..EndBatch::default() };
    let points = (0..6).map(|number| Message {
        time: number,
        fields_string: BTreeMap::from([("x".to_owned(), "long".repeat(100))]),
        ..Message::default()
    });
    let mut messages = vec![request::Message::Begin(begin.clone())];
    messages.extend(points.clone().map(request::Message::Point));
    messages.push(request::Message::End(end.clone()));
    let mut expected = vec![response::Message::Begin(begin)];
    expected.extend(points.map(response::Message::Point));
    expected.push(response::Message::End(end));

    // Each bit says whether a call ends behind a message.
    for cuts in 0..1_u32 << (messages.len() - 1) {
        let mut calls = start(Mirror::calls());
        let mut sent = Vec::new();
        let mut run = Vec::new();
        for (index, message) in messages.iter().enumerate() {
            run.push(message.clone());
            if cuts >> index & 1 == 1 || index + 1 == messages.len() {
                sent.extend(process(&mut *calls, &requests(run.drain(..))));
            }
        }
        assert_eq!(responses(&sent), expected, "cuts {cuts:b}");
    }
}

#[test]
fn harness_returns_sent_batches_with_their_points() {
    let mut harness = Harness::<Mirror>::start([]).unwrap();
    let batch = NewBatch::new("cpu").tag("host", "a").at(9);
    let points = [NewPoint::default().at(1).tag("host", "a").field("x", 1)];
    let (sent, mut sent_points) = harness.batch(&batch, &points).unwrap().remove(0);
    assert_eq!(sent, batch);
    let sent_point = sent_points.remove(0);
    assert_eq!((sent_point.time, &sent_point.fields), (1, &points[0].fields));
    assert!(sent_points.is_empty());
    let error = harness.point(&point().field("x", 1)).unwrap_err().to_string();
    assert_eq!(error, "Kapacitor sent a point outside of a batch to a plugin that wants batches");
}
