//! State is neither lost nor exchanged for another.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use kapacitor_wasm::internals::{Snapshot, now};
use kapacitor_wasm::protocol::RequestMessage;
use kapacitor_wasm::protocol::client::Client;

use crate::support;
use crate::support::{Host, Setup, encoded, error_of, field, live_point, mean, moving_avg, play, point};

fn start(host: &Host, size: i64) -> Client {
    host.start("moving_avg", &moving_avg(size))
}

/// The field `name` of the next point that comes back.
fn receive(client: &mut Client, name: &str) -> f64 {
    field(support::receive(client).as_slice(), name)[0]
}

fn files(host: &Host, folder: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(host.setup.folder.path().join("state").join(folder)) else {
        return Vec::new();
    };
    let files = entries.map(|entry| entry.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|e| e == "snapshot")).collect()
}

#[test]
fn task_that_ends_by_failures_leaves_its_last_good_state() {
    let host = Host::with(&["fragile"]);
    let mut client = host.start("fragile", &[]);
    let sent: Vec<_> = (0..80)
        .map(|i| {
            let RequestMessage::Point(mut point) = live_point("a", 1.0) else { unreachable!() };
            if i >= 10 {
                point.fields_int.insert("fail".to_owned(), 1);
            }
            RequestMessage::Point(point)
        })
        .collect();
    for request in sent {
        // The host closes the connection at the 61st failure.
        let _ = client.send(request);
    }
    let _ = client.end_input();
    let responses = client.rest().unwrap();
    assert!(error_of(&responses).contains("failures-per-minute"), "{responses:?}");
    assert_eq!(field(&responses, "sum").last(), Some(&10.0));
    let mut again = host.start("fragile", &[]);
    again.send(live_point("a", 1.0)).unwrap();
    assert_eq!(receive(&mut again, "sum"), 11.0);
}

#[test]
fn checkpoint_that_could_not_be_written_is_written_again_also_where_another_state_was_before() {
    let config = "[state]\ncheckpoint-interval = \"20ms\"\n";
    let host = Setup::new(config).with(&["moving_avg"]).serve();
    let mut first = start(&host, 10);
    mean(&mut first, 2.0);
    assert_eq!(play(first, []), []);
    host.wait_for_log(&["checkpoint written"]);
    // A state begins anew beside the older checkpoint, while nothing can be written.
    let state = host.setup.folder.path().join("state");
    let (folder, away) = (state.join("checkpoints"), state.join("away"));
    let mut second = start(&host, 20);
    second.snapshot(&mut Vec::new()).unwrap();
    fs::rename(&folder, &away).unwrap();
    fs::write(&folder, "").unwrap();
    assert_eq!(mean(&mut second, 4.0), 4.0);
    host.wait_for_log(&["lvl=warn", "checkpoints can't be written"]);
    fs::remove_file(&folder).unwrap();
    fs::rename(&away, &folder).unwrap();
    host.wait_for_log(&["checkpoints are written again"]);
    assert_eq!(host.count_logs(&["was imported or dropped"]), 0);
    assert_eq!(mean(&mut second, 6.0), 5.0);
    let snapshot = second.snapshot(&mut Vec::new()).unwrap();
    assert_eq!(play(second, []), []);
    let mut third = start(&host, 20);
    assert!(third.restore(snapshot).unwrap().success);
    assert_eq!(mean(&mut third, 8.0), 6.0);
}

#[test]
fn dropped_state_stays_dropped_after_the_clock_went_back() {
    let host = Host::with(&["moving_avg"]);
    let mut first = start(&host, 10);
    mean(&mut first, 2.0);
    let snapshot = first.snapshot(&mut Vec::new()).unwrap();
    assert_eq!(play(first, []), []);
    host.wait_for_log(&["checkpoint written"]);
    // Both states look as if the clock had gone back by an hour since they began.
    let ahead = |bytes: &[u8]| {
        let snapshot = Snapshot::parse(bytes).unwrap();
        let mut header = snapshot.header.clone();
        header.started_at = now() + 3_600_000_000_000;
        snapshot.with_header(&header)
    };
    let given = ahead(&snapshot);
    let file = &files(&host, "checkpoints")[0];
    fs::write(file, ahead(&fs::read(file).unwrap())).unwrap();
    let (code, _, stderr) = host.setup.run(&["state", "drop", "task"]);
    assert_eq!(code, 0, "{stderr}");
    for (value, expected) in [(4.0, 4.0), (6.0, 5.0), (8.0, 6.0)] {
        let mut client = start(&host, 10);
        // Kapacitor gives the same old snapshot each time.
        assert!(client.restore(given.clone()).unwrap().success);
        assert_eq!(mean(&mut client, value), expected);
        assert_eq!(play(client, []), []);
    }
}

