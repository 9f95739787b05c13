//! Clients that tap tasks delay no task, and take a bounded amount of memory.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kapacitor_wasm::protocol::client::text;
use kapacitor_wasm::protocol::{BeginBatch, RequestMessage, ResponseMessage};

use crate::support::{Host, Setup, batch, encoded, mean, moving_avg, point, points, send_apart};

/// Size in bytes of the buffer of a tap.
const BUFFER_KIB: u64 = 4 * 1024;

fn host(plugins: &[&str]) -> Host {
    Setup::new("[http]\nlisten = \"unix:http.sock\"\n[sessions]\nqueue = \"64MiB\"\n").with(plugins).serve()
}

/// Begins a tap; returns the connection behind the head of the answer, and its status.
fn tap(host: &Host, query: &str) -> (UnixStream, u16) {
    let mut stream = UnixStream::connect(host.setup.folder.path().join("http.sock")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "GET /tap?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8(head).unwrap();
    (stream, head.split(' ').nth(1).unwrap().parse().unwrap())
}

/// Reads a tap until it ends, and returns the last part of it.
fn read_apart(mut stream: UnixStream) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let (mut last, mut part) = (Vec::new(), vec![0; 65536]);
        while let Ok(count @ 1..) = stream.read(&mut part) {
            last.extend_from_slice(&part[..count]);
            last.drain(..last.len().saturating_sub(4096));
        }
        String::from_utf8_lossy(&last).into_owned()
    })
}

/// Opens a tap as soon as there is room for it.
fn tap_when_there_is_room(host: &Host, query: &str) -> UnixStream {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (stream, status) = tap(host, query);
        if status == 200 {
            return stream;
        }
        assert!(Instant::now() < deadline, "{status}");
    }
}

/// Sends many points and counts those that come back.
fn flood(host: &Host, count: usize) {
    let client = host.start("mirror", &[]);
    let (mut client, sender) = send_apart(client, [encoded(points(count))]);
    let mut back = 0;
    while let Some(response) = client.receive().unwrap() {
        back += usize::from(matches!(response, ResponseMessage::Point(_)));
    }
    sender.join().unwrap();
    assert_eq!(back, count);
}

#[test]
fn client_that_does_not_read_stops_no_task_and_takes_no_more_than_its_buffer() {
    let host = host(&["mirror"]);
    flood(&host, 10_000);
    let before = host.resident_kib();
    let silent: Vec<_> = (0..4).map(|_| tap(&host, "task=task&most=40000&seconds=600")).collect();
    assert!(silent.iter().all(|(_, status)| *status == 200));
    // 20 times what a tap holds.
    flood(&host, 600_000);
    let after = host.resident_kib();
    // Text is longer than frames, and the queue of the session grows as well.
    assert!(after < before + 4 * 2 * BUFFER_KIB + 64 * 1024, "{before} KiB before, {after} KiB after");
    // Who reads in the end learns how much is missing.
    let reader = read_apart(silent.into_iter().next().unwrap().0);
    flood(&host, 100_000);
    let end = reader.join().unwrap();
    assert!(end.contains("as many points as asked for were seen"), "{end}");
    assert!(end.contains("left out since read too slowly: "), "{end}");
}

#[test]
fn short_data_that_makes_long_text_takes_no_memory() {
    let host = host(&["mirror", "outliers"]);
    let query = "task=task&direction=in&most=20000&seconds=20";
    // A group of a long tag, repeated as often as there are dimensions.
    let mut client = host.start("mirror", &[]);
    let reader = read_apart(tap(&host, query).0);
    let mut grouped = point("a", 1, 1.0);
    grouped.dimensions = vec!["a".to_owned(); 100_000];
    grouped.tags = [("a".to_owned(), "x".repeat(60_000))].into();
    client.send(RequestMessage::Point(grouped)).unwrap();
    // A long name of a batch, repeated for each point.
    let batches = host.start("outliers", &[text("field", "value")]);
    let named = |message| match message {
        RequestMessage::Begin(begin) => {
            RequestMessage::Begin(BeginBatch { name: "n".repeat(60_000), ..begin })
        }
        other => other,
    };
    let values = vec![1.0; 20_000];
    let (mut batches, sender) = send_apart(batches, [encoded(batch("a", 1, &values).into_iter().map(named))]);
    let mut back = 0;
    while let Some(response) = batches.receive().unwrap() {
        back += usize::from(matches!(response, ResponseMessage::End(_)));
    }
    sender.join().unwrap();
    assert_eq!(back, 1);
    let end = reader.join().unwrap();
    assert!(end.contains("# end of the tap"), "{end}");
    let peak = host.peak_kib();
    assert!(peak < 256 * 1024, "{peak} KiB at the most");
}

