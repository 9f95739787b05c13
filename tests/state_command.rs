//! The command `state`.

use std::fs;
use std::path::{Path, PathBuf};

use kapacitor_wasm::protocol::client::Client;
use kapacitor_wasm::protocol::{Point, RequestMessage};

use crate::support::{BINARY, Host, Setup, batch, field, live_point, moving_avg, play, receive};

fn start(host: &Host, task: &str) -> Client {
    let mut client = host.connect("moving_avg");
    assert!(client.init(task, moving_avg(10)).unwrap().success);
    client
}

fn mean(client: &mut Client, value: f64) -> f64 {
    client.send(live_point("a", value)).unwrap();
    field(receive(client).as_slice(), "mean")[0]
}

/// Runs `state`; returns its exit code, and stdout and stderr.
fn state(setup: &Setup, args: &[&str]) -> (i32, String) {
    let (code, stdout, stderr) = setup.run(&[&["state"], args].concat());
    (code, stdout + &stderr)
}

/// Runs `state`, which must succeed; returns its output.
fn ok(setup: &Setup, args: &[&str]) -> String {
    let (code, said) = state(setup, args);
    assert_eq!(code, 0, "{args:?}: {said}");
    said
}

fn fails(setup: &Setup, args: &[&str], expected: &str) {
    let (code, said) = state(setup, args);
    assert!(code == 1 && said.contains(expected), "{args:?}: {said}");
}

/// A host whose task `cpu` has seen two points and ended.
fn host() -> Host {
    let host = Host::with(&["moving_avg"]);
    fails(&Setup::new(""), &["list"], "is not there: check state-dir in");
    assert!(ok(&host.setup, &["list"]).contains("there are no states"));
    let mut client = start(&host, "cpu");
    assert_eq!((mean(&mut client, 2.0), mean(&mut client, 4.0)), (2.0, 3.0));
    assert_eq!(play(client, []), []);
    host.wait_for_log(&["checkpoint written"]);
    host
}

