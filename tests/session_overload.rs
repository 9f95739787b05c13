//! Plugins that can't keep up, and limits of the host as a whole.

use std::fs;

use kapacitor_wasm::protocol::{Point, RequestMessage, ResponseMessage, put_request};

use crate::support::{FAIL, Host, Setup, error_of, field, moving_avg, play, point};

/// Computes for about 100 ms for each call, however many points it is given.
pub const SLOW: &str = r#"
    (module
      (memory (export "memory") 1)
      (data (i32.const 0) "\08\01")
      (func (export "kapacitor_udf_abi_1"))
      (func (export "udf_input") (param i32) (result i32)
        (drop (memory.grow (i32.const 64)))
        (i32.const 65536))
      (func (export "udf_info") (result i64) (i64.const 0))
      (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
      (func (export "udf_process") (param i32 i32) (result i64)
        (local $i i32)
        (local.set $i (i32.const 200000000))
        (loop $spin
          (local.set $i (i32.sub (local.get $i) (i32.const 1)))
          (br_if $spin (local.get $i)))
        (i64.const 0))
      (func (export "udf_finish") (result i64) (i64.const 0)))"#;

/// On a busy machine all takes longer, and it shall come to its end.
const PATIENT: &str = "[limits]\ncall-deadline = \"1m\"\n[sessions]\ndrain-deadline = \"1m\"\n";

fn slow_host(config: &str) -> Host {
    let setup = Setup::new(config).with(&["mirror"]);
    fs::write(setup.plugin("slow"), wat::parse_str(SLOW).unwrap()).unwrap();
    setup.serve()
}

/// More than the kernel and a queue of 64 KiB hold.
fn flood() -> Vec<u8> {
    let mut bytes = Vec::new();
    for time in 0..20_000 {
        put_request(RequestMessage::Point(point("a", time, 1.0)), &mut bytes);
    }
    bytes
}

#[test]
fn a_full_queue_drops_what_the_policy_says() {
    for (policy, value) in [("drop-newest", 0), ("drop-oldest", 1)] {
        let config = format!("{PATIENT}queue = \"64KiB\"\n[functions.slow.policy]\non-full = \"{policy}\"\n");
        let host = slow_host(&config);
        let mut client = host.start("slow", &[]);
        client.send_bytes(&flood()).unwrap();
        // Not a data frame, so it is not dropped.
        client.keepalive(value).unwrap();
        while client.receive().unwrap() != Some(keepalive(value)) {}
        let rest = play(client, []);
        assert!(rest.iter().all(|response| matches!(response, ResponseMessage::Keepalive(_))), "{rest:?}");
        let line = host.wait_for_log(&["more input waits than sessions.queue", "points were dropped"]);
        assert!(line.contains("slow=\"the plugin computes\""), "{line}");
        let end = host.wait_for_log(&["lvl=info", "connection ended", "function=slow"]);
        let number = |line: &str, key: &str| -> u64 {
            let value = line.split_whitespace().find_map(|word| word.strip_prefix(key)).unwrap();
            value.parse().unwrap()
        };
        let ended = host.wait_for_log(&["task ended", "function=slow"]);
        let (taken, dropped) = (number(&ended, "points_in="), number(&end, "dropped="));
        assert!(dropped > 0, "{end}");
        assert_eq!(taken + dropped, 20_000, "{ended}\n{end}");
    }
}

fn keepalive(time: i64) -> ResponseMessage {
    ResponseMessage::Keepalive(kapacitor_wasm::protocol::KeepaliveResponse { time })
}

#[test]
fn a_full_queue_blocks_and_says_who_is_slow() {
    let setup = Setup::new("[sessions]\nqueue = \"64KiB\"\n[limits]\ncall-deadline = \"20s\"\n");
    let long = SLOW.replace("200000000", "2000000000");
    fs::write(setup.plugin("slow"), wat::parse_str(long).unwrap()).unwrap();
    let host = setup.serve();
    let mut client = host.start("slow", &[]);
    let (_, mut writer, _socket) = {
        client.keepalive(1).unwrap();
        client.split()
    };
    std::thread::spawn(move || {
        use std::io::Write as _;
        // Ends with an error when the host does.
        let _ = writer.write_all(&flood());
    });
    host.wait_for_log(&["lvl=warn", "Kapacitor has to wait", "slow=\"the plugin computes\""]);
}

#[test]
fn kapacitor_that_does_not_read_is_told_apart_from_a_slow_plugin() {
    let host = Setup::new("[sessions]\nqueue = \"64KiB\"\n").with(&["mirror"]).serve();
    let client = host.start("mirror", &[]);
    let (_reader, mut writer, _socket) = client.split();
    std::thread::spawn(move || {
        use std::io::Write as _;
        loop {
            if writer.write_all(&flood()).is_err() {
                return;
            }
        }
    });
    host.wait_for_log(&["lvl=warn", "Kapacitor has to wait", "slow=\"Kapacitor does not read"]);
}

#[test]
fn heartbeats_follow_kapacitors_own_timeout() {
    let config = format!("[limits]\ncall-deadline = \"1s\"\n{FAIL}");
    let host = Setup::new(&config).with(&["endless_loop"]).serve();
    let mut client = host.start("endless_loop", &[]);
    // As with a timeout of 80 ms.
    for time in [0, 40_000_000] {
        client.keepalive(time).unwrap();
        client.receive().unwrap();
    }
    client.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
    let responses = client.rest().unwrap();
    assert!(error_of(&responses).contains("limits.call-deadline"));
    // Each 20 ms for a second of computing, were the machine idle.
    assert!(responses.len() > 5, "{} signs of life", responses.len());
}

#[test]
fn a_sandbox_that_has_used_up_its_share_waits() {
    let host = slow_host("[functions.slow.limits]\ncpu-share = \"10%\"\n");
    let mut client = host.start("slow", &[]);
    let slowed = ["plugin is slowed down", "function=slow"];
    // One call each, until the first second are used up.
    for time in 0.. {
        client.send(RequestMessage::Point(point("a", time, 1.0))).unwrap();
        client.snapshot(&mut Vec::new()).unwrap();
        if host.count_logs(&slowed) > 0 {
            break;
        }
    }
    let line = host.wait_for_log(&slowed);
    assert!(line.contains("more of a core than limits.cpu-share = 10%"), "{line}");
    // Others do not.
    assert_eq!(play(host.start("mirror", &[]), [RequestMessage::Point(point("a", 1, 1.0))]).len(), 1);
}

#[test]
fn the_host_as_a_whole_has_limits() {
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
    // The ones that run go on, and one that ends makes room.
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
    assert!(response.error.contains("more than host.memory = 2MiB leaves"), "{}", response.error);
}

#[test]
fn loading_has_limits() {
    let refused = |config: &str, expected: &str| {
        let setup = Setup::new(config).with(&["moving_avg"]);
        let (code, stdout, _) = setup.run(&["check"]);
        assert!(code == 1 && stdout.contains(expected), "{stdout}");
    };
    refused("[host]\nmodule = \"10KiB\"\n", "is larger than host.module = 10KiB");
    refused(
        "[host]\ncompile-deadline = \"1us\"\n",
        "takes longer to compile than host.compile-deadline = 1us",
    );
}

#[test]
fn the_points_of_one_call_have_a_limit() {
    let config = format!("[limits]\noutput-points = 2\n{FAIL}");
    let host = Setup::new(&config).with(&["mirror_batch"]).serve();
    let responses = play(host.start("mirror_batch", &[]), crate::support::batch("a", 1, &[1.0, 2.0, 3.0]));
    assert!(
        error_of(&responses).contains("more points in one call than limits.output-points = 2"),
        "{responses:?}"
    );
}

#[test]
fn a_point_may_be_large() {
    let host = slow_host("[policy]\non-full = \"drop-oldest\"\n[sessions]\nqueue = \"64KiB\"\n");
    let large = Point { name: "x".repeat(1 << 20), ..point("a", 1, 1.0) };
    assert_eq!(play(host.start("mirror", &[]), [RequestMessage::Point(large)]).len(), 1);
}

/// A module of a few kilobytes that takes a minute to compile: loops in loops, all of them
/// with many locals.
fn bomb() -> Vec<u8> {
    let (loops, locals) = (3000, 3000);
    let body: String = (0..loops).map(|i| format!("(loop $l{i} (local.set {i} (local.get 0)) ")).collect();
    let ends: String = (0..loops).rev().map(|i| format!("(br_if $l{i} (local.get {i})))")).collect();
    let wat =
        format!("(module (func (export \"f\") (param i32) (local {}) {body} {ends}))", "i32 ".repeat(locals));
    wat::parse_str(wat).unwrap()
}

#[test]
fn a_plugin_that_takes_for_ever_to_compile_keeps_nothing_from_working() {
    let setup = Setup::new("[host]\ncompile-deadline = \"2s\"\n").with(&["mirror"]);
    fs::write(setup.plugin("bomb"), bomb()).unwrap();
    let host = setup.begin_to_serve();
    // The others are there before that.
    host.wait_for_log(&["plugin loaded", "plugin=mirror"]);
    assert_eq!(play(host.start("mirror", &[]), [RequestMessage::Point(point("a", 1, 1.0))]).len(), 1);
    assert_eq!(host.count_logs(&["plugin=bomb"]), 0);
    // Who asks for this one is told in the end.
    let response = host.connect("bomb").init("task", Vec::new()).unwrap();
    assert!(
        response.error.contains("takes longer to compile than host.compile-deadline = 2s"),
        "{response:?}"
    );
    // It is not tried again, as long as the file is the same.
    let response = host.connect("bomb").init("task", Vec::new()).unwrap();
    assert!(!response.success);
    // Lines are written in order, but later than what they tell of.
    host.wait_for_logs(&["task can't start", "function=bomb"], 2);
    // What exceeds the limits has no mark.
    let marks = host.setup.folder.path().join("state/compiled/within-limits");
    assert_eq!(fs::read_dir(marks).unwrap().count(), 1);
    assert_eq!(host.count_logs(&["plugin refused", "plugin=bomb"]), 1);
}

#[test]
fn machine_code_is_kept_for_the_next_start_and_nobody_else_may_write_it() {
    let setup = Setup::new("").with(&["mirror"]);
    let compiled = setup.folder.path().join("state/compiled");
    // Whoever only looks may be another user.
    assert_eq!(setup.run(&["check"]).0, 0);
    assert!(!compiled.exists());
    let mut host = setup.serve();
    let files = |folder: &std::path::Path| -> usize {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { fs::read_dir(path).unwrap().count() } else { 1 }).sum()
    };
    let kept = files(&compiled);
    assert!(kept > 0);
    // And the mark that lets the next start do without a process that compiles.
    assert_eq!(fs::read_dir(compiled.join("within-limits")).unwrap().count(), 1);
    host.start_again();
    assert_eq!(files(&compiled), kept);

    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(&compiled, fs::Permissions::from_mode(0o777)).unwrap();
    host.start_again();
    host.wait_for_log(&["lvl=warn", "machine code is not kept", "nobody else can write to"]);
}
