//! No session waits for a disk.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use kapacitor_wasm::protocol::client::Client;
use kapacitor_wasm::protocol::{RequestMessage, ResponseMessage};

use crate::support::{Host, Setup, field, live_point, mean, moving_avg, play, point, receive};

/// Maximum time by which a disk that hangs may delay a keepalive.
const MAX_DELAY: Duration = Duration::from_millis(100);

/// Checkpoints are written often.
const OFTEN: &str = "[state]\ncheckpoint-interval = \"20ms\"\n";

/// How long the disk hangs; `DISK_SECONDS=60` for the full time.
fn hang_time() -> Duration {
    let seconds = std::env::var("DISK_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(3))
}

/// A task of `moving_avg` over ten points.
fn start(host: &Host, task: &str) -> Client {
    let mut client = host.connect("moving_avg");
    let response = client.init(task, moving_avg(10)).unwrap();
    assert!(response.success, "{}", response.error);
    client
}

/// The longest round trip of a keepalive within `span`.
fn slowest_keepalive(client: &mut Client, span: Duration) -> Duration {
    let (start, mut slowest) = (Instant::now(), Duration::ZERO);
    for time in 1.. {
        if start.elapsed() > span {
            break;
        }
        let sent = Instant::now();
        client.keepalive(time).unwrap();
        loop {
            match client.receive().unwrap() {
                // The host sends keepalives of its own, without a time.
                Some(ResponseMessage::Keepalive(keepalive)) if keepalive.time == time => break,
                Some(_) => {}
                None => panic!("the connection has ended"),
            }
        }
        slowest = slowest.max(sent.elapsed());
        thread::sleep(Duration::from_millis(2));
    }
    slowest
}

/// A point that `fragile` fails at.
fn bad(time: i64) -> RequestMessage {
    let mut point = point("a", time, 1000.0);
    point.fields_int.insert("fail".to_owned(), 7);
    RequestMessage::Point(point)
}

fn files(host: &Host, folder: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(host.setup.folder.path().join("state").join(folder)) else {
        return Vec::new();
    };
    let files = entries.map(|entry| entry.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|e| e == "snapshot" || e == "toml")).collect()
}

fn threads(host: &Host) -> usize {
    fs::read_dir(host.proc("task")).unwrap().count()
}

#[test]
fn hung_disk_delays_no_keepalive_and_stops_no_task() {
    let host = Setup::new(OFTEN).with(&["moving_avg", "fragile"]).on_disk_that_may_hang().serve();
    let mut neighbour = host.start("fragile", &[]);
    let mut running = start(&host, "running");
    assert_eq!(mean(&mut running, 2.0), 2.0);
    host.wait_for_log(&["checkpoint written"]);
    // The machine may be busy: this host is on it at the same time, with a disk that does not hang.
    let calm = Setup::new(OFTEN).with(&["fragile"]).serve();
    let mut calm_client = calm.start("fragile", &[]);
    let hung = host.setup.hang();
    // Points are skipped, checkpoints fall due, tasks begin and are asked for snapshots.
    let mut failing: Vec<_> = (0..4).map(|_| host.start("fragile", &[])).collect();
    for client in &mut failing {
        (0..10).for_each(|time| client.send(bad(time)).unwrap());
        client.send(RequestMessage::Point(point("a", 11, 5.0))).unwrap();
    }
    assert_eq!(mean(&mut running, 4.0), 3.0);
    let mut new = start(&host, "new");
    new.send(live_point("a", 7.0)).unwrap();
    let (slowest, control) = thread::scope(|scope| {
        let control = scope.spawn(|| slowest_keepalive(&mut calm_client, hang_time()));
        (slowest_keepalive(&mut neighbour, hang_time()), control.join().unwrap())
    });
    println!("slowest keepalive: {slowest:?}, without the disk {control:?}");
    assert!(slowest < MAX_DELAY.max(3 * control), "{slowest:?}, without the disk {control:?}");
    assert_eq!(mean(&mut running, 6.0), 4.0);
    let snapshot = running.snapshot(&mut Vec::new()).unwrap();
    for client in &mut failing {
        assert_eq!(field(receive(client).as_slice(), "sum"), [5.0]);
    }
    // The new task waits for its checkpoint, with signs of life, but not for ever.
    let mut alive = 0;
    let first = loop {
        match new.receive().unwrap() {
            Some(ResponseMessage::Keepalive(_)) => alive += 1,
            response => break field(response.as_slice(), "mean"),
        }
    };
    assert_eq!(first, [7.0]);
    assert!(alive > 3, "{alive} signs of life");
    host.wait_for_log(&["lvl=warn", "task=new", "checkpoint can't be read, the task goes on without"]);
    // The disk is known to hang now, so that the next task does not wait.
    let begun = Instant::now();
    assert_eq!(mean(&mut start(&host, "next"), 8.0), 8.0);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let written = host.count_logs(&["checkpoint written"]);
    drop(hung);
    host.wait_for_logs(&["skipped point recorded"], 40);
    host.wait_for_logs(&["checkpoint written"], written + 1);
    assert_eq!(files(&host, "skipped").len(), 40);
    // What could not be written while the disk hung is written, although no more points come.
    drop(running);
    host.wait_for_log(&["task ended", "task=running"]);
    let mut again = start(&host, "running");
    assert!(again.restore(snapshot).unwrap().success);
    assert_eq!(mean(&mut again, 8.0), 5.0);
}

