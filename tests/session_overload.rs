//! Full queues, slow plugins and slow readers.

use std::io::{Read, Write};
use std::iter;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use kapacitor_wasm::protocol::{KeepaliveResponse, RequestMessage, ResponseMessage, client};

use crate::support::{Host, SLOW, Setup, encoded, number, play, point, points, receive, send_apart};

/// Deadlines that are long enough for a busy machine.
const PATIENT: &str = "[limits]\ncall-deadline = \"1m\"\n[sessions]\ndrain-deadline = \"1m\"\n";

fn slow_host(config: &str) -> Host {
    Setup::new(config).with(&["mirror"]).with_wat("slow", SLOW).serve()
}

/// Number of points of [`flood`].
const FLOOD: u64 = 60_000;

/// Many more bytes than the buffers of the kernel, a queue of 64 KiB and a call hold.
fn flood() -> Vec<u8> {
    encoded(points(FLOOD as usize))
}

#[test]
fn full_queue_drops_points_by_policy() {
    for (policy, value) in [("drop-newest", 0), ("drop-oldest", 1)] {
        let config = format!("{PATIENT}queue = \"64KiB\"\n[functions.slow.policy]\non-full = \"{policy}\"\n");
        let host = slow_host(&config);
        let mut client = host.start("slow", &[]);
        client.send_bytes(&flood()).unwrap();
        // A keepalive is no data, so it is not dropped.
        client.keepalive(value).unwrap();
        while client.receive().unwrap() != Some(keepalive(value)) {}
        let rest = play(client, []);
        assert!(rest.iter().all(|response| matches!(response, ResponseMessage::Keepalive(_))), "{rest:?}");
        let line = host.wait_for_log(&["more input waits than sessions.queue", "points were dropped"]);
        assert!(line.contains("slow=\"the plugin computes\""), "{line}");
        let end = host.wait_for_log(&["lvl=info", "connection ended", "function=slow"]);
        let ended = host.wait_for_log(&["task ended", "function=slow"]);
        let (taken, dropped) = (number(&ended, "points_in="), number(&end, "dropped="));
        assert!(dropped > 0, "{end}");
        assert_eq!(taken + dropped, FLOOD, "{ended}\n{end}");
    }
}

fn keepalive(time: i64) -> ResponseMessage {
    ResponseMessage::Keepalive(KeepaliveResponse { time })
}

#[test]
fn full_queue_blocks_and_names_slow_plugin() {
    let config = "[sessions]\nqueue = \"64KiB\"\n[limits]\ncall-deadline = \"20s\"\n";
    let long = SLOW.replace("200000000", "4000000000");
    let host = Setup::new(config).with_wat("slow", &long).serve();
    let mut client = host.start("slow", &[]);
    let (_, mut writer, _socket) = {
        client.keepalive(1).unwrap();
        client.split()
    };
    thread::spawn(move || {
        // The write fails when the host ends.
        let _ = writer.write_all(&flood());
    });
    host.wait_for_log(&["lvl=warn", "Kapacitor has to wait", "slow=\"the plugin computes\""]);
}

#[test]
fn kapacitor_that_does_not_read_is_named_as_slow() {
    let host = Setup::new("[sessions]\nqueue = \"64KiB\"\n").with(&["mirror"]).serve();
    let client = host.start("mirror", &[]);
    let (_reader, mut writer, _socket) = client.split();
    thread::spawn(move || {
        loop {
            if writer.write_all(&flood()).is_err() {
                return;
            }
        }
    });
    host.wait_for_log(&["lvl=warn", "Kapacitor has to wait", "slow=\"Kapacitor does not read"]);
}

#[test]
fn hang_up_is_noticed_while_nothing_is_read() {
    let config = "[sessions]\nqueue = \"1KiB\"\ndrain-deadline = \"300ms\"\n[state]\ncheckpoints = \"always\"\n[limits]\ncall-deadline = \"1m\"\n";
    let host = slow_host(config);
    for restored in 1..=3 {
        let mut client = host.start("slow", &[]);
        // The host sends a sign of life once a second, which would tell it as well.
        for time in [1, 10_000_000_000] {
            client.keepalive(time).unwrap();
            while client.receive().unwrap() != Some(keepalive(time)) {}
        }
        let (reader, mut writer, socket) = client.split();
        let socket = socket.unwrap();
        socket.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
        // The host stops reading.
        assert!(writer.write_all(&flood()).is_err());
        socket.shutdown(Shutdown::Both).unwrap();
        drop((reader, writer, socket));
        // The next session of the task waits for the state of this one.
        let mut next = host.start("slow", &[]);
        next.snapshot(&mut Vec::new()).unwrap();
        drop(next);
        host.wait_for_logs(&["state restored", "from=checkpoint"], restored);
        host.wait_for_logs(&["task ended"], 2 * restored);
    }
}

#[test]
fn point_larger_than_queue_passes() {
    let host = slow_host("[policy]\non-full = \"drop-oldest\"\n[sessions]\nqueue = \"64KiB\"\n");
    let mut large = point("a", 1, 1.0);
    large.fields_string.insert("text".to_owned(), "x".repeat(1 << 20));
    assert_eq!(play(host.start("mirror", &[]), [RequestMessage::Point(large)]).len(), 1);
}

