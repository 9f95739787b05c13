//! State that belongs to the client: `InitRequest.clientState`.

use std::fs;
use std::io::Write as _;

use kapacitor_wasm::internals::{Snapshot, SnapshotHeader};
use kapacitor_wasm::protocol::client::{Client, option, text};
use kapacitor_wasm::protocol::option_value::Value;
use kapacitor_wasm::protocol::{InitRequest, Option as UdfOption, Point, RequestMessage, ResponseMessage};

use crate::support::{
    Host, SLOW, Setup, batch, encoded, field, live_point, mean, moving_avg, number, play, point, points, wasm,
};

/// A host that has checkpoints of all tasks but those whose state belongs to their client.
const ALWAYS: &str = "[state]\ncheckpoints = \"always\"\ncheckpoint-interval = \"10ms\"\n";

fn init(options: Vec<UdfOption>, client_state: bool) -> InitRequest {
    InitRequest { options, task_id: "task".to_owned(), node_id: "udf2".to_owned(), client_state }
}

/// Starts a task whose state belongs to the client.
fn start(host: &Host, function: &str, options: &[UdfOption]) -> Client {
    let mut client = host.connect(function);
    let response = client.init_with(init(options.to_vec(), true)).unwrap();
    assert!(response.success && response.client_state, "{response:?}\n{}", host.log());
    client
}

fn header(snapshot: &[u8]) -> SnapshotHeader {
    Snapshot::parse(snapshot).unwrap().header
}

/// Number of files below `folder` of the state folder.
fn files(host: &Host, folder: &str) -> usize {
    let path = host.setup.folder.path().join("state").join(folder);
    let names = fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().file_name());
    names.filter(|name| !name.to_str().unwrap().starts_with('.')).count()
}

#[test]
fn client_learns_whether_the_host_keeps_to_it() {
    let host = Host::with(&["moving_avg"]);
    for client_state in [true, false] {
        let response = host.connect("moving_avg").init_with(init(moving_avg(2), client_state)).unwrap();
        assert_eq!((response.success, response.client_state), (true, client_state));
    }
}

#[test]
fn host_has_no_checkpoint_of_its_own() {
    let mut host = Setup::new(ALWAYS).with(&["moving_avg"]).serve();
    let mut client = start(&host, "moving_avg", &moving_avg(10));
    assert_eq!((mean(&mut client, 2.0), mean(&mut client, 4.0)), (2.0, 3.0));
    client.snapshot(&mut Vec::new()).unwrap();
    assert_eq!(mean(&mut client, 6.0), 4.0);
    // Another task has one meanwhile, as a control.
    let mut other = host.connect("moving_avg");
    assert!(other.init("other", moving_avg(10)).unwrap().success);
    mean(&mut other, 1.0);
    host.wait_for_log(&["checkpoint written", "task=other"]);
    assert_eq!(play(client, []), []);
    host.wait_for_log(&["task ended", "task=task"]);
    assert_eq!(host.stop(), Some(0));
    assert_eq!(host.count_logs(&["checkpoint written", "task=task"]), 0);
    assert_eq!((files(&host, "checkpoints"), files(&host, "set-aside")), (1, 0));
    host.serve_again();
    assert_eq!(mean(&mut start(&host, "moving_avg", &moving_avg(10)), 5.0), 5.0);
    let (code, listed, _) = host.setup.run(&["state", "list"]);
    assert!(code == 0 && listed.contains("other") && !listed.contains("task  udf2"), "{listed}");
}

#[test]
fn checkpoint_of_the_same_task_is_neither_used_nor_claimed() {
    let host = Setup::new(ALWAYS).with(&["moving_avg"]).serve();
    let mut own = host.start("moving_avg", &moving_avg(10));
    assert_eq!((mean(&mut own, 2.0), mean(&mut own, 4.0)), (2.0, 3.0));
    assert_eq!(play(own, []), []);
    host.wait_for_log(&["task ended"]);
    let mut client = start(&host, "moving_avg", &moving_avg(10));
    assert_eq!(mean(&mut client, 9.0), 9.0);
    // A session beside it has the checkpoint, and is no replay.
    let mut own = host.start("moving_avg", &moving_avg(10));
    assert_eq!(mean(&mut own, 6.0), 4.0);
    assert_eq!(host.count_logs(&["counts as a replay"]), 0, "{}", host.log());
    assert!(!header(&own.snapshot(&mut Vec::new()).unwrap()).replay);
    // And the other way round.
    let mut second = start(&host, "moving_avg", &moving_avg(10));
    assert_eq!(mean(&mut second, 7.0), 7.0);
    assert!(!header(&second.snapshot(&mut Vec::new()).unwrap()).replay);
    assert_eq!(host.count_logs(&["counts as a replay"]), 0, "{}", host.log());
}

