//! Snapshots that Kapacitor stores and gives back.

use std::fs;

use kapacitor_wasm::protocol::client::{Client, option, text};
use kapacitor_wasm::protocol::option_value::Value;
use kapacitor_wasm::protocol::{Point, RequestMessage, ResponseMessage, SnapshotRequest};

use crate::support::{
    FAIL, Host, SLOW, Setup, batch, encoded, error_of, field, moving_avg, play, point, receive,
};

fn feed(client: &mut Client, values: impl IntoIterator<Item = f64>) {
    for (i, value) in values.into_iter().enumerate() {
        for host in ["a", "b"] {
            let value = if host == "a" { value } else { -value };
            client.send(RequestMessage::Point(point(host, i as i64, value))).unwrap();
        }
    }
}

#[test]
fn restored_moving_avg_continues_exactly() {
    let values: Vec<f64> = (0..100).map(|i| f64::from(i) * 0.7 % 13.0).collect();
    let mut host = Host::with(&["moving_avg"]);
    let mut whole = host.start("moving_avg", &moving_avg(10));
    feed(&mut whole, values.clone());
    let expected = field(&play(whole, []), "mean");

    let mut first = host.start("moving_avg", &moving_avg(10));
    feed(&mut first, values[..37].to_vec());
    let mut data = Vec::new();
    let snapshot = first.snapshot(&mut data).unwrap();
    let mut means = field(&data, "mean");
    // Points after the snapshot are not part of it.
    feed(&mut first, [1e6, 1e6]);
    drop(first);
    assert!(host.stop() == Some(0));

    let host = Host::with(&["moving_avg"]);
    let mut second = host.start("moving_avg", &moving_avg(10));
    assert!(second.restore(snapshot).unwrap().success);
    feed(&mut second, values[37..].to_vec());
    means.extend(field(&play(second, []), "mean"));
    assert_eq!(means, expected);
    host.wait_for_log(&["state restored", "points_seen=74", "plugin=moving_avg"]);
}

#[test]
fn state_for_which_there_is_no_memory_now_is_kept() {
    let mut host = Host::with(&["moving_avg"]);
    let mut client = host.start("moving_avg", &moving_avg(500_000));
    let mut socket = client.reopen_writer().unwrap();
    let points = (0..200_000).map(|i| RequestMessage::Point(point("a", i, i as f64)));
    let frames = encoded(points);
    // The means are read at the same time.
    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut socket, &frames));
    let mut means = 0;
    while means < 200_000 {
        means += usize::from(matches!(receive(&mut client), Some(ResponseMessage::Point(_))));
    }
    writing.join().unwrap().unwrap();
    let snapshot = client.snapshot(&mut Vec::new()).unwrap();
    drop(client);
    assert_eq!(host.stop(), Some(0));

    // The sandbox fits in, and the state does not.
    host.setup.configure("[host]\nmemory = \"4MiB\"\n");
    host.serve_again();
    let mut client = host.start("moving_avg", &moving_avg(500_000));
    let refused = client.restore(snapshot.clone()).unwrap();
    assert!(!refused.success && refused.error.contains("host.memory = 4MiB"), "{}", refused.error);
    assert!(refused.error.contains("it is kept"), "{}", refused.error);
    assert_eq!(host.stop(), Some(0));
    let aside = fs::read_dir(host.setup.folder.path().join("state/set-aside"));
    assert!(aside.is_err() || aside.unwrap().next().is_none());

    host.setup.configure("");
    host.serve_again();
    let mut client = host.start("moving_avg", &moving_avg(500_000));
    assert!(client.restore(snapshot).unwrap().success);
    host.wait_for_log(&["state restored", "points_seen=200000"]);
}

#[test]
fn snapshot_of_two_groups_is_small() {
    let host = Host::with(&["moving_avg"]);
    let mut client = host.start("moving_avg", &moving_avg(10));
    feed(&mut client, (0..10).map(f64::from));
    let snapshot = client.snapshot(&mut Vec::new()).unwrap();
    assert!(snapshot.len() < 8192, "{} bytes for two groups", snapshot.len());
}

