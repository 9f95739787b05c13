//! Large batches: the points of a day or a week in one query.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use kapacitor_wasm::protocol::client::{option, text};
use kapacitor_wasm::protocol::option_value::Value;
use kapacitor_wasm::protocol::{
    BeginBatch, EndBatch, Option as UdfOption, Point, RequestMessage, ResponseMessage,
};

use crate::support::{Host, Setup, batch, encoded, error_of, number, play, send_apart};

/// Time of the first point of a large batch, in nanoseconds since 1970.
const FIRST: i64 = 1_700_000_000_000_000_000;

/// The frames of a batch of the group `host=a` whose points are made by `point`.
fn large_batch(count: usize, point: impl Fn(usize) -> Point) -> Vec<u8> {
    let tags = BTreeMap::from([("host".to_owned(), "a".to_owned())]);
    let group = "host=a".to_owned();
    let begin = BeginBatch {
        name: "cpu".to_owned(),
        group: group.clone(),
        tags: tags.clone(),
        size: count as i64,
        by_name: false,
    };
    let mut bytes = encoded([RequestMessage::Begin(begin)]);
    bytes.extend(encoded(
        (0..count).map(|i| {
            RequestMessage::Point(Point { time: FIRST + i as i64, group: group.clone(), ..point(i) })
        }),
    ));
    let end = EndBatch { name: "cpu".to_owned(), group, tmax: FIRST, tags, by_name: false };
    bytes.extend(encoded([RequestMessage::End(end)]));
    bytes
}

/// A batch of points with one field, 46 bytes each. Every thousandth value is an outlier.
fn small_points(count: usize) -> Vec<u8> {
    large_batch(count, |i| {
        let value = if i % 1000 == 500 { 1e6 } else { (i % 100) as f64 };
        Point {
            tags: BTreeMap::from([("h".to_owned(), "a".to_owned())]),
            fields_double: BTreeMap::from([("value".to_owned(), value)]),
            ..Point::default()
        }
    })
}

fn options(function: &str) -> Vec<UdfOption> {
    match function {
        "outliers" => vec![text("field", "value"), option("scale", Value::DoubleValue(1.5))],
        _ => Vec::new(),
    }
}

/// Numbers of the batches and of the points that come back for `parts`.
fn counts(host: &Host, function: &str, parts: Vec<Vec<u8>>) -> (usize, usize) {
    let (mut client, sender) = send_apart(host.start(function, &options(function)), parts);
    let (mut batches, mut points) = (0, 0);
    while let Some(response) = client.receive().unwrap() {
        match response {
            ResponseMessage::Point(_) => points += 1,
            ResponseMessage::End(_) => batches += 1,
            ResponseMessage::Begin(_) | ResponseMessage::Keepalive(_) => {}
            other => panic!("{other:?}"),
        }
    }
    sender.join().unwrap();
    (batches, points)
}

/// Waits until `kapacitor-wasm skipped` prints these `parts`: the records are written behind the sessions.
fn wait_for_record(host: &Host, parts: &[&str]) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (code, stdout, stderr) = host.setup.run(&["skipped"]);
        assert_eq!(code, 0, "{stderr}");
        let missing: Vec<_> = parts.iter().filter(|part| !stdout.contains(**part)).collect();
        if missing.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "no {missing:?} in {stdout}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn limit_that_a_large_batch_exceeds_is_named_and_its_points_are_counted() {
    let small = encoded(batch("a", 9, &[1.0, 2.0, 3.0]));
    let (large, larger) = (300_000, 1_200_000);
    let batches = [large, larger].map(|count| (count, small_points(count)));
    // The batch of the last case keeps the plugin busy for many times its deadline, however late a tick is.
    let deadline = "call-deadline = \"5ms\"\nmemory = \"256MiB\"";
    let cases = [
        ("mirror_batch", "memory = \"8MiB\"", "limits.memory = 8MiB", &batches[0]),
        ("mirror_batch", "output = \"4MiB\"", "limits.output = 4MiB", &batches[0]),
        ("mirror_batch", "output-points = 200000", "limits.output-points = 200000", &batches[0]),
        ("outliers", deadline, "limits.call-deadline = 5ms", &batches[1]),
    ];
    for (policy, whole) in [("recover", "size"), ("restart", "points")] {
        for (plugin, limit, named, (count, large)) in cases {
            let whole = &format!("{whole}={count}");
            let config = format!("[limits]\n{limit}\n[policy]\non-trap = \"{policy}\"\n");
            let host = Setup::new(&config).with(&[plugin]).serve();
            let (batches, points) = counts(&host, plugin, vec![small.clone(), large.clone(), small.clone()]);
            let returned = if plugin == "outliers" { 0 } else { 6 };
            assert_eq!((batches, points), (2, returned), "{policy} {limit}: {}", host.log());
            let line = host.wait_for_log(&["lvl=warn", "is skipped", named, whole]);
            assert!(line.contains("udf_process"), "{line}");
            // Where the limit is below policy.journal, a few points are skipped one by one before the batch is.
            let points = number(&line, "points=");
            assert!((count - 3..=*count).contains(&(points as usize)), "{line}");
            host.wait_for_log(&[
                "task ended",
                &format!("points_in={}", count + 6),
                &format!("skipped={count}"),
            ]);
            wait_for_record(&host, &[named, &format!("points  {points}")]);
        }
    }
}

