//! Checkpoints of the host, and the choice between them and Kapacitor's snapshots.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kapacitor_wasm::internals::Snapshot;
use kapacitor_wasm::protocol::client::{Client, option};
use kapacitor_wasm::protocol::option_value::Value;
use kapacitor_wasm::protocol::{RequestMessage, ResponseMessage};

use crate::support::{Host, SLOW, Setup, batch, field, live_point, mean, moving_avg, play, point, receive};

/// Starts a session of the task and node that all tests here use.
fn start(host: &Host) -> Client {
    host.start("moving_avg", &moving_avg(10))
}

/// Ends a session as Kapacitor does, and waits until the host has ended it, too.
fn end(client: Client) {
    assert_eq!(play(client, []), []);
}

fn files(host: &Host, folder: &str) -> Vec<PathBuf> {
    let folder = host.setup.folder.path().join("state").join(folder);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let files = entries.map(|entry| entry.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|e| e == "snapshot")).collect()
}

/// Waits until a checkpoint is of a state that has seen so many points. A session may end before it is written.
fn wait_for_points(file: &Path, points: u64) {
    let seen = || Some(Snapshot::peek(fs::File::open(file).ok()?).unwrap().points_seen);
    let deadline = Instant::now() + Duration::from_secs(60);
    while seen() != Some(points) {
        assert!(Instant::now() < deadline, "{:?} points", seen());
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until the only checkpoint is of a state that has seen so many points; returns its file.
fn wait_for_checkpoint(host: &Host, points: u64) -> PathBuf {
    host.wait_for_log(&["checkpoint written"]);
    let [file] = files(host, "checkpoints").try_into().expect("one checkpoint");
    wait_for_points(&file, points);
    file
}

#[test]
fn reenabled_task_continues_from_checkpoint() {
    let host = Host::with(&["moving_avg"]);
    let mut first = start(&host);
    assert_eq!((mean(&mut first, 2.0), mean(&mut first, 4.0)), (2.0, 3.0));
    end(first);
    let mut second = start(&host);
    assert_eq!(mean(&mut second, 6.0), 4.0);
    host.wait_for_log(&["state restored", "from=checkpoint", "points_seen=2"]);
    // Kapacitor may disconnect without ending its input.
    drop(second);
    host.wait_for_logs(&["msg=\"task ended\""], 2);
    assert_eq!(mean(&mut start(&host), 8.0), 5.0);
    // There is one file for the task, however often it was written.
    host.wait_for_log(&["checkpoint written"]);
    assert_eq!(files(&host, "checkpoints").len(), 1);
}

#[test]
fn newer_of_snapshot_and_checkpoint_is_restored() {
    let mut host = Host::with(&["moving_avg"]);
    let mut first = start(&host);
    mean(&mut first, 2.0);
    let older = first.snapshot(&mut Vec::new()).unwrap();
    mean(&mut first, 4.0);
    end(first);
    let mut second = start(&host);
    assert!(second.restore(older.clone()).unwrap().success);
    assert_eq!(mean(&mut second, 6.0), 4.0);
    let because = "because=\"the snapshot has seen 1 points and the checkpoint 2\"";
    host.wait_for_log(&["state restored", "from=checkpoint", "points_seen=2", because]);
    let newer = second.snapshot(&mut Vec::new()).unwrap();
    drop(second);
    host.wait_for_logs(&["msg=\"task ended\""], 2);
    let checkpoint = wait_for_checkpoint(&host, 3);
    // Kapacitor's snapshot is the newer one, as if the last changes in the state folder had been lost. While the host
    // runs, it may not be done with the file.
    host.stop();
    fs::write(checkpoint, older).unwrap();
    host.serve_again();
    let mut third = start(&host);
    assert!(third.restore(newer).unwrap().success);
    assert_eq!(mean(&mut third, 8.0), 5.0);
    host.wait_for_log(&["state restored", "from=snapshot", "points_seen=3"]);
}

#[test]
fn checkpoint_survives_crash_of_host() {
    let mut host = Setup::new("[state]\ncheckpoint-interval = \"10ms\"\n").with(&["moving_avg"]).serve();
    let mut client = start(&host);
    mean(&mut client, 2.0);
    host.wait_for_log(&["checkpoint written"]);
    mean(&mut client, 4.0);
    // The checkpoint of the second point is written.
    host.wait_for_logs(&["checkpoint written"], 2);
    host.kill();
    host.serve_again();
    assert_eq!(mean(&mut start(&host), 6.0), 4.0);
    host.wait_for_log(&["state restored", "from=checkpoint", "points_seen=2"]);
}

#[test]
fn stopped_host_processes_its_input_and_writes_checkpoint() {
    let mut host = Host::with(&["moving_avg", "mirror"]);
    let mut client = start(&host);
    assert_eq!(mean(&mut client, 2.0), 2.0);
    for value in [4.0, 6.0] {
        client.send(live_point("a", value)).unwrap();
    }
    // The answer to a keepalive shows that the input before it was read.
    client.keepalive(1).unwrap();
    let (mut means, mut alive) = (Vec::new(), false);
    while means.len() < 2 || !alive {
        match client.receive().unwrap() {
            Some(ResponseMessage::Keepalive(_)) => alive = true,
            response => means.extend(field(response.as_slice(), "mean")),
        }
    }
    assert_eq!(means, [3.0, 4.0]);
    let idle = host.start("mirror", &[]);
    assert_eq!(host.stop(), Some(0));
    // Both connections end between two frames.
    assert_eq!((client.rest().unwrap(), play(idle, [])), (vec![], vec![]));
    host.serve_again();
    assert_eq!(mean(&mut start(&host), 8.0), 5.0);
    host.wait_for_log(&["state restored", "from=checkpoint", "points_seen=3"]);
}

#[test]
fn checkpoint_of_deleted_task_is_set_aside() {
    let host = Host::with(&["moving_avg"]);
    let mut first = start(&host);
    mean(&mut first, 2.0);
    first.snapshot(&mut Vec::new()).unwrap();
    mean(&mut first, 4.0);
    end(first);
    // A Kapacitor that had deleted the task restores nothing.
    assert_eq!(mean(&mut start(&host), 6.0), 6.0);
    let line =
        host.wait_for_log(&["lvl=info", "the task starts clean", "Kapacitor has forgotten its snapshot"]);
    let aside = files(&host, "set-aside");
    assert_eq!(aside.len(), 1);
    assert!(line.contains(aside[0].to_str().unwrap()), "{line}");
}

#[test]
fn state_that_can_not_be_set_aside_stays_until_it_can() {
    let host = Setup::new("[state]\ncheckpoint-interval = \"10ms\"\n").with(&["moving_avg"]).serve();
    let mut first = start(&host);
    mean(&mut first, 100.0);
    end(first);
    let checkpoint = wait_for_checkpoint(&host, 1);
    let old = fs::read(&checkpoint).unwrap();
    // Nothing can be set aside while there is a file in the place of the folder.
    let aside = host.setup.folder.path().join("state/set-aside");
    let _ = fs::remove_dir_all(&aside);
    fs::write(&aside, "").unwrap();
    let mut other = host.start("moving_avg", &moving_avg(11));
    assert_eq!(mean(&mut other, 1.0), 1.0);
    host.wait_for_log(&["state can't be set aside: it stays in the file of the checkpoint"]);
    host.wait_for_log(&["lvl=error", "checkpoint"]);
    assert_eq!(fs::read(&checkpoint).unwrap(), old);
    fs::remove_file(&aside).unwrap();
    mean(&mut other, 1.0);
    end(other);
    host.wait_for_log(&["was set aside"]);
    wait_for_points(&checkpoint, 2);
    let kept: Vec<_> = files(&host, "set-aside").iter().map(|file| fs::read(file).unwrap()).collect();
    assert_eq!(kept, [old]);
}

#[test]
fn checkpoint_with_a_name_of_before_is_taken() {
    let mut host = Host::with(&["moving_avg"]);
    let mut first = start(&host);
    mean(&mut first, 2.0);
    end(first);
    let checkpoint = wait_for_checkpoint(&host, 1);
    assert_eq!(host.stop(), Some(0));
    // The hash in the name was shorter.
    let name = checkpoint.file_name().unwrap().to_str().unwrap().to_owned();
    let (stem, hash) = name.strip_suffix(".snapshot").unwrap().rsplit_once('-').unwrap();
    let former = checkpoint.with_file_name(format!("{stem}-{}.snapshot", &hash[..8]));
    fs::rename(&checkpoint, &former).unwrap();
    host.serve_again();
    assert_eq!(mean(&mut start(&host), 4.0), 3.0);
    assert!(!former.exists() && checkpoint.exists());
}

#[test]
fn replay_does_not_change_state_of_live_task() {
    let host = Setup::new("[state]\ncheckpoint-interval = \"10ms\"\n").with(&["moving_avg"]).serve();
    let mut live = start(&host);
    mean(&mut live, 2.0);
    let snapshot = live.snapshot(&mut Vec::new()).unwrap();
    // Kapacitor gives a replay the live task's snapshot, and may store the replay's in its place.
    let mut replay = start(&host);
    assert!(replay.restore(snapshot).unwrap().success);
    assert_eq!(mean(&mut replay, 100.0), 51.0);
    let of_replay = replay.snapshot(&mut Vec::new()).unwrap();
    for _ in 0..5 {
        mean(&mut replay, 100.0);
    }
    end(replay);
    assert_eq!(mean(&mut live, 4.0), 3.0);
    end(live);
    let mut again = start(&host);
    assert!(again.restore(of_replay).unwrap().success);
    assert_eq!(mean(&mut again, 6.0), 4.0);
    let because = "because=\"the snapshot was taken of a replay\"";
    host.wait_for_log(&["state restored", "from=checkpoint", "points_seen=2", because]);
}

#[test]
fn replay_writes_checkpoint_only_with_checkpoints_always() {
    let host = Setup::new("[state]\ncheckpoint-interval = \"10ms\"\n").with(&["moving_avg"]).serve();
    // The times of a replay are not those of now.
    for _ in 0..2 {
        let mut replay = start(&host);
        for time in [1, 2] {
            replay.send(RequestMessage::Point(point("a", time, 2.0 * time as f64))).unwrap();
        }
        assert_eq!(field(&play(replay, []), "mean"), [2.0, 3.0]);
    }
    assert!(files(&host, "checkpoints").is_empty());

    let host = Setup::new("[state]\ncheckpoints = \"always\"\n").with(&["moving_avg"]).serve();
    for expected in [[2.0, 3.0], [8.0 / 3.0, 3.0]] {
        let mut replay = start(&host);
        for time in [1, 2] {
            replay.send(RequestMessage::Point(point("a", time, 2.0 * time as f64))).unwrap();
        }
        assert_eq!(field(&play(replay, []), "mean"), expected);
    }
    let host = Setup::new("[state]\ncheckpoints = \"never\"\n").with(&["moving_avg"]).serve();
    for _ in 0..2 {
        let mut client = start(&host);
        assert_eq!(mean(&mut client, 2.0), 2.0);
        end(client);
    }
    assert!(files(&host, "checkpoints").is_empty());
}

#[test]
fn unwritable_checkpoints_folder_is_warned_about_once() {
    let config = "[state]\ncheckpoint-interval = \"10ms\"\n";
    let setup = Setup::new(config).with(&["moving_avg"]);
    let state = setup.folder.path().join("state");
    fs::create_dir(&state).unwrap();
    // A file stands where the folder should be, which stops even root.
    fs::write(state.join("checkpoints"), "").unwrap();
    let host = setup.serve();
    let mut client = start(&host);
    assert_eq!(mean(&mut client, 2.0), 2.0);
    host.wait_for_log(&["lvl=warn", "checkpoints can't be written, tasks go on without"]);
    assert_eq!(mean(&mut client, 4.0), 3.0);
    end(client);
    // The task goes on with its state, which is still in memory.
    assert_eq!(mean(&mut start(&host), 6.0), 4.0);
    assert_eq!(host.count_logs(&["checkpoints can't be written"]), 1);
    // The folder can be written again.
    fs::remove_file(state.join("checkpoints")).unwrap();
    let mut client = host.start("moving_avg", &moving_avg(3));
    mean(&mut client, 1.0);
    host.wait_for_log(&["checkpoints are written again"]);
}

#[test]
fn output_at_end_of_input_does_not_change_checkpoint() {
    // A plugin that sends its points at the end of the input still has them when the task continues.
    let host = Host::with(&["stream_to_batch"]);
    let options = [option("size", Value::IntValue(3))];
    let mut first = host.start("stream_to_batch", &options);
    first.send(live_point("a", 1.0)).unwrap();
    let sent = play(first, []);
    let mut second = host.start("stream_to_batch", &options);
    second.send(live_point("a", 2.0)).unwrap();
    let points = |responses: &[ResponseMessage]| {
        responses.iter().filter(|response| matches!(response, ResponseMessage::Point(_))).count()
    };
    assert_eq!((points(&sent), points(&play(second, []))), (1, 2));
}

#[test]
fn child_processes_share_one_checkpoint_per_task() {
    let setup = Setup::new("").with(&["moving_avg"]);
    let spawn = || {
        let mut command = setup.command(&["stdio", "moving_avg"]);
        let log =
            fs::File::options().create(true).append(true).open(setup.folder.path().join("log")).unwrap();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut client = Client::over_pipes(child.stdout.take().unwrap(), child.stdin.take().unwrap());
        assert!(client.init("task", moving_avg(10)).unwrap().success);
        (child, client)
    };
    let finish = |(mut child, client): (Child, Client)| {
        end(client);
        assert!(child.wait().unwrap().success());
    };
    let mut live = spawn();
    assert_eq!((mean(&mut live.1, 2.0), mean(&mut live.1, 4.0)), (2.0, 3.0));
    // A replay has a process of its own.
    let mut replay = spawn();
    assert_eq!(mean(&mut replay.1, 100.0), 100.0);
    finish(replay);
    finish(live);
    let mut again = spawn();
    assert_eq!(mean(&mut again.1, 6.0), 4.0);
    finish(again);
}

#[test]
fn one_skewed_clock_does_not_stop_checkpoints() {
    let host = Host::with(&["moving_avg"]);
    let mut client = start(&host);
    for i in 0..30 {
        let mut point = live_point("a", f64::from(i));
        if i % 3 == 2 {
            // The time is a minute ahead or a day behind, also that of the last point.
            let RequestMessage::Point(point) = &mut point else { unreachable!() };
            point.time += if i % 2 == 0 { 60_000_000_000 } else { -86_400_000_000_000 };
        }
        client.send(point).unwrap();
        receive(&mut client);
    }
    end(client);
    let mut again = start(&host);
    mean(&mut again, 1.0);
    host.wait_for_log(&["state restored", "from=checkpoint", "points_seen=30"]);
}

/// A host whose plugin takes 100 ms for each call, and a client that has sent it six seconds of work.
fn busy(config: &str) -> (Host, Client) {
    let config = format!("[limits]\ncall-deadline = \"20s\"\n{config}");
    let host = Setup::new(&config).with_wat("slow", SLOW).serve();
    let mut client = host.start("slow", &[]);
    let RequestMessage::Point(mut point) = live_point("a", 1.0) else { unreachable!() };
    point.name = "x".repeat(100 * 1024);
    for _ in 0..60 {
        client.send(RequestMessage::Point(point.clone())).unwrap();
    }
    (host, client)
}

#[test]
fn checkpoints_of_busy_task_are_written() {
    let config = "[state]\ncheckpoint-interval = \"50ms\"\n[sessions]\ndrain-deadline = \"300ms\"\n";
    let (mut host, client) = busy(config);
    host.wait_for_logs(&["checkpoint written", "function=slow"], 2);
    // Input that is left at the drain deadline is dropped; the state of the rest is kept.
    assert_eq!(host.stop(), Some(0));
    drop(client);
    host.serve_again();
    host.start("slow", &[]).snapshot(&mut Vec::new()).unwrap();
    let line = host.wait_for_log(&["state restored", "from=checkpoint"]);
    assert!(!line.contains("points_seen=60 "), "{line}");
}

#[test]
fn next_session_waits_for_checkpoint_of_previous_one() {
    let (host, client) = busy("");
    // Kapacitor disconnects in the middle of a call.
    drop(client);
    let mut next = host.start("slow", &[]);
    next.snapshot(&mut Vec::new()).unwrap();
    host.wait_for_log(&["state restored", "from=checkpoint"]);
}

#[test]
fn failed_checkpoint_is_retried() {
    // Under this policy the host keeps no state for recovery, so inside a batch it has none to write.
    let config = "[policy]\non-trap = \"restart\"\n[state]\ncheckpoint-interval = \"10ms\"\ncheckpoints = \"always\"\n";
    let host = Setup::new(config).with(&["batch_sums"]).serve();
    let mut client = host.start("batch_sums", &[]);
    let requests = batch("a", 1, &[1.0, 2.0]);
    for request in &requests[..2] {
        client.send(request.clone()).unwrap();
    }
    host.wait_for_log(&["lvl=warn", "no checkpoint taken"]);
    for request in &requests[2..] {
        client.send(request.clone()).unwrap();
    }
    host.wait_for_log(&["checkpoint written"]);
    assert!(!play(client, []).is_empty());
    host.start("batch_sums", &[]).snapshot(&mut Vec::new()).unwrap();
    host.wait_for_log(&["state restored", "points_seen=2"]);
}

#[test]
fn state_over_message_limit_is_kept_in_checkpoint() {
    let host = Setup::new("[sessions]\nmessage = \"500B\"\n").with(&["moving_avg"]).serve();
    let mut client = start(&host);
    mean(&mut client, 2.0);
    let none = client.snapshot(&mut Vec::new()).unwrap();
    host.wait_for_log(&["no snapshot taken", "a message of at most sessions.message = 500B"]);
    end(client);
    let mut again = start(&host);
    assert!(again.restore(none).unwrap().success);
    assert_eq!(mean(&mut again, 4.0), 3.0);
}

#[test]
fn state_can_be_dropped_after_clock_went_back() {
    let host = Host::with(&["moving_avg"]);
    let mut client = start(&host);
    mean(&mut client, 2.0);
    end(client);
    // The checkpoint looks as if the task had been started ten years from now.
    let file = &wait_for_checkpoint(&host, 1);
    let snapshot = Snapshot::parse(&fs::read(file).unwrap()).unwrap();
    let mut header = snapshot.header.clone();
    header.started_at += 315_000_000_000_000_000;
    fs::write(file, snapshot.with_header(&header)).unwrap();
    let mut client = start(&host);
    assert_eq!(mean(&mut client, 4.0), 3.0);
    end(client);
    wait_for_points(file, 2);
    let (code, said, stderr) = host.setup.run(&["state", "drop", "task"]);
    assert_eq!(code, 0, "{said}{stderr}");
    // The state is dropped once; the next one is kept, although it began earlier than the dropped one.
    for expected in [6.0, 7.0] {
        let mut client = start(&host);
        assert_eq!(mean(&mut client, if expected == 6.0 { 6.0 } else { 8.0 }), expected);
        end(client);
    }
}
