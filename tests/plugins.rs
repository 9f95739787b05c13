//! The plugins of the repository, and the four combinations of edges.

use std::collections::BTreeMap;

use kapacitor_wasm::protocol::client::{option, text};
use kapacitor_wasm::protocol::option_value::Value;
use kapacitor_wasm::protocol::{Point, RequestMessage, ResponseMessage};

use crate::support::{Host, Setup, batch, encoded, field, moving_avg, play, point, receive, send_apart};

/// The responses that mirror `requests`.
fn mirrored(requests: &[RequestMessage]) -> Vec<ResponseMessage> {
    let response = |request: &RequestMessage| match request {
        RequestMessage::Begin(begin) => ResponseMessage::Begin(begin.clone()),
        RequestMessage::Point(point) => ResponseMessage::Point(point.clone()),
        RequestMessage::End(end) => ResponseMessage::End(end.clone()),
        other => panic!("{other:?} is no data"),
    };
    requests.iter().map(response).collect()
}

#[test]
fn mirror_returns_points_unchanged() {
    let config = "[policy]\nnot-finite = \"pass\"\nno-fields = \"pass\"\nunwritable = \"pass\"\n";
    let host = Setup::new(config).with(&["mirror"]).serve();
    let full = Point {
        time: i64::MIN,
        fields_double: BTreeMap::from([("d".to_owned(), f64::MIN_POSITIVE), ("zero".to_owned(), 0.0)]),
        fields_int: BTreeMap::from([("i".to_owned(), i64::MIN), (String::new(), 0)]),
        fields_string: BTreeMap::from([
            ("s".to_owned(), "grüße 🌡 \0".to_owned()),
            ("e".to_owned(), String::new()),
        ]),
        fields_bool: BTreeMap::from([("t".to_owned(), true), ("f".to_owned(), false)]),
        dimensions: vec!["host".to_owned(), "cpu".to_owned()],
        by_name: true,
        ..point("a", 0, 0.0)
    };
    let large = Point { fields_string: [("s".to_owned(), "x".repeat(1 << 20))].into(), ..point("b", 1, 1.0) };
    let requests = [full, Point::default(), large, point("c", 2, f64::INFINITY)].map(RequestMessage::Point);
    let expected = mirrored(&requests);
    let mut client = host.start("mirror", &[]);
    for (request, expected) in requests.into_iter().zip(expected) {
        client.send(request).unwrap();
        assert_eq!(receive(&mut client), Some(expected));
    }
}

#[test]
fn mirror_batch_returns_batches_unchanged() {
    let host = Host::with(&["mirror_batch"]);
    let mut requests = batch("a", 10, &[1.0, 2.0, 3.0]);
    requests.extend(batch("b", 20, &[]));
    requests.extend(batch("a", 30, &(0..5000).map(f64::from).collect::<Vec<_>>()));
    if let RequestMessage::Begin(begin) = &mut requests[0] {
        begin.by_name = true;
    }
    let expected = mirrored(&requests);
    let mut client = host.start("mirror_batch", &[]);
    for request in requests.drain(..5) {
        client.send(request).unwrap();
    }
    let first: Vec<_> = (0..5).map(|_| receive(&mut client).unwrap()).collect();
    assert_eq!(first, expected[..5]);
    let (mut client, sender) = send_apart(client, [encoded(requests)]);
    let rest = client.rest().unwrap();
    sender.join().unwrap();
    assert!(rest == expected[5..], "the batches differ");
}

#[test]
fn moving_avg_averages_each_group_and_keeps_other_fields() {
    let host = Host::with(&["moving_avg"]);
    let mut input = Vec::new();
    for i in 0..10 {
        input.push(point("a", i, i as f64));
        let mut ints = point("b", i, 0.0);
        ints.fields_double.clear();
        ints.fields_int.insert("value".to_owned(), 10 * i);
        input.push(ints);
    }
    let responses =
        play(host.start("moving_avg", &moving_avg(2)), input.iter().cloned().map(RequestMessage::Point));
    assert_eq!(responses.len(), input.len());
    for (i, (input, response)) in input.into_iter().zip(responses).enumerate() {
        let step = (i / 2) as f64;
        let mean = if i < 2 { 0.0 } else { step - 0.5 } * if i % 2 == 0 { 1.0 } else { 10.0 };
        let mut expected = input;
        expected.fields_double.insert("mean".to_owned(), mean);
        assert_eq!(response, ResponseMessage::Point(expected));
    }
}