#[test]
fn task_that_is_enabled_at_once_is_no_replay() {
    let host = Host::with(&["moving_avg"]);
    let mut first = start(&host, 1000);
    for _ in 0..100 {
        mean(&mut first, 2.0);
    }
    // Kapacitor has connected the new session before the host sees the end of the old one.
    let mut second = start(&host, 1000);
    second.send(live_point("a", 204.0)).unwrap();
    thread::sleep(Duration::from_millis(20));
    drop(first);
    assert_eq!(receive(&mut second, "mean"), 404.0 / 101.0);
    assert_eq!(host.count_logs(&["counts as a replay"]), 0);
    // A session beside one that goes on is taken for a replay, and the log says so.
    let mut replay = start(&host, 1000);
    assert_eq!(mean(&mut replay, 7.0), 7.0);
    host.wait_for_log(&[
        "lvl=info",
        "another session of this task and node runs: this one counts as a replay",
    ]);
}

#[test]
fn two_hosts_do_not_share_a_state_folder() {
    let mut host = Host::with(&["moving_avg"]);
    let args = ["serve", "--socket-dir", "other"];
    let (code, _, stderr) = host.setup.run(&args);
    assert_eq!(code, 1, "{stderr}");
    for part in ["another host, process ", "uses this state folder: stop it, or set another state-dir"] {
        assert!(stderr.contains(part), "{stderr}");
    }
    // After a crash the folder is free.
    host.kill();
    host.serve_again();
    mean(&mut start(&host, 10), 1.0);
}

#[test]
fn data_that_is_not_live_is_said_once_with_its_distance_from_now() {
    let host = Host::with(&["moving_avg"]);
    let hour = 3_600_000_000_000;
    for (offset, far) in
        [(5_900_000_000, "s ahead of the clock"), (2 * hour, "ahead"), (-24 * hour, "1day late")]
    {
        let mut client = start(&host, 10);
        for _ in 0..3 {
            client.send(RequestMessage::Point(point("a", now() + offset, 1.0))).unwrap();
            receive(&mut client, "mean");
        }
        play(client, []);
        host.wait_for_log(&["lvl=warn", "no checkpoint is kept", far, "state.checkpoints = \\\"always\\\""]);
    }
    // Seconds that were taken for nanoseconds.
    play(start(&host, 10), [RequestMessage::Point(point("a", now() / 1_000_000_000, 1.0))]);
    host.wait_for_log(&["lvl=warn", "no checkpoint is kept", "years"]);
    assert_eq!(host.count_logs(&["no checkpoint is kept"]), 4);
}

#[test]
fn live_points_after_a_bulk_upload_are_live() {
    let host = Host::with(&["moving_avg"]);
    let mut client = start(&host, 10);
    let week = 7 * 24 * 3_600_000_000_000;
    for _ in 0..20_000 {
        client.send(RequestMessage::Point(point("a", now() - week, 1.0))).unwrap();
        receive(&mut client, "mean");
    }
    host.wait_for_log(&["lvl=warn", "no checkpoint is kept", "7days late"]);
    for _ in 0..4_000 {
        mean(&mut client, 3.0);
    }
    assert_eq!(play(client, []), []);
    assert_eq!(mean(&mut start(&host, 10), 3.0), 3.0);
    host.wait_for_log(&["state restored", "from=checkpoint", "points_seen=24000"]);
}