/// With checkpoints of its own, the host would go on with more points than the client has given back.
#[test]
fn task_goes_on_with_exactly_the_state_that_the_client_gives() {
    let values: Vec<f64> = (0..100).map(|i| f64::from(i) * 0.7 % 13.0).collect();
    let point = |i: usize| live_point("a", values[i]);
    let mut whole = vec![];
    for (client_state, exact) in [(true, true), (false, false)] {
        let host = Setup::new(ALWAYS).with(&["moving_avg"]).serve();
        let begin = || {
            let mut client = host.connect("moving_avg");
            assert!(client.init_with(init(moving_avg(10), client_state)).unwrap().success);
            client
        };
        let mut first = begin();
        (0..40).for_each(|i| first.send(point(i)).unwrap());
        let mut data = Vec::new();
        let snapshot = first.snapshot(&mut data).unwrap();
        let mut means = field(&data, "mean");
        assert_eq!(header(&snapshot).counts.unwrap().points_in, 40);
        // The client fails behind these, and sends them again.
        (40..60).for_each(|i| first.send(point(i)).unwrap());
        assert_eq!(play(first, []).len(), 20);
        host.wait_for_log(&["task ended"]);
        let mut second = begin();
        assert!(second.restore(snapshot).unwrap().success);
        (40..100).for_each(|i| second.send(point(i)).unwrap());
        let mut data = Vec::new();
        let counts = header(&second.snapshot(&mut data).unwrap()).counts.unwrap();
        assert_eq!(counts.points_in == 100, exact, "{counts:?}");
        means.extend(field(&data, "mean"));
        if whole.is_empty() {
            let mut client = host.connect("moving_avg");
            assert!(client.init("whole", moving_avg(10)).unwrap().success);
            whole = field(&play(client, (0..100).map(point)), "mean");
        }
        assert_eq!(means == whole, exact);
        if client_state {
            host.wait_for_log(&["state restored", "points_seen=40", "from=client"]);
        }
    }
}

#[test]
fn plugin_gets_the_same_request_and_chance() {
    let host = Host::with(&["moving_avg"]);
    let snapshots = [true, false].map(|client_state| {
        let mut client = host.connect("moving_avg");
        assert!(client.init_with(init(moving_avg(3), client_state)).unwrap().success);
        points(3).into_iter().for_each(|request| client.send(request).unwrap());
        let header = header(&client.snapshot(&mut Vec::new()).unwrap());
        (header.determinism.unwrap(), header.options_sha256, header.globals, header.payload_bytes)
    });
    assert_eq!(snapshots[0], snapshots[1]);
}

#[test]
fn state_that_does_not_fit_is_refused_whatever_the_policy() {
    let setup =
        Setup::new("[policy]\non-mismatch = \"fresh\"\n").with(&["moving_avg", "mirror", "table_state"]);
    setup.add("own_format", "own_format");
    setup.add("refuses_restore", "refuses_restore");
    let host = setup.serve();
    let taken = |function: &str, options: &[UdfOption]| {
        let mut client = host.start(function, options);
        client.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
        client.snapshot(&mut Vec::new()).unwrap()
    };
    let good = taken("moving_avg", &moving_avg(10));
    let mut damaged = good.clone();
    damaged[good.len() / 2] ^= 1;
    // Of a session that is not the client's, a snapshot may say that there is no state.
    let none = taken("table_state", &[]);
    let cases = [
        ("moving_avg", moving_avg(20), good.clone(), "it was taken with other options"),
        ("moving_avg", moving_avg(10), damaged, "its checksum is wrong"),
        ("moving_avg", moving_avg(10), good[..20].to_vec(), "it is damaged"),
        ("moving_avg", moving_avg(10), Vec::new(), "it is not a snapshot of kapacitor-wasm"),
        ("moving_avg", moving_avg(10), taken("mirror", &[]), "it was taken from plugin `mirror`"),
        ("table_state", Vec::new(), none, "in a snapshot format of the plugin"),
        ("refuses_restore", Vec::new(), taken("refuses_restore", &[]), "the plugin refuses it: no!!"),
    ];
    for (function, options, snapshot, reason) in cases {
        let mut client = start(&host, function, &options);
        let refused = client.restore(snapshot).unwrap();
        assert!(!refused.success && refused.error.contains(reason), "{function} {reason}: {refused:?}");
        let what = format!("plugin \"{function}\": the state that the client gives does not fit: ");
        assert!(refused.error.starts_with(&what), "{refused:?}");
        assert_eq!(client.rest().unwrap(), []);
    }
    assert_eq!((files(&host, "set-aside"), host.count_logs(&["set aside"])), (0, 0), "{}", host.log());
    // It fits the task that it is of.
    let mut client = start(&host, "moving_avg", &moving_avg(10));
    assert!(client.restore(good).unwrap().success);
    assert_eq!(mean(&mut client, 3.0), 2.0);
}

