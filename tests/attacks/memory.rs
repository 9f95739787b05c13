//! Memory that a client or a guest can make the host use. It is measured as the most that the host had in RAM.

use std::io::{ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use kapacitor_wasm::protocol::client::{self, Client};
use kapacitor_wasm::protocol::wire::put_varint;
use kapacitor_wasm::protocol::{
    BeginBatch, EndBatch, FenceRequest, InfoRequest, InitRequest, KeepaliveRequest, Option as UdfOption,
    RequestMessage, ResponseMessage, RestoreRequest, SnapshotRequest,
};

use crate::support::{Host, Setup, encoded, moving_avg, play, point, receive};

/// Memory in MiB beyond the limit that a host may have: what it has before the first task, its code, and what
/// a few threads need at the same time.
const MARGIN: u64 = 64;

/// Time after which a client that can't write takes the host for one that does not read.
const BLOCKED: Duration = Duration::from_millis(500);

/// A stream guest of `pages` of memory whose `udf_process` does this, with the input at 65536. It may use the global
/// `$random`.
fn guest(pages: u32, process: &str) -> String {
    format!(
        r#"
        (module
          (memory (export "memory") {pages})
          (global $random (mut i64) (i64.const 88172645463325252))
          (data (i32.const 0) "\08\01")
          (func (export "kapacitor_udf_abi_1"))
          (func (export "udf_input") (param i32) (result i32) (i32.const 65536))
          (func (export "udf_info") (result i64) (i64.const 0))
          (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
          (func (export "udf_process") (param i32 i32) (result i64) {process})
          (func (export "udf_finish") (result i64) (i64.const 0)))"#
    )
}

/// A guest that grows to 20 MiB at its first point and fills all of it with bytes that do not compress, changing some
/// with each call. It fails if there is no memory, and returns its input.
fn grows() -> String {
    guest(
        6,
        r"
            (local $at i32)
            (if (i32.lt_u (memory.size) (i32.const 320))
              (then
                (if (i32.eq (memory.grow (i32.const 314)) (i32.const -1)) (then (unreachable)))
                (local.set $at (i32.const 393216))
                (loop $fill
                  (global.set $random (i64.xor (global.get $random) (i64.shl (global.get $random) (i64.const 13))))
                  (global.set $random (i64.xor (global.get $random) (i64.shr_u (global.get $random) (i64.const 7))))
                  (global.set $random (i64.xor (global.get $random) (i64.shl (global.get $random) (i64.const 17))))
                  (i64.store (local.get $at) (global.get $random))
                  (local.set $at (i32.add (local.get $at) (i32.const 8)))
                  (br_if $fill (i32.lt_u (local.get $at) (i32.const 20971520))))))
            (i32.store (i32.const 400000) (i32.add (i32.load (i32.const 400000)) (i32.const 1)))
            (i64.or
              (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32))
              (i64.extend_i32_u (local.get 1)))",
    )
}

/// A guest that answers each call with 8 MiB of points without a name.
fn talks() -> String {
    guest(
        132,
        r"
            (local $at i32)
            ;; A point of a text field: 1024 bytes with the header of the frame.
            (loop $fill
              (memory.copy (i32.add (i32.const 131072) (local.get $at)) (local.get 0) (local.get 1))
              (local.set $at (i32.add (local.get $at) (local.get 1)))
              (br_if $fill (i32.lt_u (local.get $at) (i32.const 8000000))))
            (i64.or (i64.const 562949953421312) (i64.extend_i32_u (local.get $at)))",
    )
}

fn init() -> Vec<u8> {
    let (task_id, node_id) = ("task".to_owned(), "udf2".to_owned());
    encoded([RequestMessage::Init(InitRequest { task_id, node_id, ..InitRequest::default() })])
}

/// Sends `bytes` again and again until the host does not read for a while or closes the connection, as it does with too
/// many requests; `most` bytes at most. Reads nothing.
fn flood(host: &Host, function: &str, before: &[u8], bytes: &[u8], most: usize) -> UnixStream {
    let mut socket = UnixStream::connect(host.socket(function)).unwrap();
    socket.set_write_timeout(Some(BLOCKED)).unwrap();
    socket.write_all(before).unwrap();
    let many = bytes.repeat((64 * 1024 / bytes.len()).max(1));
    let mut sent = 0;
    while sent < most {
        match socket.write_all(&many) {
            Ok(()) => sent += many.len(),
            // The rest of a frame may be missing, which the host can't know.
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(e) if matches!(e.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => break,
            Err(e) => panic!("{e}: {}", host.log()),
        }
    }
    socket
}

fn assert_peak(host: &Host, limit: u64, what: &str) {
    let peak = host.peak_kib() / 1024;
    println!(
        "{what}: {peak} MiB at most, {} MiB at the end, with a limit of {limit} MiB",
        host.resident_kib() / 1024
    );
    assert!(peak < limit + MARGIN, "{what}: {peak} MiB, more than {limit} MiB and {MARGIN} MiB");
}

/// Checks that a task which began before an attack still answers.
fn assert_alive(neighbour: &mut Client) {
    neighbour.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
    let response = receive(neighbour);
    assert!(matches!(response, Some(ResponseMessage::Point(_))), "{response:?}");
}

#[test]
fn requests_whose_answers_nobody_reads_are_bounded_whatever_happens_to_data() {
    let begin = encoded([RequestMessage::Begin(BeginBatch::default())]);
    let requests = [
        ("info", encoded([RequestMessage::Info(InfoRequest {})])),
        ("snapshot", encoded([RequestMessage::Snapshot(SnapshotRequest {})])),
        ("restore", encoded([RequestMessage::Restore(RestoreRequest { snapshot: vec![1; 100] })])),
        ("keepalive", encoded([RequestMessage::Keepalive(KeepaliveRequest { time: i64::MAX })])),
        ("fence", encoded([RequestMessage::Fence(FenceRequest { id: i64::MIN, at_end: false })])),
        (
            "points and snapshots",
            encoded([
                RequestMessage::Point(point("a", 1, 1.0)),
                RequestMessage::Snapshot(SnapshotRequest {}),
            ]),
        ),
        (
            "empty batches",
            encoded([RequestMessage::Begin(BeginBatch::default()), RequestMessage::End(EndBatch::default())]),
        ),
    ];
    for policy in ["block", "drop-newest", "drop-oldest"] {
        let config = format!(
            "[host]\nmemory = \"48MiB\"\n[sessions]\nqueue = \"1MiB\"\nsnapshot-deadline = \"200ms\"\n[policy]\non-full = \"{policy}\"\n"
        );
        let host = Setup::new(&config).with(&["mirror", "mirror_batch"]).serve();
        let mut neighbour = host.start("mirror", &[]);
        thread::scope(|scope| {
            for (_, request) in &requests {
                scope.spawn(|| flood(&host, "mirror", &init(), request, 16 << 20));
            }
            // Requests inside a batch wait for its end.
            for (_, request) in &requests[..2] {
                let before = [init(), begin.clone()].concat();
                scope.spawn(|| {
                    let before = before;
                    flood(&host, "mirror_batch", &before, request, 16 << 20)
                });
            }
        });
        assert_alive(&mut neighbour);
        assert_peak(&host, 48, policy);
    }
}

#[test]
fn halves_of_messages_count_for_the_host() {
    let host = Setup::new("[host]\nmemory = \"64MiB\"\n").with(&["mirror"]).serve();
    let mut neighbour = host.start("mirror", &[]);
    let mut half = Vec::new();
    put_varint(30 << 20, &mut half);
    // A point, whose first field is text.
    half.extend([0x8a, 1, 0x80, 0x80, 0x80, 0x0f]);
    half.resize(28 << 20, b'x');
    let answers: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut socket = UnixStream::connect(host.socket("mirror")).unwrap();
                    socket.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
                    // The host may close before it has read all.
                    let _ = socket.write_all(&half);
                    loop {
                        match client::receive(&mut socket) {
                            Ok(Some(ResponseMessage::Keepalive(_))) => {}
                            Ok(Some(ResponseMessage::Error(error))) => return Some(error.error),
                            _ => return None,
                        }
                    }
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert_alive(&mut neighbour);
    assert_peak(&host, 64, "halves of messages");
    let refused: Vec<_> = answers.into_iter().flatten().collect();
    assert!((1..8).contains(&refused.len()), "{refused:?}");
    assert!(refused.iter().all(|error| error.contains("of host.memory = 64MiB: raise it")), "{refused:?}");
}

#[test]
fn guests_that_grow_after_their_start_fail_at_the_limit_of_the_host() {
    let host =
        Setup::new("[host]\nmemory = \"128MiB\"\n").with(&["mirror"]).with_wat("grows", &grows()).serve();
    let mut neighbour = host.start("mirror", &[]);
    let mut clients: Vec<_> = (0..20).map(|_| host.start("grows", &[])).collect();
    let requests = encoded([RequestMessage::Point(point("a", 1, 1.0)), RequestMessage::Info(InfoRequest {})]);
    for client in &mut clients {
        client.send_bytes(&requests).unwrap();
    }
    // Nobody ends before all have had their turn.
    let mut answered = 0;
    for client in &mut clients {
        loop {
            match receive(client) {
                Some(ResponseMessage::Point(_)) => answered += 1,
                Some(ResponseMessage::Info(_)) => break,
                // Another one may take the memory with which it would start again.
                Some(ResponseMessage::Error(error)) if error.error.contains("host.memory") => break,
                other => panic!("{other:?}"),
            }
        }
    }
    // Each has 21.5 MiB with its stack; the others start with one.
    assert!((3..=6).contains(&answered), "{answered}");
    host.wait_for_log(&["plugin failed", "of host.memory = 128MiB: raise it"]);
    assert_alive(&mut neighbour);
    assert_peak(&host, 128, "guests that grow");
    // All of it is free again.
    drop(clients);
    host.wait_for_logs(&["task ended", "function=grows"], 20);
    assert_eq!(play(host.start("grows", &[]), [RequestMessage::Point(point("a", 1, 1.0))]).len(), 1);
}

#[test]
fn copies_for_recovery_are_given_up_at_the_limit_of_the_host() {
    let config = "[host]\nmemory = \"160MiB\"\n[policy]\njournal = \"64KiB\"\n";
    let host = Setup::new(config).with(&["mirror"]).with_wat("grows", &grows()).serve();
    let mut clients: Vec<_> = (0..6).map(|_| host.start("grows", &[])).collect();
    let points = encoded((0..400).map(|i| RequestMessage::Point(point("a", i, 1.0))));
    for round in 0..12 {
        for client in &mut clients {
            client.send_bytes(&points).unwrap();
            for _ in 0..400 {
                match receive(client) {
                    Some(ResponseMessage::Point(_)) => {}
                    other => panic!("round {round}: {other:?}\n{}", host.log()),
                }
            }
        }
    }
    host.wait_for_log(&["lvl=warn", "not kept for recovery", "of host.memory = 160MiB"]);
    // Once for each task.
    assert!(host.count_logs(&["not kept for recovery"]) <= 6);
    assert_peak(&host, 160, "copies for recovery");
    // There is room for a small task.
    assert_alive(&mut host.start("mirror", &[]));
}

#[test]
fn snapshots_that_nobody_reads_count_for_the_host() {
    let host =
        Setup::new("[host]\nmemory = \"200MiB\"\n").with(&["mirror"]).with_wat("grows", &grows()).serve();
    let mut neighbour = host.start("mirror", &[]);
    let mut clients: Vec<_> = (0..7).map(|_| host.start("grows", &[])).collect();
    let requests = encoded([
        RequestMessage::Point(point("a", 1, 1.0)),
        RequestMessage::Snapshot(SnapshotRequest {}),
        RequestMessage::Point(point("a", 1, 1.0)),
        RequestMessage::Snapshot(SnapshotRequest {}),
    ]);
    for client in &mut clients {
        client.send_bytes(&requests).unwrap();
    }
    host.wait_for_log(&["no snapshot taken", "of host.memory = 200MiB"]);
    assert_alive(&mut neighbour);
    assert_peak(&host, 200, "snapshots");
}

#[test]
fn output_that_nobody_reads_counts_for_the_host() {
    let host =
        Setup::new("[host]\nmemory = \"192MiB\"\n").with(&["mirror"]).with_wat("talks", &talks()).serve();
    let mut neighbour = host.start("mirror", &[]);
    let mut clients: Vec<_> = (0..12).map(|_| host.start("talks", &[])).collect();
    for client in &mut clients {
        client.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
    }
    host.wait_for_log(&["plugin failed", "to send what it returned"]);
    assert_alive(&mut neighbour);
    assert_peak(&host, 192, "output");
}

#[test]
fn requests_do_not_take_many_times_their_size() {
    let host = Host::with(&["mirror", "moving_avg"]);
    let mut neighbour = host.start("moving_avg", &moving_avg(1));
    // A point behind a field that is unknown, with ten million dimensions without a name.
    let mut client = host.start("mirror", &[]);
    let mut body = vec![0x98, 1, 0, 0x8a, 1];
    put_varint(20 << 20, &mut body);
    body.extend([0x32, 0].repeat(10 << 20));
    let mut frame = Vec::new();
    put_varint(body.len() as u64, &mut frame);
    frame.extend(body);
    client.send_bytes(&frame).unwrap();
    client.keepalive(7).unwrap();
    while !matches!(client.receive().unwrap(), Some(ResponseMessage::Keepalive(answer)) if answer.time == 7) {
    }
    // As many options.
    let options = vec![UdfOption::default(); 5 << 20];
    let init = RequestMessage::Init(InitRequest { options, ..InitRequest::default() });
    let mut client = host.connect("mirror");
    let _ = client.send(init);
    assert!(!matches!(client.receive(), Ok(Some(_))));
    host.wait_for_log(&["Kapacitor's bytes are no frames", "a request of", "is larger than 1048576"]);
    assert_alive(&mut neighbour);
    assert_peak(&host, 100, "decoded requests");
}

#[test]
fn decoded_requests_of_many_connections_stay_within_the_memory_of_the_host() {
    let host = Setup::new("[host]\nmemory = \"64MiB\"\n").with(&["mirror"]).serve();
    let mut neighbour = host.start("mirror", &[]);
    let info = encoded([RequestMessage::Info(InfoRequest {})]).repeat(100_000);
    let options = vec![UdfOption::default(); 400_000];
    let init = encoded([RequestMessage::Init(InitRequest { options, ..InitRequest::default() })]);
    for flood in [info, init] {
        thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| {
                    let mut socket = UnixStream::connect(host.socket("mirror")).unwrap();
                    socket.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
                    // The host may close before it has read all.
                    let _ = socket.write_all(&flood);
                });
            }
        });
        assert_alive(&mut neighbour);
        assert_peak(&host, 64, "decoded requests");
    }
    host.wait_for_log(&["lvl=error", "more than 256 requests wait"]);
    host.wait_for_log(&["lvl=error", "more than 4096 options and values"]);
}