/// Restores `snapshot`, which must not fit, and checks that the task starts clean.
fn starts_clean(host: &Host, options: &[kapacitor_wasm::protocol::Option], snapshot: &[u8], reason: &str) {
    let parts = ["lvl=warn", "set aside", reason];
    let before = host.count_logs(&parts);
    let mut client = host.start("moving_avg", options);
    assert!(client.restore(snapshot.to_vec()).unwrap().success);
    client.send(RequestMessage::Point(point("a", 1, 5.0))).unwrap();
    assert_eq!(field(&play(client, []), "mean"), [5.0], "{reason}");
    let line = host.wait_for_logs(&parts, before + 1);
    let file = line.split(" file=").nth(1).unwrap_or_else(|| panic!("{line}"));
    let file = file.split(' ').next().unwrap().trim_matches('"');
    assert_eq!(fs::read(file).unwrap(), snapshot, "{file}");
}

#[test]
fn snapshot_that_does_not_fit_is_set_aside() {
    let host = Host::with(&["moving_avg", "mirror", "own_format"]);
    let mut client = host.start("moving_avg", &moving_avg(10));
    feed(&mut client, [1.0, 2.0]);
    let good = client.snapshot(&mut Vec::new()).unwrap();

    starts_clean(&host, &moving_avg(20), &good, "it was taken with other options");
    starts_clean(&host, &moving_avg(10), b"pickled", "it is not a snapshot of kapacitor-wasm");
    starts_clean(&host, &moving_avg(10), b"", "it is not a snapshot of kapacitor-wasm");
    starts_clean(&host, &moving_avg(10), &good[..good.len() - 1], "its checksum is wrong");
    starts_clean(&host, &moving_avg(10), &good[..20], "it is damaged");
    let mut changed = good.clone();
    changed[good.len() / 2] ^= 1;
    starts_clean(&host, &moving_avg(10), &changed, "its checksum is wrong");
    changed[4] = 9;
    starts_clean(&host, &moving_avg(10), &changed, "its format 9 is newer");
    let other = host.start("mirror", &[]).snapshot(&mut Vec::new()).unwrap();
    starts_clean(&host, &moving_avg(10), &other, "it was taken from plugin `mirror`");

    // The good snapshot still fits.
    let mut client = host.start("moving_avg", &moving_avg(10));
    assert!(client.restore(good).unwrap().success);
    client.send(RequestMessage::Point(point("a", 1, 3.0))).unwrap();
    assert_eq!(field(&play(client, []), "mean"), [2.0]);
}

#[test]
fn snapshot_of_another_plugin_version_is_set_aside() {
    let setup = Setup::new("").with(&["moving_avg"]);
    let host = setup.serve();
    let mut client = host.start("moving_avg", &moving_avg(3));
    feed(&mut client, [1.0]);
    let snapshot = client.snapshot(&mut Vec::new()).unwrap();

    let setup = Setup::new("").with(&["moving_avg"]);
    // A custom section changes nothing but the file.
    let mut file = fs::read(setup.plugin("moving_avg")).unwrap();
    file.extend([0, 2, 1, b'v']);
    fs::write(setup.plugin("moving_avg"), file).unwrap();
    starts_clean(
        &setup.serve(),
        &moving_avg(3),
        &snapshot,
        "it was taken from another version of plugin `moving_avg`",
    );
}

#[test]
fn own_format_survives_changed_options() {
    let host = Host::with(&["own_format"]);
    let mut client = host.start("own_format", &[text("as", "n")]);
    feed(&mut client, [1.0, 1.0, 1.0]);
    let snapshot = client.snapshot(&mut Vec::new()).unwrap();
    let mut client = host.start("own_format", &[text("as", "count")]);
    assert!(client.restore(snapshot).unwrap().success);
    feed(&mut client, [1.0]);
    let counts: Vec<i64> = play(client, [])
        .iter()
        .filter_map(|r| match r {
            ResponseMessage::Point(point) => point.fields_int.get("count").copied(),
            _ => None,
        })
        .collect();
    assert_eq!(counts, [4, 4]);
}