#[test]
fn newer_version_reads_a_state_in_its_own_format() {
    let options = [text("as", "n")];
    let old = Host::with(&["own_format"]);
    let mut client = start(&old, "own_format", &options);
    points(3).into_iter().for_each(|request| client.send(request).unwrap());
    let snapshot = client.snapshot(&mut Vec::new()).unwrap();
    let setup = Setup::new("");
    setup.add("own_format_2", "own_format");
    let new = setup.serve();
    let mut client = start(&new, "own_format", &options);
    assert!(client.restore(snapshot).unwrap().success);
    let responses = play(client, points(1));
    let [ResponseMessage::Point(point)] = &responses[..] else { panic!("{responses:?}") };
    assert_eq!((point.fields_int["n"], point.fields_int["version"]), (4, 2));
}

#[test]
fn late_restore_is_refused() {
    let host = Host::with(&["moving_avg"]);
    let mut client = start(&host, "moving_avg", &moving_avg(10));
    let snapshot = client.snapshot(&mut Vec::new()).unwrap();
    let befores: [fn(&mut Client); 2] = [
        |client| client.send(live_point("a", 1.0)).unwrap(),
        |client| assert!(!client.snapshot(&mut Vec::new()).unwrap().is_empty()),
    ];
    for before in befores {
        let mut client = start(&host, "moving_avg", &moving_avg(10));
        before(&mut client);
        client.fence(1, &mut Vec::new()).unwrap();
        let refused = client.restore(snapshot.clone()).unwrap();
        assert!(
            refused.error.ends_with("restore behind a point, a snapshot or another restore"),
            "{refused:?}"
        );
    }
    let mut client = start(&host, "moving_avg", &moving_avg(10));
    assert!(client.restore(snapshot.clone()).unwrap().success);
    assert!(!client.restore(snapshot).unwrap().success);
}

#[test]
fn snapshot_waits_for_all_input_before_it() {
    let config = "[sessions]\nsnapshot-deadline = \"1ms\"\n[limits]\ncall-deadline = \"1m\"\n";
    let host = Setup::new(config).with_wat("slow", SLOW).serve();
    let name = "x".repeat(60 * 1024);
    let large = |time| RequestMessage::Point(Point { name: name.clone(), ..point("a", time, 1.0) });
    // Each call takes 100 ms.
    for (client_state, all) in [(true, true), (false, false)] {
        let mut client = host.connect("slow");
        assert!(client.init_with(init(Vec::new(), client_state)).unwrap().success);
        let mut socket = client.reopen_writer().unwrap();
        let bytes = encoded((0..12).map(large));
        let sender = std::thread::spawn(move || socket.write_all(&bytes).unwrap());
        sender.join().unwrap();
        let snapshot = client.snapshot(&mut Vec::new()).unwrap();
        assert_eq!(header(&snapshot).counts.unwrap().points_in == 12, all);
    }
}