#[test]
fn task_that_is_started_again_while_the_disk_hangs_goes_on_where_it_was() {
    let host = Setup::new("").with(&["moving_avg"]).on_disk_that_may_hang().serve();
    let mut first = start(&host, "task");
    assert_eq!(mean(&mut first, 2.0), 2.0);
    let hung = host.setup.hang();
    assert_eq!(play(first, []), []);
    let mut second = start(&host, "task");
    assert_eq!(mean(&mut second, 4.0), 3.0);
    assert_eq!(play(second, []), []);
    drop(hung);
    host.wait_for_log(&["checkpoint written"]);
    assert_eq!(mean(&mut start(&host, "task"), 6.0), 4.0);
}

#[test]
fn checkpoint_that_a_hung_disk_withholds_is_set_aside_and_not_lost() {
    let mut host = Setup::new(OFTEN).with(&["moving_avg"]).on_disk_that_may_hang().serve();
    let mut first = start(&host, "task");
    assert_eq!(mean(&mut first, 2.0), 2.0);
    assert_eq!(play(first, []), []);
    host.start_again();
    let hung = host.setup.hang();
    let mut second = start(&host, "task");
    assert_eq!(mean(&mut second, 6.0), 6.0);
    drop(hung);
    let line = host.wait_for_log(&["lvl=warn", "could not be read when the task began was set aside"]);
    host.wait_for_log(&["checkpoint written"]);
    assert_eq!(play(second, []), []);
    let aside = files(&host, "set-aside");
    assert_eq!(aside.len(), 1);
    assert!(line.contains(aside[0].to_str().unwrap()), "{line}");
    let (code, _, stderr) = host.setup.run(&["state", "import", aside[0].to_str().unwrap()]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(mean(&mut start(&host, "task"), 4.0), 3.0);
}

#[test]
fn host_stops_while_the_disk_hangs_and_says_whose_state_is_lost() {
    let config = "[sessions]\ndrain-deadline = \"500ms\"\n";
    let mut host = Setup::new(config).with(&["moving_avg"]).on_disk_that_may_hang().serve();
    let mut client = start(&host, "task");
    assert_eq!(mean(&mut client, 2.0), 2.0);
    let hung = host.setup.hang();
    let begun = Instant::now();
    assert_eq!(host.stop(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    host.wait_for_log(&["lvl=error", "the last states of these tasks were not written", "tasks=task/udf2"]);
    drop(hung);
}

#[test]
fn many_tasks_on_a_hung_disk_take_few_threads() {
    let host = Setup::new(OFTEN).with(&["moving_avg"]).on_disk_that_may_hang().serve();
    let before = threads(&host);
    let hung = host.setup.hang();
    let mut tasks: Vec<_> = (0..150).map(|i| start(&host, &format!("task{i}"))).collect();
    for task in &mut tasks {
        task.send(live_point("a", 2.0)).unwrap();
    }
    for task in &mut tasks {
        assert_eq!(mean(task, 4.0), 2.0);
        assert_eq!(mean(task, 4.0), 3.0);
    }
    assert!(threads(&host) <= before + 7, "{} threads, before {before}", threads(&host));
    drop(hung);
    for i in 0..150 {
        host.wait_for_log(&["checkpoint written", &format!("task=task{i} ")]);
    }
}

#[test]
fn child_process_on_a_hung_disk_gives_signs_of_life() {
    let setup = Setup::new("").with(&["moving_avg"]).on_disk_that_may_hang();
    // The machine code is there already.
    assert_eq!(setup.run(&["check"]).0, 0);
    let log = setup.folder.path().join("log");
    let mut command = setup.command(&["stdio", "moving_avg"]);
    let stderr = fs::File::create(&log).unwrap();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
    let mut client = Client::over_pipes(child.stdout.take().unwrap(), child.stdin.take().unwrap());
    assert!(client.info().unwrap().options.contains_key("size"));
    let hung = setup.hang();
    assert!(client.init("task", moving_avg(10)).unwrap().success);
    client.send(live_point("a", 2.0)).unwrap();
    let slowest = slowest_keepalive(&mut client, Duration::from_secs(2));
    assert!(slowest < MAX_DELAY, "{slowest:?}");
    assert_eq!(mean(&mut client, 4.0), 2.0);
    assert_eq!(mean(&mut client, 6.0), 3.0);
    drop(hung);
    play(client, []);
    assert!(child.wait().unwrap().success());
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("checkpoint written"), "{log}");
}

#[test]
fn checkpoint_that_can_be_read_a_moment_later_is_used() {
    let mut host = Setup::new(OFTEN).with(&["moving_avg"]).on_disk_that_may_hang().serve();
    let mut first = start(&host, "task");
    assert_eq!(mean(&mut first, 2.0), 2.0);
    assert_eq!(play(first, []), []);
    host.start_again();
    let failing = host.setup.fail();
    let mut second = start(&host, "task");
    second.send(live_point("a", 4.0)).unwrap();
    // It waits, with signs of life.
    for _ in 0..2 {
        assert!(matches!(second.receive().unwrap(), Some(ResponseMessage::Keepalive(_))));
    }
    drop(failing);
    assert_eq!(field(receive(&mut second).as_slice(), "mean"), [3.0]);
}
