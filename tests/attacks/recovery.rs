//! Recovery hurts no other session, and ends.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use kapacitor_wasm::protocol::client::{Client, receive};
use kapacitor_wasm::protocol::{KeepaliveRequest, Point, RequestMessage, ResponseMessage};

use crate::support::{Setup, encoded, error_of, moving_avg, play, point};

/// A plugin that keeps ten bytes for each byte of its input, traps when it gets no more memory, and returns its
/// input. It keeps nothing of an input of less than 100 bytes.
const HOARDER: &str = r#"
    (module
      (memory (export "memory") 1)
      (data (i32.const 0) "\08\01")
      (global $input (mut i32) (i32.const 0))
      (global $room (mut i32) (i32.const 0))
      (global $kept (mut i32) (i32.const 0))
      (global $end (mut i32) (i32.const 0))
      (func $allocate (param $bytes i32) (result i32)
        (local $page i32)
        (local.set $page
          (memory.grow (i32.add (i32.shr_u (local.get $bytes) (i32.const 16)) (i32.const 1))))
        (if (i32.eq (local.get $page) (i32.const -1)) (then unreachable))
        (i32.shl (local.get $page) (i32.const 16)))
      (func (export "kapacitor_udf_abi_1"))
      (func (export "udf_input") (param $bytes i32) (result i32)
        (if (i32.gt_u (local.get $bytes) (global.get $room)) (then
          (global.set $input (call $allocate (local.get $bytes)))
          (global.set $room (local.get $bytes))))
        (global.get $input))
      (func (export "udf_info") (result i64) (i64.const 0))
      (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
      (func (export "udf_process") (param $frames i32) (param $length i32) (result i64)
        (local $bytes i32)
        (if (i32.ge_u (local.get $length) (i32.const 100)) (then
          (local.set $bytes (i32.mul (local.get $length) (i32.const 10)))))
        (if (i32.gt_u (local.get $bytes) (i32.sub (global.get $end) (global.get $kept))) (then
          (global.set $kept (call $allocate (local.get $bytes)))
          (global.set $end (i32.add (global.get $kept) (local.get $bytes)))))
        (memory.fill (global.get $kept) (i32.or (local.get $length) (i32.const 1)) (local.get $bytes))
        (global.set $kept (i32.add (global.get $kept) (local.get $bytes)))
        (i64.or
          (i64.shl (i64.extend_i32_u (local.get $frames)) (i64.const 32))
          (i64.extend_i32_u (local.get $length))))
      (func (export "udf_finish") (result i64) (i64.const 0)))"#;

/// Time in which a plugin fails again and again.
const FAILING: Duration = Duration::from_secs(4);

/// Maximum time beyond that until the plugin has failed often enough.
const PATIENCE: Duration = Duration::from_secs(60);

/// The largest of the times, and the one that 99 percent do not exceed.
fn summary(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() * 99 / 100], times[times.len() - 1])
}

