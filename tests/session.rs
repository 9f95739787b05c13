//! One connection: requests, their order, keepalives, ends and malformed input.

use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use kapacitor_wasm::internals::wire::{put_varint, varint};
use kapacitor_wasm::protocol::{InfoRequest, KeepaliveResponse, RequestMessage, ResponseMessage};

use crate::support::{
    FAIL, Host, Setup, batch, encoded, error_of, field, live_point, mean, moving_avg, number, play, point,
    points, send_apart,
};

#[test]
fn info_is_answered_without_init_and_ends_connection() {
    let host = Host::with(&["moving_avg"]);
    let mut client = host.connect("moving_avg");
    let info = client.info().unwrap();
    assert_eq!(info.options.keys().collect::<Vec<_>>(), ["as", "field", "period", "size"]);
    client.end_input().unwrap();
    assert_eq!(client.rest().unwrap(), []);
}

#[test]
fn each_request_gets_one_response() {
    let host = Host::with(&["mirror"]);
    let mut client = host.start("mirror", &[]);
    for time in 1..=3 {
        client.keepalive(time).unwrap();
        assert_eq!(client.receive().unwrap(), Some(ResponseMessage::Keepalive(KeepaliveResponse { time })));
        assert!(client.info().is_ok());
        assert!(!client.snapshot(&mut Vec::new()).unwrap().is_empty());
    }
    client.end_input().unwrap();
    assert_eq!(client.rest().unwrap(), []);
}

#[test]
fn unknown_and_empty_requests_are_ignored() {
    let host = Host::with(&["mirror"]);
    let mut client = host.start("mirror", &[]);
    // These are an empty message, and one with an unknown field 19 of two bytes.
    client.send_bytes(&[0, 5, 0x9a, 0x01, 2, 7, 7]).unwrap();
    let responses = play(client, points(1));
    assert_eq!(responses.len(), 1, "{responses:?}");
}

#[test]
fn half_close_drains_pending_input() {
    let host = Host::with(&["moving_avg"]);
    let count = 20_000;
    let bytes = encoded(points(count));
    let mut client = host.start("moving_avg", &moving_avg(2));
    client.send_bytes(&bytes[..bytes.len() / 2]).unwrap();
    let (mut client, sender) = send_apart(client, [bytes[bytes.len() / 2..].to_vec()]);
    let means = field(&client.rest().unwrap(), "mean");
    sender.join().unwrap();
    assert_eq!(means.len(), count);
    assert_eq!(means[count - 1], count as f64 - 1.5);
}

#[test]
fn drain_deadline_ends_connection_of_busy_guest() {
    let config = "[sessions]\ndrain-deadline = \"100ms\"\n[limits]\ncall-deadline = \"1h\"\n";
    let host = Setup::new(config).with(&["endless_loop", "endless_finish", "mirror"]);
    // Both plugins answer Info at once, so the host starts.
    let host = host.serve();
    for plugin in ["endless_loop", "endless_finish"] {
        let mut responses = play(host.start(plugin, &[]), points(1));
        // It takes longer than the deadline until the plugin has used up its time on a busy machine.
        responses.retain(|response| !matches!(response, ResponseMessage::Keepalive(_)));
        assert_eq!(responses, []);
    }
    host.wait_for_log(&[
        "plugin=endless_loop",
        "closed at sessions.drain-deadline",
        "the plugin still computes",
    ]);
    assert_eq!(play(host.start("mirror", &[]), points(3)).len(), 3);
}

#[test]
fn keepalives_are_answered_while_guests_compute_on_all_cpus() {
    let config = format!("[limits]\ncall-deadline = \"2s\"\n{FAIL}");
    let host = Setup::new(&config).with(&["endless_loop", "mirror"]).serve();
    let cpus = thread::available_parallelism().unwrap().get();
    let mut busy: Vec<_> = (0..2 * cpus).map(|_| host.start("endless_loop", &[])).collect();
    for client in &mut busy {
        client.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
        client.keepalive(7).unwrap();
    }
    // Another session works meanwhile.
    assert_eq!(play(host.start("mirror", &[]), points(10)).len(), 10);
    for mut client in busy {
        let responses = client.rest().unwrap();
        assert!(error_of(&responses).contains("computed for longer than limits.call-deadline = 2s"));
        let keepalive = ResponseMessage::Keepalive(KeepaliveResponse { time: 7 });
        assert_eq!(responses[0], keepalive, "the answer to the keepalive came after the end of the call");
    }
}

