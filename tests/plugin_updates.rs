//! New versions of plugins while tasks run.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;

use kapacitor_wasm::internals::Snapshot;
use kapacitor_wasm::protocol::client::{Client, text};
use kapacitor_wasm::protocol::{RequestMessage, ResponseMessage};
use sha2::{Digest, Sha256};

use crate::support::{Host, Setup, batch, encoded, live_point, play, point, receive, wasm};

/// Parts of the line that the host logs once it has loaded a new version.
const TAKEN_IN: [&str; 2] = ["plugin has a new version", "plugin=own_format"];

fn host(on_update: &str) -> Host {
    Setup::new(&format!("[policy]\non-update = \"{on_update}\"\n")).with(&["own_format", "mirror"]).serve()
}

fn start(host: &Host) -> Client {
    host.start("own_format", &[text("as", "n")])
}

/// Replaces the file of `own_format` by `plugin`, with a rename.
fn replace(host: &Host, plugin: &str) {
    let partial = host.setup.folder.path().join("partial");
    fs::write(&partial, wasm(plugin)).unwrap();
    fs::rename(partial, host.setup.plugin("own_format")).unwrap();
}

/// The version of a plugin file as the log shows it.
fn version_of(file: &[u8]) -> String {
    let hash = Sha256::digest(file);
    format!("{:08x}", u32::from_be_bytes(*hash.first_chunk().unwrap()))
}

fn count_of(response: Option<ResponseMessage>) -> (i64, i64) {
    let Some(ResponseMessage::Point(point)) = response else { panic!("{response:?}") };
    (point.fields_int["n"], point.fields_int.get("version").copied().unwrap_or(1))
}

/// Sends a point; returns its count, and the version of the plugin that counted it.
fn count(client: &mut Client) -> (i64, i64) {
    client.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
    count_of(receive(client))
}

#[test]
fn keep_policy_updates_only_new_tasks() {
    let host = host("keep");
    let mut running = start(&host);
    assert_eq!(count(&mut running), (1, 1));
    replace(&host, "own_format_2");
    host.wait_for_log(&TAKEN_IN);
    assert_eq!(count(&mut start(&host)), (1, 2));
    assert_eq!(count(&mut running), (2, 1));
    assert_eq!(play(running, []), []);
}

#[test]
fn migrate_policy_moves_state_to_new_version() {
    let host = host("migrate");
    let mut running = start(&host);
    assert_eq!((count(&mut running), count(&mut running)), ((1, 1), (2, 1)));
    // This write is in place, without a rename.
    fs::write(host.setup.plugin("own_format"), wasm("own_format_2")).unwrap();
    host.wait_for_log(&TAKEN_IN);
    assert_eq!((count(&mut running), count(&mut running)), ((3, 2), (4, 2)));
    host.wait_for_log(&["task goes on with the new version", "points_seen=3"]);
    // A snapshot is one of the new version.
    let snapshot = running.snapshot(&mut Vec::new()).unwrap();
    // It counts the points that the old version had, once.
    let counts = Snapshot::parse(&snapshot).unwrap().header.counts.unwrap();
    assert_eq!((counts.points_in, counts.taken_in, counts.points_out), (4, 4, 4));
    drop(running);
    let mut again = start(&host);
    assert!(again.restore(snapshot).unwrap().success);
    assert_eq!(count(&mut again), (5, 2));
    drop(again);
    host.wait_for_log(&["msg=\"task ended\"", "points_in=4 points_out=4"]);
}