#[test]
fn limit_that_ends_a_task_at_a_large_batch_is_named() {
    for (policy, function) in [("fail", "mirror_batch"), ("pass-through", "mirror_batch")] {
        let config = format!("[limits]\nmemory = \"8MiB\"\n[policy]\non-trap = \"{policy}\"\n");
        let host = Setup::new(&config).with(&[function]).serve();
        let small = encoded(batch("a", 9, &[1.0, 2.0, 3.0]));
        let (mut client, _sender) =
            send_apart(host.start(function, &[]), [small.clone(), small_points(300_000), small]);
        let responses = client.rest().unwrap();
        host.wait_for_log(&["lvl=error", "udf_process", "limits.memory = 8MiB"]);
        if policy == "fail" {
            assert!(error_of(&responses).contains("limits.memory = 8MiB"));
        } else {
            // The batch at which the plugin failed is incomplete, and the next one goes on unchanged.
            let data = responses.iter().filter(|response| !matches!(response, ResponseMessage::Keepalive(_)));
            assert_eq!(data.count(), 10);
            host.wait_for_log(&["task ended", "skipped=300000"]);
            wait_for_record(&host, &["limits.memory = 8MiB", "points  300000"]);
        }
    }
}

/// A batch of Telegraf's `cpu` with ten fields and four tags, some 340 bytes for each point.
fn telegraf_points(count: usize) -> Vec<u8> {
    const FIELDS: [&str; 10] = [
        "usage_guest",
        "usage_guest_nice",
        "usage_idle",
        "usage_iowait",
        "usage_irq",
        "usage_nice",
        "usage_softirq",
        "usage_steal",
        "usage_system",
        "usage_user",
    ];
    let tags = [("cpu", "cpu0"), ("host", "a"), ("datacenter", "eu-central-1"), ("rack", "17")];
    let tags: BTreeMap<_, _> = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    large_batch(count, |i| {
        let fields =
            FIELDS.iter().zip(0..).map(|(name, n)| ((*name).to_owned(), ((i + n) % 97) as f64 / 7.0));
        Point { tags: tags.clone(), fields_double: fields.collect(), ..Point::default() }
    })
}

#[test]
fn batch_of_a_million_points_passes_with_the_defaults() {
    let host = Host::with(&["mirror_batch", "outliers"]);
    let million = small_points(1_000_000);
    assert!((46..48).contains(&(million.len() / 1_000_000)), "{}", million.len());
    for (function, returned) in [("mirror_batch", 1_000_000), ("outliers", 1000)] {
        let start = Instant::now();
        // The second one finds the memory as the first one has left it.
        let parts = vec![million.clone(), encoded(batch("a", 9, &[])), million.clone()];
        assert_eq!(counts(&host, function, parts), (3, 2 * returned), "{}", host.log());
        println!("{function}: {:?}, {} KiB", start.elapsed(), host.resident_kib());
    }
    assert_eq!(host.count_logs(&["plugin failed"]), 0, "{}", host.log());
}

#[test]
fn batch_of_many_telegraf_points_passes_with_the_defaults() {
    let host = Host::with(&["mirror_batch"]);
    let large = telegraf_points(170_000);
    println!("{} bytes a point", large.len() / 170_000);
    assert_eq!(counts(&host, "mirror_batch", vec![large]), (1, 170_000), "{}", host.log());
}

#[test]
fn batch_of_any_size_is_passed_through() {
    let config = "[limits]\noutput = \"64KiB\"\noutput-points = 1000\n[policy]\non-trap = \"pass-through\"\n";
    let host = Setup::new(config).with(&["fragile_batch"]).serve();
    let mut bad = batch("a", 1, &[1.0]);
    if let RequestMessage::Point(point) = &mut bad[1] {
        point.fields_int.insert("panic".to_owned(), 1);
    }
    let large = batch("a", 2, &vec![1.0; 5000]);
    let responses = play(host.start("fragile_batch", &[]), bad.into_iter().chain(large));
    let points = responses.iter().filter(|response| matches!(response, ResponseMessage::Point(_))).count();
    assert!(points >= 5000, "{points}: {:?}", responses.last());
    assert!(!responses.iter().any(|response| matches!(response, ResponseMessage::Error(_))));
    host.wait_for_log(&["task ended", "unfinished=0"]);
}
