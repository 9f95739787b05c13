//! Fences: how far a task has come, in order with its data.

use std::thread;

use kapacitor_wasm::protocol::client::{option, text};
use kapacitor_wasm::protocol::option_value::Value;
use kapacitor_wasm::protocol::{
    BeginBatch, FenceRequest, FenceResponse, Point, RequestMessage, ResponseMessage, RestoreResponse,
    SnapshotRequest,
};

use crate::support::{
    Host, SLOW, Setup, batch, encoded, field, moving_avg, number, play, point, points, receive, send_apart,
};

fn fence(id: i64) -> RequestMessage {
    RequestMessage::Fence(FenceRequest { id, at_end: false })
}

/// The answers to fences among `responses`.
fn fences(responses: &[ResponseMessage]) -> Vec<FenceResponse> {
    let fences = responses.iter().filter_map(|response| match response {
        ResponseMessage::Fence(fence) => Some(*fence),
        _ => None,
    });
    fences.collect()
}

fn answer(id: i64, points_answered: i64) -> FenceResponse {
    FenceResponse { id, points_answered, points_skipped: 0, at_end: false }
}

#[test]
fn fence_is_answered_behind_the_output_of_the_data_before_it() {
    let host = Host::with(&["moving_avg"]);
    let ids = [7, 0, -1, i64::MIN, i64::MAX, 7];
    let mut client = host.start("moving_avg", &moving_avg(2));
    for (round, id) in (0..).zip(ids) {
        for request in points(3) {
            client.send(request).unwrap();
        }
        let mut data = Vec::new();
        assert_eq!(client.fence(id, &mut data).unwrap(), answer(id, 3 * (round + 1)));
        data.retain(|response| !matches!(response, ResponseMessage::Keepalive(_)));
        assert_eq!(field(&data, "mean").len(), 3, "{data:?}");
    }
    // All at once.
    let mut requests = points(10_000);
    for i in (0..=100).rev() {
        requests.insert(100 * i, fence(100 * i as i64));
    }
    let responses = play(host.start("moving_avg", &moving_avg(2)), requests);
    let mut data = 0;
    for response in &responses {
        match response {
            ResponseMessage::Fence(got) => assert_eq!(*got, answer(data, data)),
            _ => data += 1,
        }
    }
    assert_eq!((data, fences(&responses).len()), (10_000, 101));
}

#[test]
fn points_without_output_count_and_failures_are_told() {
    let host = Host::with(&["above", "fragile"]);
    let options = [text("field", "value"), option("threshold", Value::DoubleValue(7.0))];
    let mut data = Vec::new();
    let mut client = host.start("above", &options);
    points(10).into_iter().for_each(|request| client.send(request).unwrap());
    // The plugin skips a point that lacks the field.
    client.send(RequestMessage::Point(Point { name: "cpu".to_owned(), ..Point::default() })).unwrap();
    assert_eq!(client.fence(1, &mut data).unwrap(), answer(1, 11));
    assert_eq!(field(&data, "value"), [8.0, 9.0]);

    let mut client = host.start("fragile", &[]);
    for (i, request) in points(10).into_iter().enumerate() {
        let RequestMessage::Point(mut point) = request else { unreachable!() };
        if i % 4 == 1 {
            point.fields_int.insert("panic".to_owned(), 3);
        }
        client.send(RequestMessage::Point(point)).unwrap();
    }
    let mut data = Vec::new();
    let expected = FenceResponse { id: 2, points_answered: 10, points_skipped: 3, at_end: false };
    assert_eq!(client.fence(2, &mut data).unwrap(), expected);
    assert_eq!(field(&data, "sum").len(), 7);
}

#[test]
fn fence_needs_no_task_and_chooses_no_state() {
    let host = Host::with(&["moving_avg"]);
    let mut data = Vec::new();
    assert_eq!(host.connect("moving_avg").fence(3, &mut data).unwrap(), answer(3, 0));
    let mut client = host.start("moving_avg", &moving_avg(10));
    points(2).into_iter().for_each(|request| client.send(request).unwrap());
    let snapshot = client.snapshot(&mut data).unwrap();
    drop(client);
    host.wait_for_log(&["task ended"]);
    // A state can be given back behind it, and points of other sessions do not count.
    let mut client = host.start("moving_avg", &moving_avg(10));
    assert_eq!(client.fence(4, &mut data).unwrap(), answer(4, 0));
    assert_eq!(client.restore(snapshot).unwrap(), RestoreResponse { success: true, error: String::new() });
    assert_eq!(client.fence(5, &mut data).unwrap(), answer(5, 0));
    client.send(RequestMessage::Point(point("a", 9, 5.0))).unwrap();
    let mut data = Vec::new();
    assert_eq!(client.fence(6, &mut data).unwrap(), answer(6, 1));
    assert_eq!(field(&data, "mean"), [2.0]);
    // Nothing is answered behind a task that can't start.
    let mut client = host.connect("moving_avg");
    assert!(!client.init("task", Vec::new()).unwrap().success);
    assert!(client.fence(7, &mut data).is_err());
}

