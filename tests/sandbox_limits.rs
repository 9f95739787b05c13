//! Limits of a sandbox, of a call and of all sandboxes together.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{slice, thread};

use kapacitor_wasm::internals::Snapshot;
use kapacitor_wasm::protocol::client::Client;
use kapacitor_wasm::protocol::{RequestMessage, ResponseMessage};

use crate::guard_attacks::{LIMITS, STRICT};
use crate::support::{FAIL, SLOW, Setup, batch, encoded, error_of, field, moving_avg, play, point};

#[test]
fn sandbox_over_its_cpu_share_is_slowed_down() {
    let config = "[functions.slow.limits]\ncpu-share = \"10%\"\n";
    let host = Setup::new(config).with(&["mirror"]).with_wat("slow", SLOW).serve();
    let mut client = host.start("slow", &[]);
    let slowed = ["plugin is slowed down", "function=slow"];
    // Each point is a call of its own, until the share of the first seconds is used up.
    for time in 0.. {
        client.send(RequestMessage::Point(point("a", time, 1.0))).unwrap();
        client.snapshot(&mut Vec::new()).unwrap();
        if host.count_logs(&slowed) > 0 {
            break;
        }
    }
    let line = host.wait_for_log(&slowed);
    assert!(line.contains("more of a core than limits.cpu-share = 10%"), "{line}");
    // Other tasks are not slowed down.
    assert_eq!(play(host.start("mirror", &[]), [RequestMessage::Point(point("a", 1, 1.0))]).len(), 1);
}

/// A request needs no share: it comes before the points that wait for it, after the deadline that all snapshots have.
#[test]
fn snapshot_and_stop_do_not_wait_for_the_cpu_share() {
    let config = "[sessions]\nsnapshot-deadline = \"200ms\"\n[functions.slow.limits]\ncpu-share = \"1%\"\ncall-deadline = \"30s\"\n";
    let mut host = Setup::new(config).with_wat("slow", SLOW).serve();
    let mut client = host.start("slow", &[]);
    let slowed = ["plugin is slowed down", "function=slow"];
    let mut sent = 0;
    while host.count_logs(&slowed) == 0 {
        client.send(RequestMessage::Point(point("a", sent, 1.0))).unwrap();
        client.snapshot(&mut Vec::new()).unwrap();
        sent += 1;
    }
    // These wait for the share of some seconds.
    let start = Instant::now();
    let waiting = (0..5).map(|i| RequestMessage::Point(point("a", sent + i, 1.0)));
    client.send_bytes(&encoded(waiting)).unwrap();
    assert!(!client.snapshot(&mut Vec::new()).unwrap().is_empty());
    // The one before the share is used up may be due only after the first of these points.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let stopped = Instant::now();
    host.stop();
    assert!(stopped.elapsed() < Duration::from_secs(8), "{:?}", stopped.elapsed());
}

/// A plugin that imports a clock gets one point in each call. Between two points of a run it waits as between two runs.
#[test]
fn snapshot_and_stop_do_not_wait_for_the_cpu_share_inside_a_run() {
    const POINTS: i64 = 15;
    let clock = r#"(module (import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i64 i32) (result i32)))"#;
    let echo = "(i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32)) (i64.extend_i32_u (local.get 1))))";
    let slow = SLOW.replacen("(module", clock, 1).replace(
        "(br_if $spin (local.get $i)))\n        (i64.const 0))",
        &format!("(br_if $spin (local.get $i))) {echo}"),
    );
    assert!(slow.contains(echo), "{slow}");
    let config = "[sessions]\nsnapshot-deadline = \"200ms\"\n[functions.slow.limits]\ncpu-share = \"1%\"\ncall-deadline = \"30s\"\n";
    let mut host = Setup::new(config).with_wat("slow", &slow).serve();
    let mut client = host.start("slow", &[]);
    let start = Instant::now();
    client
        .send_bytes(&encoded((0..POINTS).map(|time| RequestMessage::Point(point("a", time, 1.0)))))
        .unwrap();
    let mut responses = Vec::new();
    let snapshot = Snapshot::parse(&client.snapshot(&mut responses).unwrap()).unwrap();
    // The share of the first ten seconds is one call.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    host.wait_for_log(&["plugin is slowed down", "function=slow"]);
    let (seen, counts) = (snapshot.header.points_seen, snapshot.header.counts.unwrap());
    assert!((1..POINTS as u64).contains(&seen), "{seen}");
    assert_eq!((counts.points_in, counts.taken_in), (POINTS as u64, seen));
    // At its end the session gives the plugin all that was read.
    let stopped = Instant::now();
    host.stop();
    assert!(stopped.elapsed() < Duration::from_secs(8), "{:?}", stopped.elapsed());
    while let Some(response) = client.receive().unwrap() {
        responses.push(response);
    }
    let times: Vec<_> = responses
        .iter()
        .filter_map(|response| match response {
            ResponseMessage::Point(point) => Some(point.time),
            _ => None,
        })
        .collect();
    assert_eq!(times, (0..POINTS).collect::<Vec<_>>());
    host.wait_for_log(&["task ended", "points_in=15", "taken_in=15", "points_out=15", "unfinished=0"]);
}

