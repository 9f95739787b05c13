//! Every point is counted once.

use kapacitor_wasm::protocol::{Point, RequestMessage};

use crate::support::{Host, Setup, batch, moving_avg, number, play, point, points};

/// The number of points that came in, after a check that it is the sum of what has become of them.
fn points_in(line: &str) -> u64 {
    let parts = ["taken_in=", "skipped=", "passed_through=", "unfinished="];
    let sum = parts.iter().map(|part| number(line, part)).sum();
    assert_eq!(number(line, "points_in="), sum, "{line}");
    sum
}

#[test]
fn points_that_the_plugin_skips_are_counted() {
    let host = Host::with(&["moving_avg"]);
    let mut sent = points(5000);
    for request in &mut sent[..4990] {
        let RequestMessage::Point(point) = request else { unreachable!() };
        *point = Point { fields_double: [("other".to_owned(), 1.0)].into(), ..point.clone() };
    }
    play(host.start("moving_avg", &moving_avg(3)), sent);
    let line = host.wait_for_log(&["task ended"]);
    assert_eq!(points_in(&line), 5000);
    let numbers =
        ["points_out=", "skipped=", "skipped_by_plugin=", "taken_in="].map(|key| number(&line, key));
    assert_eq!(numbers, [10, 4990, 4990, 10], "{line}");
    host.wait_for_log(&["skipped so far, now because", "`value`"]);
}

#[test]
fn skips_are_counted_once_though_recovery_repeats_them() {
    let host = Setup::new("[policy]\nfailures-per-minute = 1000\n").with(&["fragile"]).serve();
    let mut sent = Vec::new();
    for time in 0..60 {
        let mut point = point("a", time, 1.0);
        match time % 6 {
            // The plugin skips a point without the field, and fails at one that asks for it.
            0 | 1 => point = Point { fields_double: [("other".to_owned(), 1.0)].into(), ..point },
            2 => _ = point.fields_int.insert("panic".to_owned(), 7),
            _ => {}
        }
        sent.push(RequestMessage::Point(point));
    }
    play(host.start("fragile", &[]), sent);
    let line = host.wait_for_log(&["task ended"]);
    assert_eq!(points_in(&line), 60);
    let numbers = ["points_out=", "skipped=", "skipped_by_plugin="].map(|key| number(&line, key));
    assert_eq!(numbers, [30, 30, 20], "{line}");
}

#[test]
fn points_that_are_passed_through_are_counted() {
    let config = "[policy]\non-trap = \"pass-through\"\n";
    let host = Setup::new(config).with(&["fragile", "fragile_batch"]).serve();
    let fails = |request: &mut RequestMessage| {
        let RequestMessage::Point(point) = request else { unreachable!() };
        point.fields_int.insert("panic".to_owned(), 7);
    };
    let mut sent = points(8);
    fails(&mut sent[3]);
    play(host.start("fragile", &[]), sent);
    let line = host.wait_for_log(&["task ended", "function=fragile "]);
    assert_eq!(points_in(&line), 8);
    assert_eq!(number(&line, "points_out="), 8, "{line}");

    let mut batches: Vec<_> = (1..=3).flat_map(|time| batch("a", time, &[1.0, 2.0, 3.0])).collect();
    fails(&mut batches[6]);
    let responses = play(host.start("fragile_batch", &[]), batches);
    let line = host.wait_for_log(&["task ended", "function=fragile_batch"]);
    assert_eq!(points_in(&line), 9);
    let out = responses
        .iter()
        .filter(|response| matches!(response, kapacitor_wasm::protocol::ResponseMessage::Point(_)));
    assert_eq!(number(&line, "points_out="), out.count() as u64, "{line}");
}