fn path(setup: &Setup, name: &str) -> PathBuf {
    setup.folder.path().join(name)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn list_and_show_print_states() {
    let host = host();
    let listed = ok(&host.setup, &["list"]);
    let words: Vec<&str> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(words[..8], ["cpu", "udf2", "moving_avg", "moving_avg", "2", "2", "0", "2"], "{listed}");
    for which in ["cpu", "cpu/udf2"] {
        let shown = ok(&host.setup, &["show", which]);
        for part in ["points seen", " 2", "memory: ", "differ from a fresh start", "1 globals", "began"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
    fails(&host.setup, &["show", "gpu"], "there is no file and no state of a task `gpu`");
    fails(&host.setup, &["show", "gpu.snapshot"], "there is no file");
    let config = path(&host.setup, "udf.toml");
    fails(&host.setup, &["show", text(&config)], "it is not a snapshot of kapacitor-wasm");
}

/// What `state show` prints after `name`.
fn shown(setup: &Setup, which: &str, name: &str) -> String {
    let shown = ok(setup, &["show", which]);
    let mut values = shown.lines().filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix("  "));
    values.next().unwrap_or_else(|| panic!("{name}: {shown}")).trim().to_owned()
}

#[test]
fn counts_of_all_sessions_that_led_to_a_state_are_shown() {
    let host = host();
    let mut client = start(&host, "cpu");
    for _ in 0..2 {
        let RequestMessage::Point(point) = live_point("a", 1.0) else { unreachable!() };
        let other = Point { fields_double: [("other".to_owned(), 1.0)].into(), ..point };
        client.send(RequestMessage::Point(other)).unwrap();
    }
    assert_eq!(mean(&mut client, 6.0), 4.0);
    assert_eq!(play(client, []), []);
    host.wait_for_logs(&["checkpoint written"], 2);
    let names = ["points in", "taken in", "skipped", "skipped by the plugin", "passed through"];
    let numbers = names.map(|name| shown(&host.setup, "cpu", name));
    assert_eq!(numbers, ["5", "3", "2", "2", "0"]);
    let names = ["unfinished", "points out", "dropped", "reduced", "recoveries"];
    let numbers = names.map(|name| shown(&host.setup, "cpu", name));
    assert_eq!(numbers, ["0", "3", "0", "0", "0"]);
    // The line of the log is of one session.
    host.wait_for_log(&["task ended", "points_in=3", "points_out=1", "skipped=2"]);
    // A state that was dropped takes its counts with it.
    ok(&host.setup, &["drop", "cpu"]);
    let mut client = start(&host, "cpu");
    mean(&mut client, 6.0);
    assert_eq!(play(client, []), []);
    host.wait_for_logs(&["checkpoint written"], 3);
    assert_eq!(shown(&host.setup, "cpu", "points in"), "1");
}

#[test]
fn points_of_a_batch_that_is_open_are_not_finished() {
    let host = Host::with(&["fragile_batch"]);
    let mut client = host.start("fragile_batch", &[]);
    let mut sent = batch("a", 1, &[1.0, 2.0]);
    let mut open = batch("a", 2, &[1.0, 2.0, 3.0]);
    open.pop();
    sent.append(&mut open);
    for request in sent {
        client.send(request).unwrap();
    }
    let file = path(&host.setup, "open.snapshot");
    // It comes inside the batch, and does not wait for its end for ever.
    fs::write(&file, client.snapshot(&mut Vec::new()).unwrap()).unwrap();
    let names = ["points in", "taken in", "unfinished", "points seen"];
    assert_eq!(names.map(|name| shown(&host.setup, text(&file), name)), ["5", "2", "3", "2"]);
}

#[test]
fn exported_state_can_be_imported_for_another_task() {
    let host = host();
    let file = path(&host.setup, "cpu.snapshot");
    ok(&host.setup, &["export", "cpu", text(&file)]);
    fails(&host.setup, &["export", "cpu", text(&file)], "the file can't be made");
    let said = ok(&host.setup, &["import", text(&file), "--task", "other"]);
    assert!(said.contains("task other node udf2: goes on with this state of 2 points"), "{said}");
    assert_eq!(mean(&mut start(&host, "other"), 6.0), 4.0);
    // The task that the state is of still has it.
    assert_eq!(mean(&mut start(&host, "cpu"), 6.0), 4.0);
    fails(&host.setup, &["import", text(&path(&host.setup, "udf.toml"))], "udf.toml can't be imported");
}

#[test]
fn imported_state_replaces_running_and_stored_state() {
    let host = host();
    let file = path(&host.setup, "cpu.snapshot");
    ok(&host.setup, &["export", "cpu", text(&file)]);
    let mut client = start(&host, "cpu");
    for _ in 0..3 {
        mean(&mut client, 100.0);
    }
    let snapshot = client.snapshot(&mut Vec::new()).unwrap();
    // The task runs meanwhile.
    let said = ok(&host.setup, &["import", text(&file)]);
    assert!(said.contains("what it had is now "), "{said}");
    mean(&mut client, 100.0);
    assert_eq!(play(client, []), []);
    host.wait_for_log(&["checkpoint not written", "imported or dropped"]);
    let mut client = start(&host, "cpu");
    assert!(client.restore(snapshot).unwrap().success);
    assert_eq!(mean(&mut client, 6.0), 4.0);
    host.wait_for_log(&["from=checkpoint", "because=\"the checkpoint's state began later\""]);
}

#[test]
fn dropped_state_does_not_return() {
    let host = host();
    let mut client = start(&host, "cpu");
    assert_eq!(mean(&mut client, 6.0), 4.0);
    let snapshot = client.snapshot(&mut Vec::new()).unwrap();
    assert_eq!(play(client, []), []);
    fails(&host.setup, &["drop", "gpu"], "there is no checkpoint of task `gpu`: name its node and function");
    let said = ok(&host.setup, &["drop", "cpu"]);
    assert!(said.contains("what it had is now ") && said.contains("starts clean"), "{said}");
    assert!(ok(&host.setup, &["list"]).contains("(dropped)"));
    // Kapacitor gives the dropped state back, which does not count; the state after that does.
    for expected in [[6.0, 7.0], [20.0 / 3.0, 7.0]] {
        let mut client = start(&host, "cpu");
        assert!(client.restore(snapshot.clone()).unwrap().success);
        assert_eq!([mean(&mut client, 6.0), mean(&mut client, 8.0)], expected);
        assert_eq!(play(client, []), []);
    }
    host.wait_for_log(&["the task starts clean", "because=\"its state was dropped\""]);
    // The state of a task that the host does not know can be dropped, too.
    ok(&host.setup, &["drop", "gpu", "--node", "udf2", "--function", "moving_avg"]);
    let mut client = start(&host, "gpu");
    assert!(client.restore(snapshot).unwrap().success);
    assert_eq!(mean(&mut client, 6.0), 6.0);
}

#[test]
fn diff_compares_two_states() {
    let host = host();
    let file = path(&host.setup, "before.snapshot");
    ok(&host.setup, &["export", "cpu", text(&file)]);
    let same = ok(&host.setup, &["diff", text(&file), "cpu"]);
    assert!(same.contains("the state is the same"), "{same}");
    let mut client = start(&host, "cpu");
    mean(&mut client, 9.0);
    assert_eq!(play(client, []), []);
    host.wait_for_logs(&["checkpoint written"], 2);
    let differs = ok(&host.setup, &["diff", text(&file), "cpu"]);
    for part in
        ["points seen\n  - 2\n  + 3\n", "memory: ", " pages of 4096 bytes differ", "bytes of the page"]
    {
        assert!(differs.contains(part), "{part}: {differs}");
    }
}

#[test]
fn database_of_kapacitor_is_read() {
    let setup = Setup::new("");
    let database = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/kapacitor.db");
    let listed = ok(&setup, &["list", "--db", text(&database)]);
    assert_eq!(listed.lines().count(), 11, "{listed}");
    assert!(listed.contains("task-1") && listed.contains("ewma2"), "{listed}");
    assert!(listed.contains("it is not a snapshot of kapacitor-wasm"), "{listed}");
    let file = path(&setup, "median");
    ok(&setup, &["export", "task-3/median4", text(&file), "--db", text(&database)]);
    assert_eq!(fs::read(&file).unwrap(), b"task-3");
    fails(&setup, &["export", "task-3", "x", "--db", text(&database)], "more than one state");
    fails(&setup, &["drop", "task-3", "--db", text(&database)], "a Kapacitor's database is only read");
    fails(&setup, &["list", "--db", text(&setup.config())], "udf.toml is not a BoltDB file");
    fails(&setup, &["list", "--db", "/nowhere/kapacitor.db"], "/nowhere/kapacitor.db can't be read");
}

#[test]
fn snapshot_of_older_host_is_shown() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1.snapshot");
    let setup = Setup::new("");
    let shown = ok(&setup, &["show", text(&file)]);
    assert!(shown.contains("counter") && shown.contains("0.1.0"), "{shown}");
    // It has no counts, which is not the same as zeros.
    let counts = shown.lines().filter(|line| line.trim() == "points in").count();
    assert_eq!(counts, 1, "{shown}");
    fs::create_dir(path(&setup, "state")).unwrap();
    let refused = "does not say whose state it is: add --task, --node and --function";
    fails(&setup, &["import", text(&file)], refused);
    let of = ["--task", "t", "--node", "counter2", "--function", "counter"];
    ok(&setup, &[&["import", text(&file)], &of[..]].concat());
    assert!(ok(&setup, &["list"]).contains("counter2"));
    assert!(std::process::Command::new(BINARY).args(["state", "--help"]).output().unwrap().status.success());
}

#[test]
fn files_made_by_root_belong_to_owner_of_state_dir() {
    use std::os::unix::fs::{MetadataExt as _, chown};

    const NOBODY: u32 = 65534;
    let setup = Setup::new("");
    let folder = path(&setup, "state");
    fs::create_dir(&folder).unwrap();
    if chown(&folder, Some(NOBODY), Some(NOBODY)).is_err() {
        eprintln!("skipped: only root can give files away");
        return;
    }
    ok(&setup, &["drop", "cpu", "--node", "udf2", "--function", "moving_avg"]);
    let checkpoints = folder.join("checkpoints");
    let made: Vec<_> = fs::read_dir(&checkpoints).unwrap().map(|entry| entry.unwrap().path()).collect();
    // One is the state, and one the lock.
    assert_eq!(made.len(), 2, "{made:?}");
    for path in made.iter().chain([&checkpoints]) {
        assert_eq!(fs::metadata(path).unwrap().uid(), NOBODY, "{}", path.display());
    }
}

#[test]
fn import_of_what_is_no_file_is_refused_at_once() {
    let host = Host::with(&["moving_avg"]);
    let fifo = host.setup.folder.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for (file, reason) in [
        (fifo.to_str().unwrap(), "is a named pipe, not a regular file"),
        ("/dev/zero", "is a device, not a regular file"),
        ("/dev", "is a folder, not a regular file"),
        ("/nowhere/a.state", "can't be read: No such file or directory (os error 2)"),
    ] {
        let (code, _, stderr) = host.setup.run(&["state", "import", file]);
        assert_eq!((code, stderr), (1, format!("kapacitor-wasm: {file} {reason}\n")));
    }
}

/// A key group as a job in Apache Flink writes it.
fn key_group(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let entry = |(function, snapshot): &(&str, &[u8])| {
        let (name, length) = (function.len() as u16, snapshot.len() as u32);
        [&[1][..], &name.to_be_bytes(), function.as_bytes(), &length.to_be_bytes(), snapshot].concat()
    };
    entries.iter().map(entry).collect::<Vec<_>>().concat()
}

#[test]
fn key_group_of_flink_is_read() {
    let host = host();
    let snapshot = path(&host.setup, "cpu.snapshot");
    ok(&host.setup, &["export", "cpu", text(&snapshot)]);
    let snapshot = fs::read(&snapshot).unwrap();
    let mut client = start(&host, "other");
    mean(&mut client, 9.0);
    let second = client.snapshot(&mut Vec::new()).unwrap();
    let one = path(&host.setup, "kg-1");
    fs::write(&one, key_group(&[("moving_avg", &snapshot)])).unwrap();
    let two = path(&host.setup, "kg-2");
    fs::write(&two, key_group(&[("moving_avg", &snapshot), ("mean", &second)])).unwrap();

    let values = ["node", "points seen"].map(|name| shown(&host.setup, text(&one), name));
    assert_eq!(values, ["udf2", "2"]);
    let shown = ok(&host.setup, &["show", text(&two)]);
    let states = shown.lines().filter(|line| line.trim().starts_with("state "));
    let states: Vec<_> = states.map(|line| line.rsplit('/').next().unwrap().trim()).collect();
    assert_eq!(states, ["kg-2:1, function moving_avg", "kg-2:2, function mean"], "{shown}");
    let nth = |number: &str| format!("{}:{number}", text(&two));
    assert!(ok(&host.setup, &["show", &nth("2")]).contains("other"));

    // Where one is needed, it is named.
    let several = format!("{} is a key group of 2 states", two.display());
    fails(&host.setup, &["diff", text(&two), text(&one)], &several);
    fails(&host.setup, &["import", text(&two)], &several);
    for number in ["0", "3", "99"] {
        fails(&host.setup, &["show", &nth(number)], "has 2 states, and no other");
    }
    fails(&host.setup, &["show", &nth("x")], "there is no file and no state of a task");
    assert!(ok(&host.setup, &["diff", &nth("1"), text(&one)]).contains("the state is the same"));
    let exported = path(&host.setup, "second.snapshot");
    ok(&host.setup, &["export", &nth("2"), text(&exported)]);
    assert_eq!(fs::read(&exported).unwrap(), second);
    // A task of Kapacitor goes on with it.
    drop(client);
    host.wait_for_logs(&["task ended"], 2);
    ok(&host.setup, &["import", &nth("2"), "--task", "moved"]);
    assert_eq!(mean(&mut start(&host, "moved"), 5.0), 7.0);

    // A state that is damaged, and a file that is cut off.
    fs::write(&one, key_group(&[("moving_avg", &snapshot[1..])])).unwrap();
    fails(&host.setup, &["show", text(&one)], "kg-1:1, function moving_avg: it is not a snapshot");
    let whole = key_group(&[("moving_avg", &snapshot)]);
    fs::write(&one, &whole[..whole.len() - 1]).unwrap();
    fails(&host.setup, &["show", text(&one)], "kg-1: it is a key group that is cut off: entry 1, at byte 0");
    fails(&host.setup, &["import", text(&one)], "kg-1: it is a key group that is cut off");
}
