//! One connection: requests, their order, its ends, and bad input.

use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;

use kapacitor_wasm::protocol::client::Client;
use kapacitor_wasm::protocol::{
    InfoRequest, KeepaliveResponse, RequestMessage, ResponseMessage, put_request,
};

use crate::support::{FAIL, Host, Setup, batch, error_of, field, moving_avg, play, point};

fn points(n: usize) -> Vec<RequestMessage> {
    (0..n).map(|i| RequestMessage::Point(point("a", i as i64, i as f64))).collect()
}

#[test]
fn info_needs_no_init_and_the_host_closes_after_it() {
    let host = Host::with(&["moving_avg"]);
    let mut client = host.connect("moving_avg");
    let info = client.info().unwrap();
    assert_eq!(info.options.keys().collect::<Vec<_>>(), ["as", "field", "size"]);
    client.end_input().unwrap();
    assert_eq!(client.rest().unwrap(), []);
}

#[test]
fn kapacitor_can_connect_while_plugins_are_being_loaded() {
    // One that takes its time to be refused.
    let config = "[limits]\ncall-deadline = \"2500ms\"\n";
    let host = Setup::new(config).with(&["endless_start", "mirror"]).begin_to_serve();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let connect = |function: &str| loop {
        match Client::connect(&host.socket(function)) {
            Ok(client) => break client,
            Err(e) => assert!(std::time::Instant::now() < deadline, "{e}\n{}", host.log()),
        }
    };
    // Who asks for a plugin that is there is answered, others are told of life.
    let mut slow = connect("endless_start");
    slow.send(RequestMessage::Info(InfoRequest {})).unwrap();
    let alive = slow.receive().unwrap();
    assert_eq!(alive, Some(ResponseMessage::Keepalive(KeepaliveResponse::default())));
    assert_eq!(connect("mirror").info().unwrap().options.len(), 0);
    assert_eq!(host.count_logs(&["msg=ready"]), 0);
    slow.end_input().unwrap();
    assert!(matches!(slow.rest().unwrap().last(), Some(ResponseMessage::Info(_))));
}

#[test]
fn each_request_has_one_response() {
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
    // An empty message; field 19 with two bytes.
    client.send_bytes(&[0, 5, 0x9a, 0x01, 2, 7, 7]).unwrap();
    let responses = play(client, points(1));
    assert_eq!(responses.len(), 1, "{responses:?}");
}