#[test]
fn keepalives_are_sent_during_long_call() {
    let config = format!("[limits]\ncall-deadline = \"2500ms\"\n{FAIL}");
    let host = Setup::new(&config).with(&["endless_loop"]).serve();
    let mut client = host.start("endless_loop", &[]);
    client.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
    let responses = client.rest().unwrap();
    let alive = responses.iter().filter(|r| matches!(r, ResponseMessage::Keepalive(_))).count();
    assert!(alive >= 1, "{responses:?}");
}

#[test]
fn data_before_init_is_an_error() {
    let host = Host::with(&["mirror"]);
    let responses = play(host.connect("mirror"), points(1));
    assert_eq!(error_of(&responses), "function \"mirror\": a point or batch before init");
    let responses = play(host.connect("mirror"), batch("a", 1, &[]));
    assert!(error_of(&responses).contains("before init"));
}

#[test]
fn failed_init_is_answered_and_ends_connection() {
    let host = Host::with(&["moving_avg"]);
    let mut client = host.connect("moving_avg");
    let response = client.init("task", Vec::new()).unwrap();
    assert!(!response.success);
    assert_eq!(response.error, "plugin \"moving_avg\": option `field`: missing, expected string");
    // Kapacitor leaves such a connection open, so the host closes it without waiting for a half-close.
    assert_eq!(client.rest().unwrap(), []);
}

#[test]
fn malformed_input_ends_only_its_own_session() {
    let host = Setup::new("[sessions]\nmessage = \"1MiB\"\n").with(&["mirror"]).serve();
    let mut neighbour = host.start("mirror", &[]);
    let varint = |number: u64| {
        let mut bytes = Vec::new();
        put_varint(number, &mut bytes);
        bytes
    };
    let cases: [(&str, Vec<u8>); 6] = [
        ("a message of 1048577 bytes is larger than sessions.message = 1MiB", varint((1 << 20) + 1)),
        ("a message of 4611686018427387904 bytes", varint(1 << 62)),
        ("a frame header is not a varint", vec![0xff; 16]),
        ("not a Kapacitor request", vec![3, 0xff, 0xff, 0xff]),
        ("input ends inside a message", vec![200, 1, 0x8a]),
        ("input ends inside a message", vec![0x80]),
    ];
    for (expected, bytes) in cases {
        let parts = ["lvl=error", "function=mirror", "task=task", "connection closed", expected];
        let before = host.count_logs(&parts);
        let mut client = host.start("mirror", &[]);
        client.send_bytes(&bytes).unwrap();
        if expected.contains("ends inside") {
            client.end_input().unwrap();
        }
        // A reset by the system means that the host has left bytes unread.
        match client.rest() {
            Ok(responses) => assert_eq!(responses, [], "{expected}"),
            Err(e) => assert_eq!(e.kind(), ErrorKind::ConnectionReset, "{e}"),
        }
        host.wait_for_logs(&parts, before + 1);
        neighbour.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
    }
    assert_eq!(play(neighbour, []).len(), 6);
}

#[test]
fn aborted_connections_do_not_affect_others() {
    let host = Host::with(&["mirror", "moving_avg"]);
    for _ in 0..20 {
        let mut socket = UnixStream::connect(host.socket("mirror")).unwrap();
        socket.write_all(&encoded([RequestMessage::Info(InfoRequest {})])).unwrap();
        drop(socket);
        let mut client = host.start("moving_avg", &moving_avg(3));
        for request in points(100) {
            client.send(request).unwrap();
        }
        drop(client);
    }
    assert_eq!(play(host.start("mirror", &[]), points(3)).len(), 3);
}

