//! Plugins that fail: the points of the failure are skipped, and nothing else is lost.

use std::fs;

use kapacitor_wasm::protocol::client::Client;
use kapacitor_wasm::protocol::{Point, RequestMessage, ResponseMessage};

use crate::support::{
    FAIL, Host, Setup, batch, encoded, error_of, field, moving_avg, play, point, points, receive, send_apart,
};

/// Limits that `fragile` exceeds quickly.
const LIMITS: &str = "[limits]\nmemory = \"16MiB\"\ncall-deadline = \"300ms\"\n";

/// Every way in which `fragile` fails.
const FAILURES: [&str; 5] = ["panic", "hog", "deep", "fail", "spin"];

fn bad(time: i64, how: &str) -> RequestMessage {
    let mut point = point("a", time, 1000.0);
    point.fields_int.insert(how.to_owned(), 7);
    RequestMessage::Point(point)
}

fn good(time: i64) -> RequestMessage {
    let group = ["a", "b", "c"][time as usize % 3];
    RequestMessage::Point(point(group, time, time as f64))
}

/// Sends all of `requests` at once, so that the host gives many of them to the plugin in one call.
fn rush(client: Client, requests: &[RequestMessage]) -> Vec<ResponseMessage> {
    let (mut client, sender) = send_apart(client, [encoded(requests.iter().cloned())]);
    let mut responses = client.rest().unwrap();
    responses.retain(|response| !matches!(response, ResponseMessage::Keepalive(_)));
    sender.join().unwrap();
    responses
}

#[test]
fn output_equals_output_without_failed_points() {
    let host = Setup::new(LIMITS).with(&["fragile"]).serve();
    for (i, how) in FAILURES.into_iter().enumerate() {
        let clean: Vec<_> = (0..60).map(good).collect();
        let mut dirty = clean.clone();
        // Failures at the first point, at the last one, and at two in a row are among these.
        for at in [60, 31, 31, 7 + i, 0] {
            dirty.insert(at, bad(at as i64, how));
        }
        let expected = play(host.start("fragile", &[]), clean);
        assert_eq!(expected.len(), 60);
        let mut responses = play(host.start("fragile", &[]), dirty);
        // Keepalives are sent while a guest spins.
        responses.retain(|response| !matches!(response, ResponseMessage::Keepalive(_)));
        assert_eq!(responses, expected, "{how}");
        host.wait_for_log(&["task ended", "points_in=65 points_out=60 skipped=5"]);
    }
}

#[test]
fn recovery_is_exact_over_many_saved_states() {
    // The journal is small, so that the state is saved every few hundred points.
    let config = format!("{LIMITS}[policy]\njournal = \"64KiB\"\nfailures-per-minute = 1000\n");
    let host = Setup::new(&config).with(&["fragile"]).serve();
    let clean: Vec<_> = (0..20_000).map(good).collect();
    let mut dirty = Vec::new();
    for (i, request) in clean.iter().enumerate() {
        if i % 641 == 0 {
            dirty.push(bad(i as i64, "panic"));
        }
        dirty.push(request.clone());
    }
    let expected = rush(host.start("fragile", &[]), &clean);
    assert_eq!(expected.len(), 20_000);
    assert!(rush(host.start("fragile", &[]), &dirty) == expected);
    host.wait_for_log(&["task ended", "points_out=20000 skipped=32"]);
    assert_eq!(host.count_logs(&["raise policy.journal"]), 0);
}

#[test]
fn failed_batch_is_skipped_whole() {
    let host = Host::with(&["fragile_batch"]);
    let with_panic = |mut requests: Vec<RequestMessage>| {
        if let RequestMessage::Point(point) = &mut requests[1] {
            point.fields_int.insert("panic".to_owned(), 1);
        }
        requests
    };
    let batches = |bad: bool| -> Vec<RequestMessage> {
        (0..30i64)
            .flat_map(|i| {
                let good = batch(["a", "b"][i as usize % 2], i, &[1.0, 2.0, 3.0]);
                let skipped = if bad && i % 7 == 0 {
                    with_panic(batch(["a", "b"][i as usize / 7 % 2], i, &[9.0, 9.0]))
                } else {
                    Vec::new()
                };
                skipped.into_iter().chain(good)
            })
            .collect()
    };
    let expected = play(host.start("fragile_batch", &[]), batches(false));
    assert_eq!(expected.len(), 30 * 5);
    assert_eq!(play(host.start("fragile_batch", &[]), batches(true)), expected);
    assert_eq!(rush(host.start("fragile_batch", &[]), &batches(true)), expected);
    host.wait_for_log(&["task ended", "points_in=100 points_out=90 skipped=10"]);
}