#[test]
fn slow_reader_does_not_grow_memory() {
    let host = Host::with(&["mirror"]);
    let large: String = "x".repeat(4000);
    let run = encoded((0..250).map(|i| {
        let mut point = point("a", i, 1.0);
        point.fields_string.insert("text".to_owned(), large.clone());
        RequestMessage::Point(point)
    }));
    let runs = 200;
    let (mut client, sender) = send_apart(host.start("mirror", &[]), iter::repeat_n(run, runs));
    let mut points = 0;
    let mut most = 0;
    while let Some(ResponseMessage::Point(_)) = client.receive().unwrap() {
        points += 1;
        if points % 250 == 0 {
            // This reads at most a megabyte in two milliseconds, which is slower than the host.
            thread::sleep(Duration::from_millis(2));
            most = most.max(host.resident_kib());
        }
    }
    sender.join().unwrap();
    assert_eq!(points, runs * 250);
    assert!(most < 120 * 1024, "{most} KiB resident for 200 MiB that passed through");
}

#[test]
fn slow_reader_gets_all_output_after_end_of_input() {
    let host = Setup::new("[sessions]\ndrain-deadline = \"300ms\"\n").with(&["mirror"]).serve();
    let large: String = "x".repeat(100_000);
    let mut client = host.start("mirror", &[]);
    let mut big = point("a", 1, 1.0);
    big.fields_string.insert("text".to_owned(), large);
    client.keepalive(1).unwrap();
    client.receive().unwrap();
    let bytes = encoded((0..20).map(|_| RequestMessage::Point(big.clone())));
    let (mut client, sender) = send_apart(client, [bytes]);
    for _ in 0..20 {
        // Together these pauses are longer than the drain deadline, which does not apply while Kapacitor
        // reads.
        thread::sleep(Duration::from_millis(50));
        assert!(matches!(receive(&mut client), Some(ResponseMessage::Point(_))));
    }
    assert_eq!(receive(&mut client), None);
    sender.join().unwrap();
}

/// The socket is never empty enough within the deadline for the system to say that it has room.
#[test]
fn slow_reader_of_a_full_socket_gets_all_output_after_end_of_input() {
    const POINTS: usize = 60;
    let host = Setup::new("[sessions]\ndrain-deadline = \"700ms\"\n").with(&["mirror"]).serve();
    let (_, mut writer, socket) = host.start("mirror", &[]).split();
    let mut socket = socket.unwrap();
    let mut big = point("a", 1, 1.0);
    big.fields_string.insert("text".to_owned(), "x".repeat(10_000));
    let sent = encoded((0..POINTS).map(|_| RequestMessage::Point(big.clone())));
    let (end, piece) = (socket.try_clone().unwrap(), sent.len() / POINTS);
    let sender = thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        end.shutdown(Shutdown::Write).unwrap();
    });
    let (mut received, mut buffer) = (Vec::new(), vec![0; piece]);
    loop {
        thread::sleep(Duration::from_millis(50));
        let read = socket.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        received.extend_from_slice(&buffer[..read]);
    }
    sender.join().unwrap();
    let mut received = &received[..];
    let responses = iter::from_fn(|| client::receive(&mut received).unwrap());
    assert_eq!(responses.filter(|response| matches!(response, ResponseMessage::Point(_))).count(), POINTS);
}

#[test]
fn full_queue_stops_reading_and_loses_nothing() {
    let host = Setup::new("[sessions]\nqueue = \"1KiB\"\n").with(&["mirror"]).serve();
    assert_eq!(play(host.start("mirror", &[]), points(500)).len(), 500);
}

/// The queue is far larger than what may be moved or looked at for each message.
#[test]
fn large_queue_that_drops_the_oldest_keeps_no_other_session_waiting() {
    let config = "[limits]\ncall-deadline = \"1m\"\n[sessions]\nqueue = \"64MiB\"\ndrain-deadline = \"100ms\"\n[functions.slow.policy]\non-full = \"drop-oldest\"\n";
    let host = slow_host(config);
    let mut client = host.start("slow", &[]);
    let (part, parts) = (encoded(points(100_000)), 40);
    assert!(part.len() * parts > 3 * (64 << 20));
    let mut other = host.start("mirror", &[]);
    let flooding = AtomicBool::new(true);
    let slowest = thread::scope(|scope| {
        let rounds = scope.spawn(|| {
            let (mut slowest, mut time) = (Duration::ZERO, 0);
            while flooding.load(Relaxed) {
                time += 1;
                let sent = Instant::now();
                other.keepalive(time).unwrap();
                while other.receive().unwrap() != Some(keepalive(time)) {}
                slowest = slowest.max(sent.elapsed());
            }
            slowest
        });
        (0..parts).for_each(|_| client.send_bytes(&part).unwrap());
        client.keepalive(1).unwrap();
        while client.receive().unwrap() != Some(keepalive(1)) {}
        flooding.store(false, Relaxed);
        rounds.join().unwrap()
    });
    println!("the longest round trip of another session took {slowest:?}");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    drop(client);
    let dropped = number(&host.wait_for_log(&["connection ended", "function=slow"]), "dropped=");
    // After a drop the queue is three quarters full, less what it holds beside the points.
    let kept = part.len() * parts - dropped as usize * part.len() / 100_000;
    assert!((40 << 20..90 << 20).contains(&kept), "{kept} bytes were not dropped");
}
