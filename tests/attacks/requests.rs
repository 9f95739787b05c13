//! Work for one session delays no other: floods of requests, of small frames and of bytes one by one.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use kapacitor_wasm::protocol::client::Client;
use kapacitor_wasm::protocol::{
    BeginBatch, EndBatch, FenceRequest, InfoRequest, InitRequest, KeepaliveRequest, RequestMessage,
    ResponseMessage, SnapshotRequest,
};

use crate::support::{Setup, encoded, point, receive};

/// Maximum time of a neighbour's keepalive, on a machine that has much else to do.
const PROMPT: Duration = Duration::from_millis(500);

fn init() -> Vec<u8> {
    let (task_id, node_id) = ("task".to_owned(), "udf2".to_owned());
    encoded([RequestMessage::Init(InitRequest { task_id, node_id, ..InitRequest::default() })])
}

/// The longest time of a neighbour's keepalives while `done` is not set.
fn longest(neighbour: &mut Client, done: &AtomicBool) -> Duration {
    let mut longest = Duration::ZERO;
    for time in 1.. {
        let start = Instant::now();
        neighbour.keepalive(time).unwrap();
        while !matches!(neighbour.receive().unwrap(), Some(ResponseMessage::Keepalive(answer)) if answer.time == time)
        {
        }
        longest = longest.max(start.elapsed());
        if done.load(Relaxed) {
            break;
        }
        thread::sleep(Duration::from_millis(2));
    }
    longest
}

#[test]
fn floods_of_requests_do_not_delay_other_sessions() {
    let text = "x".repeat(1000);
    let large = encoded((0..400).map(|i| {
        let mut point = point("a", i, 1.0);
        point.fields_string.insert("text".to_owned(), text.clone());
        RequestMessage::Point(point)
    }));
    let snapshot = || RequestMessage::Snapshot(SnapshotRequest {});
    let mut empty_points = Vec::new();
    for _ in 0..29_000 {
        empty_points.extend([3, 0x8a, 1, 0]);
        empty_points.extend(encoded([snapshot()]));
    }
    let many = |request: RequestMessage, count: usize| encoded([request]).repeat(count);
    let batch = [RequestMessage::Begin(BeginBatch::default()), RequestMessage::End(EndBatch::default())];
    let floods = [
        ("points and snapshots behind output", "mirror", [large, empty_points].concat()),
        ("snapshots", "mirror", many(snapshot(), 100_000)),
        ("info", "mirror", many(RequestMessage::Info(InfoRequest {}), 100_000)),
        (
            "fences",
            "mirror",
            many(RequestMessage::Fence(FenceRequest { id: i64::MIN, at_end: false }), 100_000),
        ),
        (
            "keepalives",
            "mirror",
            many(RequestMessage::Keepalive(KeepaliveRequest { time: 1 << 60 }), 300_000),
        ),
        ("empty frames", "mirror", vec![0; 2 << 20]),
        ("empty batches", "mirror_batch", encoded(batch).repeat(100_000)),
        ("empty points", "dropping", [3, 0x8a, 1, 0].repeat(500_000)),
    ];
    let config = "[sessions]\nqueue = \"32MiB\"\n[functions.dropping]\nplugin = \"mirror\"\n[functions.dropping.policy]\non-full = \"drop-oldest\"\n";
    let host = Setup::new(config).with(&["mirror", "mirror_batch"]).serve();
    let mut neighbour = host.start("mirror", &[]);
    for (what, function, flood) in &floods {
        let done = AtomicBool::new(false);
        let longest = thread::scope(|scope| {
            let clients: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        let mut socket = UnixStream::connect(host.socket(function)).unwrap();
                        socket.set_write_timeout(Some(Duration::from_millis(1500))).unwrap();
                        socket.write_all(&init()).unwrap();
                        // The host stops reading, since nobody reads its answers.
                        let _ = socket.write_all(flood);
                        thread::sleep(Duration::from_millis(500));
                        socket
                    })
                })
                .collect();
            let watch = scope.spawn(|| longest(&mut neighbour, &done));
            let sockets: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
            // The snapshots that wait behind data overtake it at the deadline, one second.
            thread::sleep(Duration::from_secs(1));
            done.store(true, Relaxed);
            drop(sockets);
            watch.join().unwrap()
        });
        println!("{what}: a neighbour's keepalive took {longest:?} at most");
        assert!(longest < PROMPT, "{what}: {longest:?}");
    }
}

#[test]
fn message_that_comes_byte_by_byte_does_not_delay_other_sessions() {
    let host = Setup::new("").with(&["mirror"]).serve();
    let mut neighbour = host.start("mirror", &[]);
    let mut client = host.start("mirror", &[]);
    let mut large = point("a", 1, 1.0);
    large.fields_string.insert("text".to_owned(), "x".repeat(4 << 20));
    let frame = encoded([RequestMessage::Point(large.clone())]);
    client.send_bytes(&frame[..frame.len() - 20_000]).unwrap();
    let done = AtomicBool::new(false);
    let longest = thread::scope(|scope| {
        let watch = scope.spawn(|| longest(&mut neighbour, &done));
        for byte in &frame[frame.len() - 20_000..] {
            client.send_bytes(&[*byte]).unwrap();
        }
        done.store(true, Relaxed);
        watch.join().unwrap()
    });
    assert_eq!(receive(&mut client), Some(ResponseMessage::Point(large)));
    assert!(longest < PROMPT, "{longest:?}");
}