#[test]
fn batch_larger_than_journal_is_skipped_whole() {
    let config = "[policy]\njournal = \"1KiB\"\n";
    let host = Setup::new(config).with(&["fragile_batch"]).serve();
    let mut client = host.start("fragile_batch", &[]);
    let mut large = batch("a", 2, &[2.0; 100]);
    if let RequestMessage::Point(point) = &mut large[60] {
        point.fields_int.insert("panic".to_owned(), 1);
    }
    // The batch comes in two runs, since a batch that comes in one needs no journal.
    let rest = large.split_off(51);
    client.send_bytes(&encoded(batch("a", 1, &[1.0]).into_iter().chain(large))).unwrap();
    let mut responses: Vec<_> = (0..3).filter_map(|_| receive(&mut client)).collect();
    responses.extend(play(client, rest.into_iter().chain(batch("a", 3, &[3.0]))));
    let values = field(&responses, "value");
    assert_eq!(values, [1.0, 3.0]);
    host.wait_for_log(&[
        "lvl=warn",
        "policy.journal = 1KiB does not hold the batch",
        "points=100",
        "as before",
    ]);
    host.wait_for_log(&["task ended", "points_in=102 points_out=2 skipped=100"]);
}

#[test]
fn restart_policy_discards_state() {
    let config = format!("{LIMITS}[policy]\non-trap = \"restart\"\n");
    let host = Setup::new(&config).with(&["fragile"]).serve();
    let requests = [good(3), good(6), bad(7, "panic"), good(9), good(12)];
    let mut client = host.start("fragile", &[]);
    let mut sums = Vec::new();
    for request in requests {
        let skipped = matches!(&request, RequestMessage::Point(point) if point.time == 7);
        client.send(request).unwrap();
        if !skipped {
            let response = receive(&mut client).unwrap();
            sums.extend(field(&[response], "sum"));
        }
    }
    assert_eq!(sums, [3.0, 9.0, 9.0, 21.0]);
    host.wait_for_log(&["lvl=warn", "is skipped", "state=lost"]);
}

#[test]
fn pass_through_policy_returns_input_after_failure() {
    let config = "[policy]\non-trap = \"pass-through\"\n";
    let host = Setup::new(config).with(&["fragile", "fragile_batch", "batch_to_stream"]).serve();
    let mut client = host.start("fragile", &[]);
    client.send(good(3)).unwrap();
    assert_eq!(field(&[receive(&mut client).unwrap()], "sum"), [3.0]);
    let rest = [bad(4, "fail"), good(6), good(9)];
    let responses = play(client, rest.clone());
    let same: Vec<ResponseMessage> = rest
        .into_iter()
        .map(|request| match request {
            RequestMessage::Point(point) => ResponseMessage::Point(point),
            _ => unreachable!("all are points"),
        })
        .collect();
    assert_eq!(responses, same);
    host.wait_for_log(&["lvl=error", "points go on unchanged", "told to fail"]);

    // A batch of which the plugin has got a part is lost; the next one passes whole.
    let mut failing = batch("a", 1, &[1.0, 2.0]);
    if let RequestMessage::Point(point) = &mut failing[1] {
        point.fields_int.insert("panic".to_owned(), 1);
    }
    failing.extend(batch("a", 2, &[5.0]));
    let responses = play(host.start("fragile_batch", &[]), failing);
    assert_eq!(field(&responses, "value").last(), Some(&5.0));
    assert!(field(&responses, "batch").is_empty());

    let response = host.connect("batch_to_stream").init("task", Vec::new()).unwrap();
    assert!(!response.success);
    assert!(response.error.contains("on-trap = \"pass-through\" needs"), "{}", response.error);
}