#[test]
fn plugin_that_fails_to_restore_starts_clean() {
    let host = Host::with(&["trap_in_restore", "refuses_restore"]);
    for (name, reason) in [
        ("trap_in_restore", "udf_restore: trap: wasm `unreachable`"),
        ("refuses_restore", "the plugin refuses it: no!!"),
    ] {
        let snapshot = host.start(name, &[]).snapshot(&mut Vec::new()).unwrap();
        let mut client = host.start(name, &[]);
        assert!(client.restore(snapshot).unwrap().success, "{name}");
        host.wait_for_log(&["set aside", &format!("plugin={name}"), reason]);
        assert_eq!(play(client, [RequestMessage::Point(point("a", 1, 1.0))]), []);
    }
}

#[test]
fn hidden_globals_are_part_of_the_state() {
    let host = Setup::new(FAIL).with(&["hidden_global"]).serve();
    let mut first = host.start("hidden_global", &[]);
    // The snapshot makes each point a call of its own.
    for _ in 0..2 {
        first.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
        first.snapshot(&mut Vec::new()).unwrap();
    }
    let snapshot = first.snapshot(&mut Vec::new()).unwrap();
    let mut second = host.start("hidden_global", &[]);
    assert!(second.restore(snapshot).unwrap().success);
    let responses = play(second, [RequestMessage::Point(point("a", 1, 1.0))]);
    assert_eq!(error_of(&responses), "plugin \"hidden_global\": third call");
}