#[test]
fn snapshot_that_can_not_be_exact_is_an_error_and_the_task_goes_on() {
    let plugins = ["moving_avg", "mirror_batch", "open_batch", "table_state", "trap_in_snapshot"];
    let host = Host::with(&plugins);
    let says = |client: &mut Client, expected: &str| {
        let error = client.snapshot(&mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        client.fence(1, &mut Vec::new()).unwrap();
    };
    // Within a batch of the input.
    let mut client = start(&host, "mirror_batch", &[]);
    let requests = batch("a", 1, &[1.0, 2.0]);
    client.send_bytes(&encoded(requests[..2].to_vec())).unwrap();
    says(&mut client, "a batch is open, in the input or in the output of the plugin");
    client.send_bytes(&encoded(requests[2..].to_vec())).unwrap();
    let mut data = Vec::new();
    assert_eq!(header(&client.snapshot(&mut data).unwrap()).counts.unwrap().points_in, 2);
    data.retain(|response| !matches!(response, ResponseMessage::Keepalive(_)));
    assert_eq!(data.len(), 4, "{data:?}");
    // Within one of the output.
    let mut client = start(&host, "open_batch", &[]);
    client.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
    says(&mut client, "a batch is open");
    says(&mut start(&host, "table_state", &[]), "table.set");
    says(&mut start(&host, "trap_in_snapshot", &[]), "udf_snapshot: trap");
    host.wait_for_log(&["lvl=warn", "no snapshot taken", "udf_snapshot: trap"]);

    let host = Setup::new("[sessions]\nmessage = \"500B\"\n").with(&["moving_avg"]).serve();
    let mut client = start(&host, "moving_avg", &moving_avg(10));
    mean(&mut client, 1.0);
    says(&mut client, "in a message of at most sessions.message = 500B: raise it");
}

#[test]
fn all_points_count_whatever_becomes_of_them() {
    for on_trap in ["recover", "restart"] {
        let host = Setup::new(&format!("[policy]\non-trap = \"{on_trap}\"\n")).with(&["fragile"]).serve();
        let mut client = start(&host, "fragile", &[]);
        for (i, request) in points(10).into_iter().enumerate() {
            let RequestMessage::Point(mut point) = request else { unreachable!() };
            if i == 4 {
                point.fields_int.insert("panic".to_owned(), 3);
            }
            client.send(RequestMessage::Point(point)).unwrap();
        }
        let mut data = Vec::new();
        let fence = client.fence(1, &mut data).unwrap();
        assert_eq!(fence.points_answered, 10);
        assert_eq!(fence.points_skipped, 1);
        let snapshot = client.snapshot(&mut data).unwrap();
        let counts = header(&snapshot).counts.unwrap();
        assert_eq!((counts.points_in, counts.skipped), (10, 1), "{on_trap}");
        // The counts go on, and those of the fence begin anew.
        let mut client = start(&host, "fragile", &[]);
        assert!(client.restore(snapshot).unwrap().success);
        client.send(RequestMessage::Point(point("a", 11, 1.0))).unwrap();
        let mut data = Vec::new();
        assert_eq!(client.fence(2, &mut data).unwrap().points_answered, 1);
        let sum: f64 = (0..10).filter(|i| *i != 4 && (on_trap == "recover" || *i > 4)).map(f64::from).sum();
        assert_eq!(field(&data, "sum"), [sum + 1.0], "{on_trap}");
        let counts = header(&client.snapshot(&mut data).unwrap()).counts.unwrap();
        assert_eq!((counts.points_in, counts.skipped), (11, 1), "{on_trap}");
    }
}

#[test]
fn task_that_would_have_no_state_after_a_failure_is_refused() {
    let host = Setup::new("[policy]\non-trap = \"pass-through\"\n").with(&["mirror"]).serve();
    let response = host.connect("mirror").init_with(init(Vec::new(), true)).unwrap();
    assert!(!response.success);
    assert!(
        response.error.contains("set policy.on-trap of the function mirror to \"recover\""),
        "{response:?}"
    );
    // Kapacitor may have it.
    assert!(host.connect("mirror").init_with(init(Vec::new(), false)).unwrap().success);
}

/// More failures in a row than cost a task of Kapacitor its state, and later one more.
#[test]
fn failures_in_a_row_cost_no_state_wherever_the_client_begins_again() {
    const POINTS: i64 = 60;
    let host = Host::with(&["fragile"]);
    let request = |i: i64| {
        let mut point = point("a", i, 1.0);
        if (10..40).contains(&i) || i == 50 {
            point.fields_int.insert("panic".to_owned(), 3);
        }
        RequestMessage::Point(point)
    };
    let run = |begin_again: Option<i64>| {
        let (mut client, mut data) = (start(&host, "fragile", &[]), Vec::new());
        for i in 0..POINTS {
            if begin_again == Some(i) {
                let snapshot = client.snapshot(&mut data).unwrap();
                client = start(&host, "fragile", &[]);
                assert!(client.restore(snapshot).unwrap().success);
            }
            client.send(request(i)).unwrap();
        }
        let snapshot = client.snapshot(&mut data).unwrap();
        let counts = header(&snapshot).counts.unwrap();
        assert_eq!((counts.points_in, counts.skipped), (60, 31), "{begin_again:?}");
        field(&data, "sum")
    };
    let sums: Vec<f64> = (1..30).map(f64::from).collect();
    for begin_again in [None, Some(5), Some(20), Some(35), Some(45), Some(51)] {
        assert_eq!(run(begin_again), sums, "{begin_again:?}");
    }
}

#[test]
fn running_task_keeps_its_plugin() {
    for on_update in ["migrate", "restart"] {
        let config = format!("[policy]\non-update = \"{on_update}\"\n");
        let host = Setup::new(&config).with(&["own_format"]).serve();
        let mut client = start(&host, "own_format", &[text("as", "n")]);
        let count = |client: &mut Client| {
            client.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
            let mut data = Vec::new();
            client.fence(1, &mut data).unwrap();
            data.retain(|response| !matches!(response, ResponseMessage::Keepalive(_)));
            let [ResponseMessage::Point(point)] = &data[..] else { panic!("{data:?}") };
            (point.fields_int["n"], point.fields_int.get("version").copied())
        };
        assert_eq!(count(&mut client), (1, None));
        fs::write(host.setup.plugin("own_format"), wasm("own_format_2")).unwrap();
        host.wait_for_log(&["plugin has a new version", "plugin=own_format"]);
        assert_eq!(count(&mut client), (2, None));
        assert_eq!(count(&mut start(&host, "own_format", &[text("as", "n")])), (1, Some(2)));
    }
}

#[test]
fn no_input_is_dropped_when_the_queue_is_full() {
    for on_full in ["drop-newest", "drop-oldest"] {
        let config = format!(
            "[sessions]\nqueue = \"4KiB\"\n[limits]\ncall-deadline = \"1m\"\n[policy]\non-full = \"{on_full}\"\n"
        );
        let host = Setup::new(&config).with_wat("slow", SLOW).serve();
        let responses = play(start(&host, "slow", &[]), points(200));
        assert!(responses.iter().all(|r| matches!(r, ResponseMessage::Keepalive(_))), "{responses:?}");
        let ended = host.wait_for_log(&["task ended"]);
        assert_eq!((number(&ended, "points_in="), number(&ended, "taken_in=")), (200, 200), "{on_full}");
    }
}

#[test]
fn input_that_waits_is_dropped_with_its_client() {
    let config = "[limits]\ncall-deadline = \"1m\"\n[sessions]\ndrain-deadline = \"1m\"\n";
    let host = Setup::new(config).with_wat("slow", SLOW).serve();
    let mut client = start(&host, "slow", &[]);
    let name = "x".repeat(60 * 1024);
    let large = |time| RequestMessage::Point(Point { name: name.clone(), ..point("a", time, 1.0) });
    // Each call takes 100 ms, and there would be a hundred.
    client.send_bytes(&encoded((0..100).map(large))).unwrap();
    client.keepalive(9).unwrap();
    while !matches!(client.receive().unwrap(), Some(ResponseMessage::Keepalive(alive)) if alive.time == 9) {}
    drop(client);
    let ended = host.wait_for_log(&["task ended"]);
    assert!(number(&ended, "points_in=") < 100, "{ended}");
}

#[test]
fn state_that_has_no_room_is_refused_and_fits_later() {
    let option =
        |size| vec![text("field", "value"), option("size", Value::IntValue(size)), text("as", "mean")];
    let mut host = Host::with(&["moving_avg"]);
    let mut client = start(&host, "moving_avg", &option(500_000));
    let mut socket = client.reopen_writer().unwrap();
    let frames = encoded((0..200_000).map(|i| RequestMessage::Point(point("a", i, i as f64))));
    let writing = std::thread::spawn(move || socket.write_all(&frames));
    let mut means = 0;
    while means < 200_000 {
        means += usize::from(matches!(client.receive().unwrap(), Some(ResponseMessage::Point(_))));
    }
    writing.join().unwrap().unwrap();
    let snapshot = client.snapshot(&mut Vec::new()).unwrap();
    drop(client);
    assert_eq!(host.stop(), Some(0));
    host.setup.configure("[host]\nmemory = \"4MiB\"\n");
    host.serve_again();
    let refused = start(&host, "moving_avg", &option(500_000)).restore(snapshot.clone()).unwrap();
    assert!(!refused.success && refused.error.contains("host.memory = 4MiB"), "{refused:?}");
    assert_eq!(host.stop(), Some(0));
    host.setup.configure("");
    host.serve_again();
    let mut client = start(&host, "moving_avg", &option(500_000));
    assert!(client.restore(snapshot).unwrap().success);
    assert_eq!(mean(&mut client, 0.0), 199_999.0 * 200_000.0 / 2.0 / 200_001.0);
}