#[test]
fn concurrent_sessions_are_isolated() {
    let host = Host::with(&["moving_avg"]);
    let mut clients: Vec<_> = (0..50).map(|_| host.start("moving_avg", &moving_avg(100))).collect();
    for i in 0..100 {
        for (c, client) in clients.iter_mut().enumerate() {
            client.send(RequestMessage::Point(point("a", i, c as f64))).unwrap();
        }
    }
    for (c, client) in clients.into_iter().enumerate() {
        assert_eq!(field(&play(client, []), "mean"), vec![c as f64; 100]);
    }
}

#[test]
fn keepalives_follow_timeout_of_kapacitor() {
    let config = format!("[limits]\ncall-deadline = \"1s\"\n{FAIL}");
    let host = Setup::new(&config).with(&["endless_loop"]).serve();
    let mut client = host.start("endless_loop", &[]);
    // With a timeout of 80 ms Kapacitor sends keepalives at this interval.
    for time in [0, 40_000_000] {
        client.keepalive(time).unwrap();
        client.receive().unwrap();
    }
    client.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
    let responses = client.rest().unwrap();
    assert!(error_of(&responses).contains("limits.call-deadline"));
    // On an idle machine there would be one each 20 ms, for a second.
    assert!(responses.len() > 5, "{} signs of life", responses.len());
}

/// As a kapacitord that is killed: it has written, has read nothing, and all of the connection is closed.
#[test]
fn points_of_a_client_that_has_gone_are_in_the_state() {
    let host = Host::with(&["moving_avg"]);
    let count = 20_000;
    // It was cut off inside its last message.
    for (round, rest) in [&b""[..], &[0x80], &[200, 1, 0x8a]].into_iter().enumerate() {
        let mut client = host.connect("moving_avg");
        let task = format!("task{round}");
        assert!(client.init(&task, moving_avg(2)).unwrap().success);
        let mut bytes = encoded((0..count).map(|i| live_point("a", f64::from(i))));
        bytes.extend_from_slice(rest);
        client.send_bytes(&bytes).unwrap();
        drop(client);
        let task_is = format!("task={task} ");
        let ended = host.wait_for_log(&["task ended", &task_is]);
        assert_eq!(number(&ended, "points_in="), count as u64, "{ended}");
        let mut next = host.connect("moving_avg");
        assert!(next.init(&task, moving_avg(2)).unwrap().success);
        assert_eq!(mean(&mut next, f64::from(count)), f64::from(count) - 0.5);
        host.wait_for_log(&["state restored", &task_is, "points_seen=20000"]);
    }
}

#[test]
fn points_that_wait_behind_a_full_queue_are_processed_though_the_client_has_gone() {
    for gather in ["0s", "1ms"] {
        let config = format!("[sessions]\nqueue = \"64KiB\"\ngather = \"{gather}\"\n");
        let host = Setup::new(&config).with(&["mirror"]).serve();
        let (reader, mut writer, socket) = host.start("mirror", &[]).split();
        let socket = socket.unwrap();
        socket.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        let bytes = encoded(points(50_000));
        let mut written = 0;
        // The host sends what the client does not read, and stops reading.
        while let Ok(count) = writer.write(&bytes[written..]) {
            written += count;
        }
        assert!(written < bytes.len());
        drop((reader, writer, socket));
        let (mut rest, mut whole) = (&bytes[..written], 0);
        while let Ok((length, header)) = varint(rest)
            && let Some(after) = rest.get(header + length as usize..)
        {
            (rest, whole) = (after, whole + 1);
        }
        let ended = host.wait_for_log(&["task ended"]);
        assert_eq!(number(&ended, "points_in="), whole, "{ended}");
    }
}

#[test]
fn client_that_has_gone_is_given_up_at_the_drain_deadline() {
    let config = "[sessions]\ndrain-deadline = \"100ms\"\n[limits]\ncall-deadline = \"1h\"\n";
    let host = Setup::new(config).with(&["endless_loop"]).serve();
    let mut client = host.start("endless_loop", &[]);
    client.send_bytes(&encoded(points(10))).unwrap();
    drop(client);
    host.wait_for_log(&["closed at sessions.drain-deadline", "the plugin still computes"]);
    host.wait_for_log(&["connection ended"]);
}