#[test]
fn plugin_with_uncapturable_state_runs_without_snapshots() {
    let host = Host::with(&["table_state"]);
    let mut client = host.start("table_state", &[]);
    // If it were empty, Kapacitor would keep an older snapshot and give that back.
    let snapshot = client.snapshot(&mut Vec::new()).unwrap();
    assert!(!snapshot.is_empty());
    host.wait_for_log(&["lvl=warn", "no snapshot taken", "table.set"]);
    assert_eq!(play(client, [RequestMessage::Point(point("a", 1, 1.0))]), []);
    let mut client = host.start("table_state", &[]);
    assert!(client.restore(snapshot).unwrap().success);
    assert_eq!(play(client, [RequestMessage::Point(point("a", 1, 1.0))]), []);
    host.wait_for_log(&["lvl=info", "no state to restore, the task starts clean"]);
    let (code, stdout, _) = host.setup.run(&["check"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("plugin `table_state` has no snapshots"), "{stdout}");
}

#[test]
fn snapshot_over_message_limit_is_not_taken() {
    let host = Setup::new("[sessions]\nmessage = \"500B\"\n").with(&["moving_avg"]).serve();
    let mut client = host.start("moving_avg", &moving_avg(10));
    feed(&mut client, [1.0, 2.0]);
    let snapshot = client.snapshot(&mut Vec::new()).unwrap();
    assert!((1..500).contains(&snapshot.len()), "{} bytes", snapshot.len());
    host.wait_for_log(&[
        "no snapshot taken",
        "could not be given back in a message of at most sessions.message = 500B",
    ]);
    assert_eq!(field(&play(client, []), "mean").len(), 0);
}

#[test]
fn snapshot_inside_output_batch_is_not_taken() {
    let host = Host::with(&["open_batch"]);
    let mut client = host.start("open_batch", &[]);
    client.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
    let snapshot = client.snapshot(&mut Vec::new()).unwrap();
    host.wait_for_log(&["no snapshot taken", "the plugin has begun a batch and not ended it"]);
    let mut client = host.start("open_batch", &[]);
    assert!(client.restore(snapshot).unwrap().success);
    assert_eq!(play(client, [RequestMessage::Point(point("a", 1, 1.0))]), []);
}

#[test]
fn snapshot_inside_input_batch_waits_for_its_end() {
    let host = Host::with(&["mirror_batch"]);
    let mut requests = batch("a", 1, &[1.0, 2.0]);
    requests.insert(2, RequestMessage::Snapshot(SnapshotRequest {}));
    let responses = play(host.start("mirror_batch", &[]), requests);
    assert!(matches!(responses[3], ResponseMessage::End(_)), "{responses:?}");
    assert!(matches!(responses[4], ResponseMessage::Snapshot(_)), "{responses:?}");

    // The wait ends at a deadline, since a batch may be cut off by the end of the input, or never end. The
    // snapshot then has the state before the batch.
    let cut = batch("a", 1, &[1.0])[..2].to_vec();
    let mut client = host.start("mirror_batch", &[]);
    for request in cut.clone() {
        client.send(request).unwrap();
    }
    assert!(!client.snapshot(&mut Vec::new()).unwrap().is_empty());
    let mut requests = cut;
    requests.push(RequestMessage::Snapshot(SnapshotRequest {}));
    let mut responses = play(host.start("mirror_batch", &[]), requests);
    // The host gives signs of life while this session waits for the other one.
    responses.retain(|response| !matches!(response, ResponseMessage::Keepalive(_)));
    assert!(matches!(&responses[..], [ResponseMessage::Snapshot(_)]), "{responses:?}");
}

#[test]
fn snapshot_at_deadline_has_state_before_open_batch() {
    let host = Setup::new("[sessions]\nsnapshot-deadline = \"50ms\"\n").with(&["batch_sums"]).serve();
    let mut client = host.start("batch_sums", &[]);
    let sum = |client: &mut Client, requests: Vec<RequestMessage>| {
        let ends = requests.iter().filter(|r| matches!(r, RequestMessage::End(_))).count();
        requests.into_iter().for_each(|request| client.send(request).unwrap());
        let mut sums = Vec::new();
        while sums.len() < ends {
            sums.extend(field(receive(client).as_slice(), "sum"));
        }
        sums
    };
    assert_eq!(sum(&mut client, batch("a", 1, &[1.0, 2.0])), [3.0]);
    let next = batch("a", 2, &[4.0, 8.0]);
    assert_eq!(sum(&mut client, next[..2].to_vec()), Vec::<f64>::new());
    // The end of the batch does not arrive before the deadline.
    let snapshot = client.snapshot(&mut Vec::new()).unwrap();
    // The interrupted task continues as if there had been no snapshot.
    assert_eq!(sum(&mut client, next[2..].to_vec()), [15.0]);
    assert_eq!(sum(&mut client, batch("a", 3, &[16.0])), [31.0]);

    let mut other = host.start("batch_sums", &[]);
    assert!(other.restore(snapshot).unwrap().success);
    host.wait_for_log(&["state restored", "points_seen=2"]);
    assert_eq!(sum(&mut other, next), [15.0]);
}

#[test]
fn snapshot_does_not_wait_for_queued_input() {
    let config = "[sessions]\nsnapshot-deadline = \"20ms\"\n[limits]\ncall-deadline = \"1m\"\n";
    let host = Setup::new(config).with_wat("slow", SLOW).serve();
    let mut client = host.start("slow", &[]);
    // Each call takes 100 ms, and the points need many calls.
    let name = "x".repeat(60 * 1024);
    let large = |time| RequestMessage::Point(Point { name: name.clone(), ..point("a", time, 1.0) });
    let (reader, mut writer, _socket) = {
        client.send(large(0)).unwrap();
        client.split()
    };
    let bytes = encoded((1..200).map(large).chain([RequestMessage::Snapshot(SnapshotRequest {})]));
    std::thread::spawn(move || {
        use std::io::Write as _;
        writer.write_all(&bytes).unwrap();
        // The thread keeps the connection open until the test has ended.
        std::thread::park();
    });
    let mut reader = Client::over_pipes(reader, std::io::sink());
    let snapshot = match receive(&mut reader) {
        Some(ResponseMessage::Snapshot(response)) => response.snapshot,
        other => panic!("{other:?}"),
    };
    let seen = kapacitor_wasm::internals::Snapshot::parse(&snapshot).unwrap().header.points_seen;
    assert!((1..200).contains(&seen), "{seen} points");
}

#[test]
fn unchanged_state_gives_same_snapshot() {
    let host = Host::with(&["moving_avg"]);
    let mut client = host.start("moving_avg", &moving_avg(10));
    feed(&mut client, [1.0, 2.0]);
    let first = client.snapshot(&mut Vec::new()).unwrap();
    assert_eq!(client.snapshot(&mut Vec::new()).unwrap(), first);
    host.wait_for_logs(&["snapshot given"], 2);
    assert_eq!(host.count_logs(&["snapshot taken"]), 1);
    feed(&mut client, [3.0]);
    assert_ne!(client.snapshot(&mut Vec::new()).unwrap(), first);
}

#[test]
fn on_mismatch_fail_refuses_state_that_does_not_fit() {
    let config = "[policy]\non-mismatch = \"fail\"\n";
    let host = Setup::new(config).with(&["moving_avg"]).serve();
    let mut client = host.start("moving_avg", &moving_avg(10));
    feed(&mut client, [1.0]);
    let snapshot = client.snapshot(&mut Vec::new()).unwrap();
    drop(client);
    let restore = || host.start("moving_avg", &moving_avg(20)).restore(snapshot.clone()).unwrap();
    let refused = restore();
    assert!(!refused.success);
    let expected = "the state it had does not fit: it was taken with other options: put back what it fits, or let it start clean with `kapacitor-wasm state drop task --node udf2 --function moving_avg` or on-mismatch = \"fresh\"";
    assert!(refused.error.contains(expected), "{refused:?}");
    // The command that the message names works.
    let of = ["--node", "udf2", "--function", "moving_avg"];
    let (code, said, stderr) = host.setup.run(&[&["state", "drop", "task"], &of[..]].concat());
    assert_eq!(code, 0, "{said}{stderr}");
    assert!(restore().success);
}

#[test]
fn own_format_can_migrate_older_state() {
    for policy in ["restore", "fresh", "fail"] {
        let config = format!("[policy]\non-mismatch = \"{policy}\"\n");
        let old = Setup::new("").with(&["own_format"]).serve();
        let mut client = old.start("own_format", &[text("as", "n")]);
        for time in 0..3 {
            client.send(RequestMessage::Point(point("a", time, 1.0))).unwrap();
        }
        let snapshot = client.snapshot(&mut Vec::new()).unwrap();
        let setup = Setup::new(&config);
        setup.add("own_format_2", "own_format");
        let new = setup.serve();
        let mut client = new.start("own_format", &[text("as", "n")]);
        assert!(client.restore(snapshot).unwrap().success);
        client.send(RequestMessage::Point(point("a", 4, 1.0))).unwrap();
        let Some(ResponseMessage::Point(point)) = receive(&mut client) else { panic!() };
        assert_eq!((point.fields_int["n"], point.fields_int["version"]), (4, 2));
    }
}

#[test]
fn snapshot_of_older_host_is_restored() {
    use std::sync::Arc;

    use kapacitor_wasm::internals::{Engine, Labels, Limits, Provenance, SandboxContext, Snapshot, admit};

    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let limits = Limits::default();
    let engine = Arc::new(Engine::new(limits.stack, None).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let wasm = fs::read(fixtures.join("counter.wasm")).unwrap();
        let plugin = admit(&engine, "counter", &wasm, &limits).await.unwrap();
        let image = plugin.memory_image.as_ref().unwrap();
        let start = || async {
            plugin.start(&SandboxContext::without_session(Labels::default(), limits)).await.unwrap()
        };
        // The old host had taken its snapshot of this state.
        let mut uninterrupted = start().await;
        for _ in 0..9 {
            uninterrupted.process(&[0]).await.unwrap();
        }
        let snapshot = Snapshot::parse(&fs::read(fixtures.join("format-1.snapshot")).unwrap()).unwrap();
        assert_eq!(snapshot.header.host_version, "0.1.0");
        snapshot.check_fit(&Provenance::without_session(plugin.identity())).unwrap();
        let mut restored = start().await;
        image.load(&mut restored, &snapshot, limits.memory).await.unwrap();
        for sandbox in [&mut uninterrupted, &mut restored] {
            sandbox.process(&[0]).await.unwrap();
        }
        let a = image.capture(&mut uninterrupted, None).await.unwrap();
        let b = image.capture(&mut restored, None).await.unwrap();
        assert_eq!(format!("{a:?}"), format!("{b:?}"));
    });
}