#[test]
fn moving_avg_can_replace_its_input_field() {
    let host = Host::with(&["moving_avg"]);
    let mut options = moving_avg(2);
    options[2] = text("as", "value");
    let mut ints = point("a", 1, 0.0);
    ints.fields_double.clear();
    ints.fields_int.insert("value".to_owned(), 4);
    let input = [point("a", 0, 1.0), ints].map(RequestMessage::Point);
    let responses = play(host.start("moving_avg", &options), input);
    assert_eq!(field(&responses, "value"), [1.0, 2.5]);
    assert!(
        matches!(&responses[1], ResponseMessage::Point(point) if point.fields_int.is_empty()),
        "{responses:?}"
    );
}

#[test]
fn points_without_the_field_are_skipped_and_reported() {
    let host = Host::with(&["moving_avg"]);
    let mut other = point("a", 1, 1.0);
    other.fields_double = BTreeMap::from([("idle".to_owned(), 1.0)]);
    let input = [point("a", 0, 1.0), other, point("a", 2, 3.0)].map(RequestMessage::Point);
    let responses = play(host.start("moving_avg", &moving_avg(2)), input);
    assert_eq!(field(&responses, "mean"), [1.0, 2.0]);
    let line = host.wait_for_log(&["lvl=warn", "task=task", "1 skipped so far"]);
    assert!(line.contains("group `host=a`: the point has no field `value`; it has: idle"), "{line}");
}

#[test]
fn outliers_returns_outliers_of_each_batch() {
    let host = Host::with(&["outliers"]);
    let mut values: Vec<f64> = (0..20).map(f64::from).collect();
    values.extend([500.0, -500.0]);
    let mut requests = batch("a", 10, &values);
    requests.extend(batch("b", 20, &[1.0, 2.0, 3.0, 4.0]));
    let options = [text("field", "value"), option("scale", Value::DoubleValue(1.5))];
    let responses = play(host.start("outliers", &options), requests.clone());
    let mut expected = mirrored(&requests);
    expected.drain(1..21);
    expected.drain(5..9);
    let sizes = [2, 0];
    let begins = expected.iter_mut().filter_map(|r| match r {
        ResponseMessage::Begin(begin) => Some(begin),
        _ => None,
    });
    begins.zip(sizes).for_each(|(begin, size)| begin.size = size);
    assert_eq!(responses, expected);
}

#[test]
fn batch_to_stream_keeps_group() {
    let host = Host::with(&["batch_to_stream"]);
    let responses = play(host.start("batch_to_stream", &[]), batch("a", 10, &[1.0, 2.0]));
    let [ResponseMessage::Point(point)] = &responses[..] else { panic!("{responses:?}") };
    assert_eq!((point.name.as_str(), &point.dimensions[..]), ("cpu", &["host".to_owned()][..]));
    assert_eq!(
        (point.fields_double["value"], point.fields_int["count"], point.tags["host"].as_str()),
        (2.0, 2, "a")
    );
}

#[test]
fn stream_to_batch_returns_batches() {
    let host = Host::with(&["stream_to_batch"]);
    let points = (0..5).map(|i| RequestMessage::Point(point("a", i, i as f64)));
    let responses = play(host.start("stream_to_batch", &[option("size", Value::IntValue(2))]), points);
    let shape: Vec<String> = responses
        .iter()
        .map(|response| match response {
            ResponseMessage::Begin(begin) => format!("begin {} {}", begin.size, begin.tags["host"]),
            ResponseMessage::Point(point) => format!("{}", point.fields_double["value"]),
            ResponseMessage::End(end) => format!("end {}", end.tmax),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected =
        ["begin 2 a", "0", "1", "end 1", "begin 2 a", "2", "3", "end 3", "begin 1 a", "4", "end 4"];
    assert_eq!(shape, expected);
}

#[test]
fn hello_world_has_at_most_twenty_lines() {
    let source = include_str!("guests/examples/above.rs");
    assert!(source.lines().count() <= 20, "{} lines", source.lines().count());
    let host = Host::with(&["above"]);
    let options = [text("field", "value"), option("threshold", Value::DoubleValue(1.5))];
    let points = (0..4).map(|i| RequestMessage::Point(point("a", i, i as f64)));
    assert_eq!(field(&play(host.start("above", &options), points), "value"), [2.0, 3.0]);
}