#[test]
fn version_that_fails_at_first_points_is_rolled_back() {
    for policy in ["migrate", "restart"] {
        let host = host(policy);
        let mut running = start(&host);
        assert_eq!(count(&mut running), (1, 1));
        replace(&host, "own_format_2");
        host.wait_for_log(&TAKEN_IN);
        let mut old = point("a", 2, 1.0);
        old.fields_int.insert("old".to_owned(), 1);
        running.send(RequestMessage::Point(old)).unwrap();
        assert_eq!(count_of(receive(&mut running)), (2, 1), "{policy}");
        let stays =
            host.wait_for_log(&["lvl=warn", "task stays with the version", "a point for the old version"]);
        let versions = ["own_format", "own_format_2"].map(|plugin| version_of(&wasm(plugin)));
        assert!(stays.contains(&format!(" version={} refused={} ", versions[0], versions[1])), "{stays}");
        // The new version is not tried again.
        assert_eq!(count(&mut running), (3, 1), "{policy}");
    }
}

#[test]
fn restart_policy_starts_new_version_clean() {
    let host = host("restart");
    let mut running = start(&host);
    assert_eq!((count(&mut running), count(&mut running)), ((1, 1), (2, 1)));
    replace(&host, "own_format_2");
    host.wait_for_log(&TAKEN_IN);
    assert_eq!((count(&mut running), count(&mut running)), ((1, 2), (2, 2)));
}

#[test]
fn migration_loses_and_repeats_no_point() {
    const POINTS: i64 = 30_000;
    let host = host("migrate");
    let (mut reader, mut writer, _socket) = start(&host).split();
    let sender = std::thread::spawn(move || {
        for time in 0..POINTS {
            writer.write_all(&encoded([RequestMessage::Point(point("a", time, 1.0))])).unwrap();
        }
        writer
    });
    let mut next = || kapacitor_wasm::protocol::client::receive(&mut reader).unwrap();
    let mut versions = Vec::new();
    for i in 1..=POINTS {
        if i == POINTS / 4 {
            replace(&host, "own_format_2");
            host.wait_for_log(&TAKEN_IN);
        }
        let (count, version) = count_of(next());
        assert_eq!(count, i);
        versions.push(version);
    }
    drop(sender.join().unwrap());
    assert!(versions.is_sorted());
    assert_eq!((versions[0], versions[POINTS as usize - 1]), (1, 2));
}

#[test]
fn new_version_waits_for_end_of_batch() {
    let host = Setup::new("[policy]\non-update = \"restart\"\n").with(&["mirror_batch"]).serve();
    let mut client = host.start("mirror_batch", &[]);
    let requests = batch("a", 1, &[1.0, 2.0]);
    for request in &requests[..2] {
        client.send(request.clone()).unwrap();
    }
    // The answer to a keepalive shows that the input before it was read.
    client.keepalive(1).unwrap();
    client.receive().unwrap();
    let mut file = wasm("mirror_batch");
    // A custom section changes nothing but the file.
    file.extend([0, 2, 1, b'v']);
    fs::write(host.setup.plugin("mirror_batch"), file).unwrap();
    host.wait_for_log(&["plugin has a new version"]);
    let mut whole = |requests: &[RequestMessage], expected: usize| {
        for request in requests {
            client.send(request.clone()).unwrap();
        }
        for _ in 0..expected {
            assert!(!matches!(client.receive().unwrap(), None | Some(ResponseMessage::Error(_))));
        }
    };
    whole(&requests[2..], 4);
    assert_eq!(host.count_logs(&["task goes on with the new version"]), 0);
    whole(&requests, 4);
    host.wait_for_log(&["task goes on with the new version"]);
}

#[test]
fn refused_file_leaves_loaded_version_running() {
    let host = host("migrate");
    let mut running = start(&host);
    assert_eq!(count(&mut running), (1, 1));
    fs::write(host.setup.plugin("own_format"), "not wasm").unwrap();
    host.wait_for_log(&["lvl=error", "plugin refused", "is not a WebAssembly module"]);
    host.wait_for_log(&["lvl=warn", "the version that was loaded before goes on"]);
    assert_eq!(count(&mut running), (2, 1));
    assert_eq!(count(&mut start(&host)), (1, 1));
    // A symbolic link to another file counts as a change, too.
    let versions = host.setup.folder.path().join("versions");
    fs::create_dir(&versions).unwrap();
    fs::write(versions.join("2.wasm"), wasm("own_format_2")).unwrap();
    let link = host.setup.folder.path().join("link");
    symlink(versions.join("2.wasm"), &link).unwrap();
    fs::rename(link, host.setup.plugin("own_format")).unwrap();
    host.wait_for_log(&TAKEN_IN);
    assert_eq!(count(&mut running), (3, 2));
}