/// What was computed until a failure counts for the share, too: a plugin that fails waits while it is brought back.
#[test]
fn snapshot_and_stop_do_not_wait_for_the_cpu_share_while_a_plugin_fails() {
    let fails = SLOW.replace("(br_if $spin (local.get $i)))", "(br_if $spin (local.get $i))) (unreachable)");
    let config = "[sessions]\nsnapshot-deadline = \"200ms\"\n[functions.slow.limits]\ncpu-share = \"1%\"\ncall-deadline = \"30s\"\n";
    let mut host = Setup::new(config).with_wat("slow", &fails).serve();
    let mut client = host.start("slow", &[]);
    let start = Instant::now();
    client.send_bytes(&encoded((0..8).map(|time| RequestMessage::Point(point("a", time, 1.0))))).unwrap();
    assert!(!client.snapshot(&mut Vec::new()).unwrap().is_empty());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let stopped = Instant::now();
    host.stop();
    assert!(stopped.elapsed() < Duration::from_secs(8), "{:?}", stopped.elapsed());
    host.wait_for_log(&["task ended", "points_in=8", "skipped=8", "unfinished=0", "recoveries=8"]);
}

#[test]
fn count_and_memory_of_all_sandboxes_are_limited() {
    let config = "[host]\nsandboxes = 2\n[functions.moving_avg]\n";
    let host = Setup::new(config).with(&["mirror", "moving_avg"]).serve();
    let (mut first, second) = (host.start("mirror", &[]), host.start("mirror", &[]));
    let response = host.connect("moving_avg").init("task", moving_avg(1)).unwrap();
    assert!(!response.success);
    assert!(
        response.error.contains("as many sandboxes run as host.sandboxes = 2 allows"),
        "{}",
        response.error
    );
    // Tasks that run go on, and one that ends makes room for another.
    first.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
    assert!(matches!(first.receive().unwrap(), Some(ResponseMessage::Point(_))));
    drop(second);
    host.wait_for_log(&["msg=\"task ended\""]);
    let means = play(host.start("moving_avg", &moving_avg(1)), [RequestMessage::Point(point("a", 1, 1.0))]);
    assert_eq!(field(&means, "mean"), [1.0]);

    let host = Setup::new("[host]\nmemory = \"2MiB\"\n").with(&["mirror"]).serve();
    let _first = host.start("mirror", &[]);
    let response = host.connect("mirror").init("task", Vec::new()).unwrap();
    assert!(!response.success);
    assert!(response.error.contains("of host.memory = 2MiB: raise it"), "{}", response.error);
}

#[test]
fn points_of_one_call_are_limited() {
    let config = format!("[limits]\noutput-points = 2\n{FAIL}");
    let host = Setup::new(&config).with(&["mirror_batch"]).serve();
    let responses = play(host.start("mirror_batch", &[]), batch("a", 1, &[1.0, 2.0, 3.0]));
    assert!(
        error_of(&responses).contains("more points in one call or batch than limits.output-points = 2"),
        "{responses:?}"
    );
}

/// Number of round trips of each kind that are measured beside busy guests.
const ROUND_TRIPS: i64 = 500;