#[test]
fn more_taps_than_four_are_refused_until_one_ends() {
    let host = host(&["moving_avg"]);
    let mut task = host.start("moving_avg", &moving_avg(2));
    let open: Vec<_> = (0..4).map(|_| tap(&host, "task=task")).collect();
    assert!(open.iter().all(|(_, status)| *status == 200));
    for _ in 0..100 {
        let (_, status) = tap(&host, "task=task");
        assert_eq!(status, 503);
    }
    assert_eq!(mean(&mut task, 4.0), 4.0);
    // Closed in the middle, while nothing is sent.
    drop(open);
    let _again = tap_when_there_is_room(&host, "task=task");
    assert_eq!(mean(&mut task, 6.0), 5.0);
}

#[test]
fn tap_that_is_closed_in_the_middle_of_a_flood_disturbs_nobody() {
    let host = host(&["mirror"]);
    for _ in 0..20 {
        let mut stream = tap_when_there_is_room(&host, "task=task&most=1000000");
        let client = host.start("mirror", &[]);
        let (mut client, sender) = send_apart(client, [encoded(points(20_000))]);
        let mut some = [0; 100];
        stream.read_exact(&mut some).unwrap();
        drop(stream);
        let mut back = 0;
        while let Some(response) = client.receive().unwrap() {
            back += usize::from(matches!(response, ResponseMessage::Point(_)));
        }
        sender.join().unwrap();
        assert_eq!(back, 20_000);
    }
}

#[test]
fn huge_batch_goes_through_a_tap_in_pieces() {
    let host = host(&["mirror_batch"]);
    let mut stream = tap_when_there_is_room(&host, "task=task&direction=in&most=100000000&seconds=3");
    let client = host.start("mirror_batch", &[]);
    let values: Vec<f64> = (0..200_000).map(f64::from).collect();
    let (mut client, sender) = send_apart(client, [encoded(batch("a", 1, &values))]);
    let mut back = 0;
    while let Some(response) = client.receive().unwrap() {
        back += usize::from(matches!(response, ResponseMessage::Point(_)));
    }
    sender.join().unwrap();
    assert_eq!(back, values.len());
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let summary = text.lines().find(|line| line.starts_with("# end in: ")).unwrap();
    let numbers = summary.split(": ").skip(2).map(|part| part.split(',').next().unwrap());
    let numbers: Vec<usize> = numbers.filter_map(|number| number.parse().ok()).collect();
    // What was seen is what was shown and what was left out.
    assert_eq!(numbers[0], values.len(), "{summary}");
    assert_eq!(numbers[1..].iter().sum::<usize>(), values.len(), "{summary}");
    let shown = text.lines().filter(|line| line.starts_with("cpu,host=a ")).count();
    assert_eq!(shown, numbers[1], "{summary}");
    assert!(shown > 10_000, "{summary}");
}

#[test]
fn tap_needs_room_in_the_memory_of_the_host() {
    let config = "[http]\nlisten = \"unix:http.sock\"\n[host]\nmemory = \"20MiB\"\n";
    let host = Setup::new(config).with(&["mirror"]).serve();
    let open: Vec<_> = (0..2).map(|_| tap(&host, "task=task")).collect();
    assert_eq!(open.iter().map(|(_, status)| *status).collect::<Vec<_>>(), [200, 503]);
    // A request of nonsense.
    let mut client = host.connect("mirror");
    client.send(RequestMessage::Info(kapacitor_wasm::protocol::InfoRequest {})).unwrap();
    assert!(client.receive().unwrap().is_some());
}