#[test]
fn plugin_without_own_format_is_not_migrated() {
    let host = Setup::new("[policy]\non-update = \"migrate\"\n").with(&["mirror"]).serve();
    let mut running = host.start("mirror", &[]);
    fs::write(host.setup.plugin("mirror"), wasm("own_format")).unwrap();
    host.wait_for_log(&["plugin has a new version"]);
    running.send(live_point("a", 1.0)).unwrap();
    assert!(matches!(receive(&mut running), Some(ResponseMessage::Point(_))));
    host.wait_for_log(&[
        "task stays with the version",
        "the version that runs has no state format of its own",
    ]);
}

#[test]
fn deleted_file_does_not_end_running_tasks() {
    let host = host("keep");
    let mut running = start(&host);
    assert_eq!(count(&mut running), (1, 1));
    let path = host.setup.plugin("own_format");
    fs::remove_file(&path).unwrap();
    host.wait_for_log(&["lvl=warn", "plugin file deleted", "plugin=own_format"]);
    assert_eq!(count(&mut running), (2, 1));
    let refused = host.connect("own_format").init("task", vec![text("as", "n")]).unwrap();
    assert!(refused.error.contains("own_format.wasm: was deleted: put it back"), "{refused:?}");
    // A new task finds the file before the watcher does.
    fs::write(path, wasm("own_format")).unwrap();
    assert_eq!(count(&mut start(&host)), (1, 1));
}

#[test]
fn changed_info_is_reported() {
    let mut host = host("restart");
    let mut running = start(&host);
    for function in ["own_format", "mirror"] {
        let mut client = host.connect(function);
        client.info().unwrap();
        client.end_input().unwrap();
        assert_eq!(client.rest().unwrap(), []);
    }
    // The options change.
    replace(&host, "moving_avg");
    let differs =
        "differs=\"option field(string) is new, option period(duration) is new, option size(int) is new\"";
    host.wait_for_log(&["lvl=warn", "Kapacitor was told something else", "function=own_format", differs]);
    assert_eq!(count(&mut running), (1, 1), "it can't have the new version without its options");
    let refused = host.connect("own_format").init("task", vec![text("as", "n")]).unwrap();
    assert!(refused.error.contains("missing") && refused.error.contains("field"), "{refused:?}");

    // The edges change, for which Kapacitor has to build its tasks again.
    fs::write(host.setup.plugin("mirror"), wasm("mirror_batch")).unwrap();
    let differs = "differs=\"edges batch -> batch were stream -> stream\"";
    host.wait_for_log(&["lvl=warn", "Kapacitor was told something else", "function=mirror", differs]);
    let refuses = |host: &Host| {
        let refused = host.connect("mirror").init("task", Vec::new()).unwrap();
        let expected = "Kapacitor was told when it started that it is stream -> stream, and plugin `mirror` is batch -> batch now: restart Kapacitor";
        assert!(refused.error.contains(expected), "{refused:?}");
    };
    refuses(&host);
    // A restarted host still knows the Info that Kapacitor has.
    host.start_again();
    host.wait_for_log(&["lvl=warn", "Kapacitor was told something else", "function=mirror", differs]);
    refuses(&host);
    assert_eq!(host.connect("mirror").info().unwrap().wants, 1);
    assert!(host.connect("mirror").init("task", Vec::new()).unwrap().success);
}

#[test]
fn new_file_is_loaded() {
    let host = host("keep");
    fs::write(host.setup.plugin("above"), wasm("above")).unwrap();
    host.wait_for_log(&["plugin loaded", "plugin=above"]);
}