#[test]
fn fence_within_a_batch_says_what_the_plugin_has_got() {
    let host = Host::with(&["mirror_batch"]);
    let mut requests = batch("a", 1, &[1.0, 2.0, 3.0]);
    requests.insert(3, fence(2));
    requests.insert(1, fence(0));
    requests.push(fence(3));
    let responses = play(host.start("mirror_batch", &[]), requests);
    assert_eq!(fences(&responses), [answer(0, 0), answer(2, 2), answer(3, 3)]);
    // The batch goes out whole, and the last fence behind it.
    assert!(matches!(
        responses[..3],
        [ResponseMessage::Fence(_), ResponseMessage::Fence(_), ResponseMessage::Begin(_)]
    ));
    assert!(matches!(responses[responses.len() - 2..], [ResponseMessage::End(_), ResponseMessage::Fence(_)]));
    // It does not wait for the end, as a snapshot does.
    let mut client = host.start("mirror_batch", &[]);
    client.send(RequestMessage::Begin(BeginBatch::default())).unwrap();
    client.send(RequestMessage::Snapshot(SnapshotRequest {})).unwrap();
    assert_eq!(client.fence(9, &mut Vec::new()).unwrap(), answer(9, 0));
}

#[test]
fn snapshot_that_overtakes_data_stays_behind_a_fence() {
    let config = "[sessions]\nsnapshot-deadline = \"20ms\"\n[limits]\ncall-deadline = \"1m\"\n";
    let host = Setup::new(config).with_wat("slow", SLOW).serve();
    let name = "x".repeat(60 * 1024);
    let large = |time| RequestMessage::Point(Point { name: name.clone(), ..point("a", time, 1.0) });
    let snapshot = || RequestMessage::Snapshot(SnapshotRequest {});
    let mut requests: Vec<_> = (0..8).map(large).collect();
    requests.extend([fence(8), snapshot(), fence(9)]);
    requests.extend((9..17).map(large));
    requests.extend([snapshot(), fence(17)]);
    let (mut client, sender) = send_apart(host.start("slow", &[]), [encoded(requests)]);
    let mut got = Vec::new();
    while let Some(response) = receive(&mut client) {
        got.push(match response {
            ResponseMessage::Fence(fence) => fence.points_answered,
            ResponseMessage::Snapshot(_) => -1,
            other => panic!("{other:?}"),
        });
    }
    sender.join().unwrap();
    assert_eq!(got, [8, -1, 8, -1, 16]);
}

#[test]
fn points_that_are_dropped_count_at_each_fence() {
    for on_full in ["block", "drop-newest", "drop-oldest"] {
        let config = format!(
            "[sessions]\nqueue = \"4KiB\"\n[limits]\ncall-deadline = \"1m\"\n[policy]\non-full = \"{on_full}\"\n"
        );
        let host = Setup::new(&config).with_wat("slow", SLOW).serve();
        let mut requests = Vec::new();
        for chunk in 1..=6 {
            requests.extend(points(40));
            requests.push(fence(40 * chunk));
        }
        let responses = play(host.start("slow", &[]), requests);
        let expected: Vec<_> = (1..=6).map(|chunk| answer(40 * chunk, 40 * chunk)).collect();
        assert_eq!(fences(&responses), expected, "{on_full}");
        let ended = host.wait_for_log(&["task ended"]);
        assert_eq!(number(&ended, "points_in=") == 240, on_full == "block", "{on_full}: {ended}");
    }
}

#[test]
fn fence_is_answered_though_the_input_has_ended_or_the_host_stops() {
    let config = "[limits]\ncall-deadline = \"1m\"\n";
    let mut host = Setup::new(config).with_wat("slow", SLOW).with(&["stream_to_batch"]).serve();
    let responses = play(host.start("slow", &[]), points(2).into_iter().chain([fence(1)]));
    assert_eq!(fences(&responses), [answer(1, 2)]);
    // What the plugin sends at its end comes behind it.
    let size = [option("size", Value::IntValue(9))];
    let responses = play(host.start("stream_to_batch", &size), points(2).into_iter().chain([fence(1)]));
    assert!(
        matches!(responses[..2], [ResponseMessage::Fence(_), ResponseMessage::Begin(_)]),
        "{responses:?}"
    );

    let mut client = host.start("slow", &[]);
    client.send_bytes(&encoded(points(2).into_iter().chain([fence(2)]))).unwrap();
    client.keepalive(9).unwrap();
    // The host has read all of it.
    while !matches!(client.receive().unwrap(), Some(ResponseMessage::Keepalive(alive)) if alive.time == 9) {}
    host.terminate();
    assert_eq!(fences(&client.rest().unwrap()), [answer(2, 2)]);
    assert_eq!(host.wait(), Some(0));
}