/// The times of round trips of a point and of keepalives beside a plugin with `limit` MiB of memory that fails at
/// each point, and those of the plugin's own keepalives.
fn beside_failures(limit: u64) -> [Vec<Duration>; 2] {
    let config = format!(
        "[functions.hoarder]\nplugin = \"hoarder\"\n[functions.hoarder.limits]\nmemory = \"{limit}MiB\"\n\
         [functions.hoarder.policy]\nfailures-per-minute = 100000\n"
    );
    let host = Setup::new(&config).with(&["moving_avg"]).with_wat("hoarder", HOARDER).serve();
    let mut neighbour = host.start("moving_avg", &moving_avg(1));
    let (reader, mut writer, _socket) = host.start("hoarder", &[]).split();
    let (start, stop, sent) = (Instant::now(), AtomicBool::new(false), AtomicI64::new(0));
    let now = || start.elapsed().as_nanos() as i64;
    thread::scope(|scope| {
        let own = scope.spawn(|| {
            let (mut reader, mut times) = (std::io::BufReader::new(reader), Vec::new());
            while let Ok(Some(response)) = receive(&mut reader) {
                if let ResponseMessage::Keepalive(keepalive) = response
                    && keepalive.time > 0
                {
                    times.push(Duration::from_nanos((now() - keepalive.time) as u64));
                }
            }
            times
        });
        scope.spawn(|| {
            // Nearly all that fits, and then points for which there is no room, each with one that passes.
            let kept = |time| {
                RequestMessage::Point(point("a host with a long name, of which much is kept", time, 1.0))
            };
            let bulk: Vec<u8> = encoded((0..1000).map(kept));
            for _ in 0..(limit << 20) * 9 / 100 / bulk.len() as u64 {
                writer.write_all(&bulk).unwrap();
            }
            while !stop.load(Relaxed) {
                let (time, sent_at) = (sent.fetch_add(1, Relaxed), now());
                let passes = RequestMessage::Point(Point { time, ..Point::default() });
                let keepalive = RequestMessage::Keepalive(KeepaliveRequest { time: sent_at });
                let more: Vec<_> = (0..20).map(|_| kept(time)).collect();
                if writer.write_all(&encoded([more, vec![passes, keepalive]].concat())).is_err() {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        host.wait_for_log(&["plugin failed"]);
        let mut times = Vec::new();
        let until = Instant::now() + FAILING;
        let failures = || host.count_logs(&["plugin brought back"]);
        // A slow machine needs longer for so many.
        while Instant::now() < until || (failures() <= 10 && Instant::now() < until + PATIENCE) {
            let sent = Instant::now();
            round_trip(&mut neighbour);
            times.push(sent.elapsed());
            thread::sleep(Duration::from_millis(5));
        }
        stop.store(true, Relaxed);
        assert!(failures() > 10, "{}", host.log());
        drop(host);
        [times, own.join().unwrap()]
    })
}

fn round_trip(client: &mut Client) {
    client.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
    loop {
        match client.receive().unwrap().expect("the session goes on") {
            ResponseMessage::Keepalive(_) => {}
            ResponseMessage::Point(_) => return,
            other => panic!("a point was answered with {other:?}"),
        }
    }
}

#[test]
fn failures_with_a_large_memory_delay_nobody() {
    for limit in [64, 256] {
        let [neighbour, own] = beside_failures(limit);
        let count = own.len();
        let (neighbour, own) = (summary(neighbour), summary(own));
        println!("{limit} MiB: neighbour {neighbour:?}, {count} own keepalives {own:?}");
        assert!(neighbour.0 < Duration::from_millis(250), "{neighbour:?}");
        assert!(own.0 < Duration::from_millis(500), "{own:?}");
    }
}

/// A plugin that counts its calls, traps at the third one, and returns its input.
const COUNTS_TO_TWO: &str = r#"
    (module
      (memory (export "memory") 2)
      (data (i32.const 0) "\08\01")
      (global $calls (mut i32) (i32.const 0))
      (func (export "kapacitor_udf_abi_1"))
      (func (export "udf_input") (param i32) (result i32) (i32.const 65536))
      (func (export "udf_info") (result i64) (i64.const 0))
      (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
      (func (export "udf_process") (param $frames i32) (param $length i32) (result i64)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (if (i32.gt_u (global.get $calls) (i32.const 2)) (then unreachable))
        (i64.or
          (i64.shl (i64.extend_i32_u (local.get $frames)) (i64.const 32))
          (i64.extend_i32_u (local.get $length))))
      (func (export "udf_finish") (result i64) (i64.const 0)))"#;

#[test]
fn failures_in_each_state_that_is_brought_back_end_by_a_restart() {
    let host = Setup::new("").with_wat("counts", COUNTS_TO_TWO).serve();
    let mut client = host.start("counts", &[]);
    for time in 0..75 {
        client.send(RequestMessage::Point(point("a", time, 1.0))).unwrap();
        // So that each point is a call of its own.
        client.snapshot(&mut Vec::new()).unwrap();
    }
    play(client, []);
    // Two, twenty that fail, and then each point, if need be after a restart.
    let line = host.wait_for_log(&["task ended"]);
    assert!(line.contains("points_in=75 points_out=55 skipped=20"), "{line}");
    assert_eq!(host.count_logs(&["plugin fails in each state that it is brought back to", "failures=20"]), 1);
}

#[test]
fn plugin_that_fails_at_everything_ends_its_task() {
    let host = Setup::new("[policy]\nfailures-per-minute = 1000\n").with(&["trap_in_process"]).serve();
    let mut client = host.start("trap_in_process", &[]);
    let points = (0..100).map(|time| RequestMessage::Point(point("a", time, 1.0)));
    client.send_bytes(&encoded(points)).unwrap();
    let error = error_of(&client.rest().unwrap()).to_owned();
    assert!(error.contains("has failed 60 times in a row, and started anew after each failure"), "{error}");
    host.wait_for_log(&["task ended", "points_out=0 skipped=80"]);
}