#[test]
fn a_half_close_drains_what_is_pending() {
    let host = Host::with(&["moving_avg"]);
    let mut bytes = Vec::new();
    let count = 20_000;
    for request in points(count) {
        put_request(request, &mut bytes);
    }
    let mut client = host.start("moving_avg", &moving_avg(2));
    client.send_bytes(&bytes[..bytes.len() / 2]).unwrap();
    let (reader, mut writer, socket) = client.split();
    let rest = bytes[bytes.len() / 2..].to_vec();
    let sender = std::thread::spawn(move || {
        writer.write_all(&rest).unwrap();
        socket.unwrap().shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut client = Client::over_pipes(reader, std::io::sink());
    let means = field(&client.rest().unwrap(), "mean");
    sender.join().unwrap();
    assert_eq!(means.len(), count);
    assert_eq!(means[count - 1], count as f64 - 1.5);
}

#[test]
fn a_connection_ends_at_the_drain_deadline_whatever_the_guest_does() {
    let config = "[sessions]\ndrain-deadline = \"100ms\"\n[limits]\ncall-deadline = \"1h\"\n";
    let host = Setup::new(config).with(&["endless_loop", "endless_finish", "mirror"]);
    // Their Info is asked for under limits too, and is harmless.
    let host = host.serve();
    assert_eq!(play(host.start("endless_loop", &[]), points(1)), []);
    assert_eq!(play(host.start("endless_finish", &[]), points(1)), []);
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
    let cpus = std::thread::available_parallelism().unwrap().get();
    let mut busy: Vec<_> = (0..2 * cpus).map(|_| host.start("endless_loop", &[])).collect();
    for client in &mut busy {
        client.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
        client.keepalive(7).unwrap();
    }
    // A neighbour works on meanwhile.
    assert_eq!(play(host.start("mirror", &[]), points(10)).len(), 10);
    for mut client in busy {
        let responses = client.rest().unwrap();
        assert!(error_of(&responses).contains("computed for longer than limits.call-deadline = 2s"));
        let keepalive = ResponseMessage::Keepalive(KeepaliveResponse { time: 7 });
        assert_eq!(responses[0], keepalive, "the answer to the keepalive came after the end of the call");
    }
}

#[test]
fn kapacitor_is_told_of_life_while_a_guest_computes() {
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
fn a_failed_init_is_answered_and_then_the_host_closes() {
    let host = Host::with(&["moving_avg"]);
    let mut client = host.connect("moving_avg");
    let response = client.init("task", Vec::new()).unwrap();
    assert!(!response.success);
    assert_eq!(
        response.error,
        "plugin \"moving_avg\": option `field`: missing, expected string; option `size`: missing, expected int"
    );
    // Without a half-close: Kapacitor leaves such a connection open for ever.
    assert_eq!(client.rest().unwrap(), []);
}

#[test]
fn a_plugin_error_ends_the_task_after_what_came_before() {
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
fn bad_bytes_end_their_session_with_a_log_line_and_nothing_else() {
    let host = Setup::new("[sessions]\nmessage = \"1MiB\"\n").with(&["mirror"]).serve();
    let mut neighbour = host.start("mirror", &[]);
    let varint = |mut n: u64| {
        let mut bytes = Vec::new();
        while n >= 0x80 {
            bytes.push(n as u8 | 0x80);
            n >>= 7;
        }
        bytes.push(n as u8);
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
        // The system may say that unread bytes were lost.
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
fn a_connection_that_goes_away_harms_nobody() {
    let host = Host::with(&["mirror", "moving_avg"]);
    for _ in 0..20 {
        let mut socket = UnixStream::connect(host.socket("mirror")).unwrap();
        let mut bytes = Vec::new();
        put_request(RequestMessage::Info(InfoRequest {}), &mut bytes);
        socket.write_all(&bytes).unwrap();
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
fn many_sessions_at_once_keep_to_themselves() {
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
fn a_reader_that_lags_costs_no_memory() {
    let host = Host::with(&["mirror"]);
    let large: String = "x".repeat(4000);
    let mut run = Vec::new();
    for i in 0..250 {
        let mut point = point("a", i, 1.0);
        point.fields_string.insert("text".to_owned(), large.clone());
        put_request(RequestMessage::Point(point), &mut run);
    }
    let (reader, mut writer, socket) = host.start("mirror", &[]).split();
    let runs = 200;
    let sender = std::thread::spawn(move || {
        (0..runs).for_each(|_| writer.write_all(&run).unwrap());
        socket.unwrap().shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut client = Client::over_pipes(reader, std::io::sink());
    let mut points = 0;
    let mut most = 0;
    while let Some(ResponseMessage::Point(_)) = client.receive().unwrap() {
        points += 1;
        if points % 250 == 0 {
            // A megabyte in two milliseconds and more, which is less than the host passes on.
            std::thread::sleep(std::time::Duration::from_millis(2));
            most = most.max(host.resident_kib());
        }
    }
    sender.join().unwrap();
    assert_eq!(points, runs * 250);
    assert!(most < 120 * 1024, "{most} KiB resident for 200 MiB that passed through");
}

#[test]
fn a_slow_reader_gets_all_of_it_after_the_end_of_the_input() {
    let host = Setup::new("[sessions]\ndrain-deadline = \"300ms\"\n").with(&["mirror"]).serve();
    let large: String = "x".repeat(100_000);
    let mut client = host.start("mirror", &[]);
    let mut big = point("a", 1, 1.0);
    big.fields_string.insert("text".to_owned(), large);
    let (reader, mut writer, socket) = {
        client.keepalive(1).unwrap();
        client.receive().unwrap();
        client.split()
    };
    let mut bytes = Vec::new();
    (0..20).for_each(|_| put_request(RequestMessage::Point(big.clone()), &mut bytes));
    let sender = std::thread::spawn(move || {
        writer.write_all(&bytes).unwrap();
        socket.unwrap().shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut client = Client::over_pipes(reader, std::io::sink());
    for _ in 0..20 {
        // All in all longer than the deadline, which is for a Kapacitor that does not read at all.
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(matches!(client.receive().unwrap(), Some(ResponseMessage::Point(_))));
    }
    assert_eq!(client.receive().unwrap(), None);
    sender.join().unwrap();
}

#[test]
fn a_full_queue_stops_reading_and_loses_nothing() {
    let host = Setup::new("[sessions]\nqueue = \"1KiB\"\n").with(&["mirror"]).serve();
    assert_eq!(play(host.start("mirror", &[]), points(500)).len(), 500);
}