#[test]
fn fence_at_the_end_comes_behind_the_last_output() {
    let host = Host::with(&["stream_to_batch", "mirror"]);
    let at_end = |id| RequestMessage::Fence(FenceRequest { id, at_end: true });
    let size = [option("size", Value::IntValue(9))];
    // Wherever it comes, it is answered last, and the other fences in their order. Of two the last one counts.
    let requests = [at_end(1)]
        .into_iter()
        .chain(points(2))
        .chain([fence(2), at_end(3)])
        .chain(points(1))
        .chain([fence(4)]);
    let responses = play(host.start("stream_to_batch", &size), requests);
    let last = FenceResponse { id: 3, points_answered: 3, points_skipped: 0, at_end: true };
    assert_eq!(fences(&responses), [answer(2, 2), answer(4, 3), last]);
    assert!(
        matches!(responses[responses.len() - 2..], [ResponseMessage::End(_), ResponseMessage::Fence(_)]),
        "{responses:?}"
    );
    // It is not answered before the client ends its input.
    let mut client = host.start("mirror", &[]);
    client.send(at_end(5)).unwrap();
    assert_eq!(client.fence(6, &mut Vec::new()).unwrap(), answer(6, 0));
    let last = FenceResponse { id: 5, points_answered: 0, points_skipped: 0, at_end: true };
    assert_eq!(fences(&play(client, [])), [last]);
    // Nor is it where the session is given up.
    let config = "[sessions]\ndrain-deadline = \"100ms\"\n[limits]\ncall-deadline = \"1m\"\n";
    let host = Setup::new(config).with(&["endless_loop"]).serve();
    let responses = play(host.start("endless_loop", &[]), points(1).into_iter().chain([at_end(7)]));
    assert_eq!(fences(&responses), []);
}

#[test]
fn too_many_fences_that_wait_close_their_connection_only() {
    let config = "[limits]\ncall-deadline = \"1m\"\n";
    let host = Setup::new(config).with_wat("slow", SLOW).with(&["mirror"]).serve();
    let mut neighbour = host.start("mirror", &[]);
    let requests = |count| points(1).into_iter().chain((0..count).map(fence));
    // As many as may wait.
    let mut client = host.start("slow", &[]);
    client.send_bytes(&encoded(requests(256))).unwrap();
    client.end_input().unwrap();
    assert_eq!(fences(&client.rest().unwrap()).len(), 256);
    let client = host.start("slow", &[]);
    let flood = thread::spawn(move || {
        let (mut reader, mut writer, _socket) = client.split();
        let _ = std::io::Write::write_all(&mut writer, &encoded(requests(100_000)));
        let _ = std::io::copy(&mut reader, &mut std::io::sink());
    });
    flood.join().unwrap();
    host.wait_for_log(&["connection closed", "more than 256 requests wait for their answers"]);
    assert_eq!(neighbour.fence(1, &mut Vec::new()).unwrap(), answer(1, 0));
}

#[test]
fn fence_among_gathered_points_does_not_wait_for_the_next_read() {
    // Small messages that follow each other quickly are read each tick, here a long one.
    let host = Setup::new("[sessions]\ngather = \"100ms\"\n").with(&["mirror"]).serve();
    let mut client = host.start("mirror", &[]);
    let mut data = Vec::new();
    for id in 0..200 {
        client.send(RequestMessage::Point(point("a", id, 1.0))).unwrap();
        client.send(RequestMessage::Point(point("b", id, 1.0))).unwrap();
        assert_eq!(client.fence(id, &mut data).unwrap(), answer(id, 2 * (id + 1)));
    }
    assert_eq!(field(&data, "value").len(), 400);
}

#[test]
fn points_that_are_passed_through_count() {
    let host = Setup::new("[policy]\non-trap = \"pass-through\"\n").with(&["trap_in_process"]).serve();
    let mut client = host.start("trap_in_process", &[]);
    points(3).into_iter().for_each(|request| client.send(request).unwrap());
    let got = client.fence(1, &mut Vec::new()).unwrap();
    assert_eq!(got, FenceResponse { id: 1, points_answered: 3, points_skipped: 3, at_end: false });
}