#[test]
fn failed_snapshot_does_not_end_task() {
    let host = Host::with(&["trap_in_snapshot"]);
    let mut client = host.start("trap_in_snapshot", &[]);
    assert!(!client.snapshot(&mut Vec::new()).unwrap().is_empty());
    host.wait_for_log(&["lvl=warn", "no snapshot taken", "udf_snapshot: trap"]);
    client.keepalive(1).unwrap();
    assert!(matches!(client.receive().unwrap(), Some(ResponseMessage::Keepalive(_))));
}

#[test]
fn state_of_all_groups_is_brought_back_and_restored() {
    let host = Host::with(&["shared_totals"]);
    let mut first = host.start("shared_totals", &[]);
    let send = |client: &mut Client, host: &str, time: i64, panics: bool| {
        let mut point = point(host, time, time as f64);
        if panics {
            point.fields_int.insert("panic".to_owned(), 1);
        }
        client.send(RequestMessage::Point(point)).unwrap();
    };
    for (time, group) in [(1, "a"), (2, "b"), (3, "a")] {
        send(&mut first, group, time, time == 2);
    }
    let mut data = Vec::new();
    let snapshot = first.snapshot(&mut data).unwrap();
    assert_eq!((field(&data, "sum"), field(&data, "total")), (vec![1.0, 4.0], vec![1.0, 4.0]));
    let mut second = host.start("shared_totals", &[]);
    assert!(second.restore(snapshot).unwrap().success);
    for (time, group) in [(5, "b"), (6, "b"), (7, "a")] {
        send(&mut second, group, time, time == 6);
    }
    let responses = play(second, []);
    assert_eq!((field(&responses, "sum"), field(&responses, "total")), (vec![5.0, 11.0], vec![9.0, 16.0]));
}

#[test]
fn silence_goes_on_after_a_snapshot() {
    let host = Host::with(&["deadman"]);
    let period = option("period", Value::DurationValue(300));
    let start = || host.start("deadman", std::slice::from_ref(&period));
    let requests = |points: &[(&str, i64)]| -> Vec<_> {
        points.iter().map(|(group, time)| RequestMessage::Point(point(group, *time, 1.0))).collect()
    };
    let mut first = start();
    requests(&[("a", 10), ("b", 100), ("b", 200)]).into_iter().for_each(|r| first.send(r).unwrap());
    let snapshot = first.snapshot(&mut Vec::new()).unwrap();
    let mut second = start();
    assert!(second.restore(snapshot).unwrap().success);
    let responses = play(second, requests(&[("b", 309), ("b", 310), ("b", 320)]));
    let [ResponseMessage::Point(silent)] = &responses[..] else { panic!("{responses:?}") };
    let last = point("a", 10, 1.0);
    assert_eq!((&silent.name, &silent.tags, &silent.dimensions), (&last.name, &last.tags, &last.dimensions));
    assert_eq!((silent.time, silent.fields_int["silent_for"]), (310, 300));
}