#[test]
fn states_that_a_client_makes_up_push_out_no_other_and_fill_no_disk() {
    let host = Setup::new("[state]\nset-aside = \"100KiB\"\n").with(&["moving_avg"]).serve();
    for i in 0..30_u8 {
        let mut client = start(&host, 10);
        assert!(client.restore(vec![i; 10_000]).unwrap().success);
        assert_eq!(play(client, []), []);
    }
    let files = files(&host, "set-aside");
    assert_eq!(files.len(), 8);
}

#[test]
fn states_of_tasks_that_are_gone_are_given_up() {
    let host = Setup::new("[state]\nkeep = \"3s\"\n").with(&["moving_avg"]).serve();
    let mut gone = host.connect("moving_avg");
    assert!(gone.init("gone", moving_avg(10)).unwrap().success);
    mean(&mut gone, 1.0);
    assert_eq!(play(gone, []), []);
    // This one is idle for longer, and still there.
    let mut there = start(&host, 10);
    mean(&mut there, 2.0);
    let given = there.snapshot(&mut Vec::new()).unwrap();
    host.wait_for_logs(&["checkpoint written"], 2);
    let (code, listed, _) = host.setup.run(&["state", "list"]);
    assert!(code == 0 && listed.contains("given up") && listed.contains("in "), "{listed}");
    host.wait_for_log(&["lvl=info", "state given up", "task=gone"]);
    let listed = host.setup.run(&["state", "list"]).1;
    assert!(!listed.contains("gone ") && listed.contains("task "), "{listed}");
    assert!(!given.is_empty());
}

#[test]
fn what_was_dropped_can_be_forgotten_and_doubts_are_said_at_import() {
    let host = Host::with(&["moving_avg"]);
    let mut client = start(&host, 10);
    mean(&mut client, 2.0);
    assert_eq!(play(client, []), []);
    host.wait_for_log(&["checkpoint written"]);
    let exported = host.setup.folder.path().join("exported");
    let exported = exported.to_str().unwrap();
    assert_eq!(host.setup.run(&["state", "export", "task", exported]).0, 0);
    let (code, _, stderr) = host.setup.run(&["state", "import", exported, "--task", "gen"]);
    assert_eq!(code, 0);
    assert!(stderr.contains("node `udf2` is the one in the file") && stderr.contains("--node"), "{stderr}");
    let mut other = host.connect("moving_avg");
    assert!(other.init("other", moving_avg(3)).unwrap().success);
    mean(&mut other, 2.0);
    assert_eq!(play(other, []), []);
    host.wait_for_log(&["checkpoint written", "task=other"]);
    let (_, _, stderr) = host.setup.run(&["state", "import", exported, "--task", "other"]);
    assert!(stderr.contains("a state with other options than the node's own state"), "{stderr}");
    assert_eq!(host.setup.run(&["state", "drop", "task"]).0, 0);
    assert!(host.setup.run(&["state", "list"]).1.contains("(dropped)"));
    for task in ["task", "gen", "other"] {
        let (code, stdout, stderr) = host.setup.run(&["state", "forget", task]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    }
    assert!(host.setup.run(&["state", "list"]).1.starts_with("there are no states"));
}

#[test]
fn one_late_point_in_each_write_costs_no_checkpoint() {
    let host = Host::with(&["moving_avg"]);
    let hours = 5 * 3_600_000_000_000;
    for place in [0, 50, 99] {
        let task = format!("late{place}");
        let mut client = host.connect("moving_avg");
        assert!(client.init(&task, moving_avg(10)).unwrap().success);
        for _ in 0..20 {
            let time = |i| if i == place { now() - hours } else { now() };
            let points: Vec<_> = (0..100).map(|i| RequestMessage::Point(point("a", time(i), 1.0))).collect();
            client.send_bytes(&encoded(points)).unwrap();
            (0..100).for_each(|_| assert_eq!(receive(&mut client, "mean"), 1.0));
        }
        assert_eq!(play(client, []), []);
        host.wait_for_log(&["checkpoint written", &format!("task={task}")]);
    }
    assert_eq!(host.count_logs(&["no checkpoint is kept"]), 0);
}