/// Says when it is dropped that the busy guests may stop, so that they also end when the test fails.
struct StopWhenDropped<'a>(&'a AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// The next response that is not a keepalive.
fn next(client: &mut Client) -> ResponseMessage {
    loop {
        match client.receive().unwrap().expect("the session goes on") {
            ResponseMessage::Keepalive(_) => {}
            response => return response,
        }
    }
}

#[test]
fn busy_guests_do_not_delay_other_sessions() {
    let host = Setup::new(&format!("{LIMITS}{STRICT}")).with(&["busy", "moving_avg"]).serve();
    let mut neighbour = host.start("moving_avg", &moving_avg(1));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let stop_when_dropped = StopWhenDropped(&stop);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let (answered, first_answers) = mpsc::channel();
        let busy: Vec<_> = (0..2 * cores)
            .map(|_| {
                let mut client = host.start("busy", &[]);
                let (answered, stop) = (answered.clone(), &stop);
                scope.spawn(move || {
                    for call in (0..).take_while(|_| !stop.load(Relaxed)) {
                        let sent = point("a", call, 1.0);
                        client.send(RequestMessage::Point(sent.clone())).unwrap();
                        assert_eq!(next(&mut client), ResponseMessage::Point(sent));
                        if call == 0 {
                            let _ = answered.send(());
                        }
                    }
                })
            })
            .collect();
        drop(answered);
        // Once a guest has answered its first call, it is busy with the next one.
        for _ in &busy {
            first_answers.recv().expect("a busy guest answers");
        }
        let (mut keepalives, mut points) = (Vec::new(), Vec::new());
        for i in 1..=ROUND_TRIPS {
            let start = Instant::now();
            neighbour.keepalive(i).unwrap();
            loop {
                match neighbour.receive().unwrap() {
                    // The host sends keepalives by itself, too.
                    Some(ResponseMessage::Keepalive(response)) if response.time == 0 => {}
                    Some(ResponseMessage::Keepalive(response)) if response.time == i => break,
                    other => panic!("keepalive {i} was answered with {other:?}"),
                }
            }
            keepalives.push(start.elapsed());
            let start = Instant::now();
            neighbour.send(RequestMessage::Point(point("a", i, i as f64))).unwrap();
            let response = next(&mut neighbour);
            points.push(start.elapsed());
            assert_eq!(field(slice::from_ref(&response), "mean"), [i as f64]);
            assert!(matches!(response, ResponseMessage::Point(point) if point.time == i));
        }
        assert!(busy.iter().all(|busy| !busy.is_finished()), "a busy guest has failed");
        drop(stop_when_dropped);
        for (what, mut times) in [("keepalive", keepalives), ("point", points)] {
            times.sort();
            let at = |percent: usize| times[times.len() * percent / 100];
            println!(
                "{what} beside {} busy guests on {cores} cores: p50 {:?}, p99 {:?}, longest {:?}",
                2 * cores,
                at(50),
                at(99),
                times[times.len() - 1]
            );
        }
    });
    assert_eq!(play(neighbour, []), []);
}

#[test]
fn clock_of_the_guests_stands_still_while_none_runs() {
    let host = Setup::new("").with(&["mirror", "endless_loop"]).serve();
    let wakes = || {
        let threads = fs::read_dir(host.proc("task")).unwrap().map(|thread| thread.unwrap().path());
        let status = threads.map(|thread| fs::read_to_string(thread.join("status")).unwrap_or_default());
        let epoch = status.into_iter().find(|status| status.starts_with("Name:\tepoch\n")).unwrap();
        let wakes = epoch.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        wakes.unwrap().trim().parse::<u64>().unwrap()
    };
    for _ in 0..2 {
        assert_eq!(play(host.start("mirror", &[]), [RequestMessage::Point(point("a", 1, 1.0))]).len(), 1);
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let before = wakes();
            thread::sleep(Duration::from_millis(500));
            let woken = wakes() - before;
            if woken == 0 {
                break;
            }
            assert!(Instant::now() < deadline, "{woken} wake-ups in half a second");
        }
        // It ticks again, or this guest would go on for ever.
        let mut endless = host.start("endless_loop", &[]);
        endless.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
        endless.snapshot(&mut Vec::new()).unwrap();
    }
    host.wait_for_logs(&["plugin failed", "limits.call-deadline"], 2);
}