#[test]
fn too_many_failures_end_the_task() {
    let config = format!("{LIMITS}[policy]\nfailures-per-minute = 3\n");
    let host = Setup::new(&config).with(&["fragile"]).serve();
    let mut requests: Vec<_> = (0..3).map(|i| bad(i, "fail")).collect();
    requests.push(good(3));
    let responses = play(host.start("fragile", &[]), requests.clone());
    assert_eq!(field(&responses, "sum"), [3.0]);
    requests.push(bad(4, "fail"));
    let responses = play(host.start("fragile", &[]), requests);
    let error = error_of(&responses);
    assert!(
        error.contains("told to fail; the plugin has failed more than policy.failures-per-minute = 3 times"),
        "{error}"
    );
}

#[test]
fn uncapturable_state_is_rebuilt_from_start() {
    let trapping = r#"
        (module
          (memory (export "memory") 1)
          (table 1 funcref)
          (elem declare func $f)
          (func $f)
          (data (i32.const 0) "\08\01")
          (data (i32.const 128) "\1f\8a\01\1c\42\0c\0a\01a\11\00\00\00\00\00\00\00\00\42\0c\0a\01b\11\00\00\00\00\00\00\00\00")
          (global $calls (mut i32) (i32.const 0))
          (func (export "kapacitor_udf_abi_1"))
          (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
          (func (export "udf_info") (result i64) (i64.const 0))
          (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
          (func (export "udf_process") (param i32 i32) (result i64)
            (table.set (i32.const 0) (ref.func $f))
            ;; A point that is longer than any other.
            (if (i32.gt_u (local.get 1) (i32.const 300)) (then (unreachable)))
            (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (f64.store (i32.const 138) (f64.convert_i32_u (global.get $calls)))
            (i64.const 549755813920)) ;; (128 << 32) | 32
          (func (export "udf_finish") (result i64) (i64.const 0)))"#;
    let host = Setup::new("[policy]\nunwritable = \"pass\"\n").with_wat("uncaptured", trapping).serve();
    let (_, checked, _) = host.setup.run(&["check"]);
    assert!(checked.contains("plugin `uncaptured` has no snapshots"), "{checked}");
    let long = Point { name: "x".repeat(300), ..point("a", 3, 1.0) };
    let mut client = host.start("uncaptured", &[]);
    let mut calls = Vec::new();
    for (request, answered) in
        [(good(1), true), (good(2), true), (RequestMessage::Point(long), false), (good(3), true)]
    {
        client.send(request).unwrap();
        if answered {
            calls.extend(field(&[receive(&mut client).unwrap()], "a"));
        }
    }
    assert_eq!(calls, [1.0, 2.0, 3.0]);
}

/// Returns a point with the time (`t`) and a random number (`r`); traps at a point of more than 300
/// bytes, after having asked for both.
const WORLD: &str = r#"
    (module
      (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "\08\01")
      (data (i32.const 128) "\1f\8a\01\1c\42\0c\0a\01t\11\00\00\00\00\00\00\00\00\42\0c\0a\01r\11\00\00\00\00\00\00\00\00")
      (func (export "kapacitor_udf_abi_1"))
      (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
      (func (export "udf_info") (result i64) (i64.const 0))
      (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
      (func (export "udf_process") (param i32 i32) (result i64)
        (drop (call $clock (i32.const 0) (i64.const 1) (i32.const 64)))
        (drop (call $random (i32.const 72) (i32.const 4)))
        (if (i32.gt_u (local.get 1) (i32.const 300)) (then (unreachable)))
        (f64.store (i32.const 138) (f64.convert_i64_u (i64.load (i32.const 64))))
        (f64.store (i32.const 152) (f64.convert_i32_u (i32.load (i32.const 72))))
        (i64.const 549755813920)) ;; (128 << 32) | 32
      (func (export "udf_finish") (result i64) (i64.const 0)))"#;

#[test]
fn repeated_calls_see_same_time_and_random_numbers() {
    let host = Setup::new("[policy]\nunwritable = \"pass\"\n").with_wat("world", WORLD).serve();
    let long = || {
        let long = Point { name: "x".repeat(300), ..point("a", 999, 1.0) };
        RequestMessage::Point(long)
    };
    // All points are sent at once, since the time must be right for each point of a run.
    let mut requests: Vec<_> = (1..=50).map(good).collect();
    for at in [40, 20, 20, 3] {
        requests.insert(at, long());
    }
    let responses = rush(host.start("world", &[]), &requests);
    let times: Vec<f64> = (1..=50).map(f64::from).collect();
    assert_eq!(field(&responses, "t"), times);
    let random = field(&responses, "r");
    let mut distinct = random.clone();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    assert!(distinct.len() > 45, "{random:?}");
    // A repeated call gets the same numbers: otherwise the host would log that its output differs.
    assert_eq!(host.count_logs(&["returned something else"]), 0);
    // Another task gets other numbers.
    let mut other = host.connect("world");
    assert!(other.init("other", Vec::new()).unwrap().success);
    let other = rush(other, &[good(1)]);
    assert_ne!(field(&other, "r")[0], random[0]);
}

#[test]
fn run_over_call_deadline_is_split() {
    // Each point takes about 10 ms.
    let slow = r#"
        (module
          (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1)
          (data (i32.const 0) "\08\01")
          (func (export "kapacitor_udf_abi_1"))
          (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
          (func (export "udf_info") (result i64) (i64.const 0))
          (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
          (func (export "udf_process") (param $at i32) (param $length i32) (result i64)
            (local $i i32)
            (local.set $i (i32.mul (local.get $length) (i32.const 100000)))
            (loop $spin
              (local.set $i (i32.sub (local.get $i) (i32.const 1)))
              (br_if $spin (local.get $i)))
            (i64.const 0))
          (func (export "udf_finish") (result i64) (i64.const 0)))"#;
    let host = Setup::new("[limits]\ncall-deadline = \"150ms\"\n").with_wat("slow", slow).serve();
    let requests: Vec<_> = (0..50).map(good).collect();
    assert_eq!(rush(host.start("slow", &[]), &requests), []);
    host.wait_for_log(&["task ended", "points_in=50 points_out=0 skipped=0"]);
}

/// A plugin that computes for each byte of its input, and keeps nothing.
fn slow_for_each_byte(rounds: u32) -> String {
    format!(
        r#"
        (module
          (memory (export "memory") 4)
          (data (i32.const 0) "\08\01")
          (func (export "kapacitor_udf_abi_1"))
          (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
          (func (export "udf_info") (result i64) (i64.const 0))
          (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
          (func (export "udf_process") (param $at i32) (param $length i32) (result i64)
            (local $i i32)
            (local.set $i (i32.mul (local.get $length) (i32.const {rounds})))
            (loop $spin
              (local.set $i (i32.sub (local.get $i) (i32.const 1)))
              (br_if $spin (local.get $i)))
            (i64.const 0))
          (func (export "udf_finish") (result i64) (i64.const 0)))"#
    )
}

#[test]
fn points_that_only_take_too_long_together_are_no_failures() {
    let config = "[limits]\ncall-deadline = \"40ms\"\n[policy]\nfailures-per-minute = 5\n[sessions]\ndrain-deadline = \"1m\"\n";
    let host = Setup::new(config).with_wat("slow", &slow_for_each_byte(10_000)).serve();
    // Each run has some hundred points.
    let requests: Vec<_> = (0..12_000).map(good).collect();
    assert_eq!(rush(host.start("slow", &[]), &requests), []);
    let line = host.wait_for_log(&["task ended", "points_in=12000", "skipped=0"]);
    // What has failed is not tried again with each call.
    let recoveries = line.split("recoveries=").nth(1).unwrap().split(' ').next().unwrap();
    assert!(recoveries.parse::<u32>().unwrap() <= 20, "{line}");
    assert_eq!(host.count_logs(&["needs longer than limits.call-deadline for so many points at once"]), 1);
    assert_eq!(host.count_logs(&["plugin failed"]), 0);
}

#[test]
fn skipped_points_are_logged_and_listed() {
    let host = Setup::new(LIMITS).with(&["fragile"]).serve();
    let requests = vec![good(1), bad(2, "panic"), bad(5, "fail"), bad(6, "fail"), good(3)];
    assert_eq!(play(host.start("fragile", &[]), requests).len(), 2);
    let line = host.wait_for_log(&["lvl=warn", "what it failed at is skipped"]);
    for part in [
        "err=\"udf_process: panicked: index out of bounds: the len is 3 but the index is 7",
        "fragile.rs:",
        "point=\"cpu,host=a value=1000,panic=7i 2\"",
        "task=task",
        "plugin=fragile",
    ] {
        assert!(line.contains(part), "{line} lacks {part}");
    }
    // Neither the frame that is given alone nor the calls that are repeated after it log anything again, and the
    // panic is told as the reason only.
    assert_eq!(host.count_logs(&["plugin log", "about to take element 7"]), 1);
    assert_eq!(host.count_logs(&["index out of bounds"]), 1);
    // Each error of a burst has a line. The third failure has the error of the second.
    host.wait_for_log(&["task ended", "skipped=3"]);
    assert_eq!(host.count_logs(&["what it failed at is skipped"]), 2);
    assert_eq!(host.count_logs(&["what it failed at is skipped", "told to fail"]), 1);
    host.wait_for_log(&["plugin failed again", "more=1"]);
    host.wait_for_logs(&["skipped point recorded"], 3);
    let (code, stdout, stderr) = host.setup.run(&["skipped"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    for part in ["fragile", "task", "panicked: index out of bounds", "told to fail", "panic=7i 2"] {
        assert!(stdout.contains(part), "{stdout} lacks {part}");
    }
    let file = line.split_once("file=").unwrap().1.split_whitespace().next().unwrap();
    assert!(fs::read_to_string(file).unwrap().contains("plugin-sha256 = "));
}

#[test]
fn recovery_begins_at_restored_state() {
    let host = Setup::new(LIMITS).with(&["fragile", "own_format", "moving_avg"]).serve();
    let mut first = host.start("fragile", &[]);
    first.send(good(3)).unwrap();
    first.receive().unwrap();
    let snapshot = first.snapshot(&mut Vec::new()).unwrap();
    let mut second = host.start("fragile", &[]);
    assert!(second.restore(snapshot).unwrap().success);
    let responses = play(second, [bad(4, "panic"), good(6), bad(7, "hog"), good(9)]);
    assert_eq!(field(&responses, "sum"), [9.0, 18.0]);
    // A task without a failure is not affected.
    let responses = play(host.start("moving_avg", &moving_avg(1)), [good(1)]);
    assert_eq!(field(&responses, "mean"), [1.0]);
}

#[test]
fn plugin_error_ends_task_after_earlier_output() {
    let host = Setup::new(FAIL).with(&["panics"]).serve();
    let mut bad = point("a", 1, 1.0);
    bad.fields_bool.insert("fail".to_owned(), true);
    let mut requests = points(2);
    requests.push(RequestMessage::Point(bad));
    let responses = play(host.start("panics", &[]), requests);
    assert_eq!(responses.len(), 3);
    assert_eq!(error_of(&responses), "plugin \"panics\": group `host=a`: told to fail");
}

#[test]
fn panic_is_reported_with_message_and_location() {
    let host = Setup::new(FAIL).with(&["panics"]).serve();
    let mut bad = point("a", 1, 1.0);
    bad.fields_int.insert("panic".to_owned(), 7);
    let responses = play(host.start("panics", &[]), [RequestMessage::Point(bad)]);
    let error = error_of(&responses);
    assert!(
        error.contains("plugin \"panics\": udf_process: panicked: index out of bounds: the len is 3"),
        "{error}"
    );
    assert!(error.contains("panics.rs:"), "{error}");
    host.wait_for_log(&["lvl=info", "plugin log", "task=task", "about to take element 7"]);
}
