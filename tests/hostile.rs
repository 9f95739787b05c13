//! Guests that attack, one file each in `tests/guests/wat`.
//!
//! Each one's session fails with the right message, and a task beside it in the same process loses
//! nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kapacitor_wasm::client::Client;
use kapacitor_wasm::protocol::{RequestMessage, ResponseMessage};

use crate::support::{Host, Setup, error_of, field, moving_avg, play, point};

/// What a guest does, and what the host is to say of it.
enum Attack {
    /// When it is loaded.
    Load(&'static str),
    /// When a task starts.
    Init(&'static str),
    /// When it is given a point.
    Point(&'static str),
    /// At the end of the input.
    End(&'static str),
    /// When a snapshot is taken.
    Snapshot(&'static str),
    /// None that shows: the session goes on, and the point leads to so many responses.
    Harmless(usize),
}

use Attack::{End, Harmless, Init, Load, Point, Snapshot};

const ATTACKS: [(&str, Attack); 64] = [
    ("endless_info", Load("udf_info: computed for longer than limits.call-deadline")),
    ("endless_start", Load("start: computed for longer than limits.call-deadline")),
    ("trap_in_info", Load("udf_info: trap: wasm `unreachable` instruction executed")),
    ("trap_in_start", Load("start: trap: wasm `unreachable` instruction executed")),
    ("memory_hog_at_start", Load("needs 256MiB of memory to start, more than limits.memory = 8MiB")),
    ("unknown_import", Load("imports `env.system`, which the host does not give")),
    ("socket_import", Load("imports `wasi_snapshot_preview1.sock_accept`")),
    ("imported_memory", Load("imports `env.memory`")),
    ("wrong_abi", Load("is made for guest interface 7, and this host speaks 1")),
    ("no_abi", Load("has no export kapacitor_udf_abi_1")),
    ("missing_export", Load("has no export `udf_process: (i32, i32) -> i64`")),
    ("bad_info", Load("udf_info does not return an InfoResponse")),
    ("bad_option_name", Load("a TICKscript can't call option `no-name`")),
    ("memory64", Load("is not a valid module")),
    ("endless_init", Init("udf_init: computed for longer than limits.call-deadline")),
    ("trap_in_init", Init("udf_init: trap: wasm `unreachable`")),
    ("bad_init_response", Init("udf_init: returned a malformed InitResponse")),
    ("trap_in_input", Init("udf_input: trap: wasm `unreachable`")),
    ("input_negative", Init("udf_input: gave an input buffer at 4294967295")),
    ("input_out_of_range", Init("udf_input: gave an input buffer at 65535")),
    ("endless_loop", Point("udf_process: computed for longer than limits.call-deadline = 200ms")),
    ("sleeps", Point("udf_process: computed for longer than limits.call-deadline = 200ms")),
    ("memory_hog", Point("asked for 8256KiB of memory, more than limits.memory = 8MiB")),
    ("table_hog", Point("more than limits.table = 100000")),
    ("stack_overflow", Point("used more stack than limits.stack = 512KiB, in deeper <- deeper")),
    ("trap_in_process", Point("udf_process: trap: integer divide by zero")),
    ("out_of_range_pointer", Point("returned the region 2147483647..+16,")),
    ("out_of_range_length", Point("returned the region 65535..+16,")),
    ("wrapping_pointer", Point("udf_process: returned 4294967295 bytes, more than limits.output")),
    ("huge_output", Point("returned 3145728 bytes, more than limits.output = 2MiB")),
    ("end_without_begin", Point("end without begin")),
    ("begin_twice", Point("begin before the end of the batch before")),
    ("point_outside_batch", Point("a point outside of a batch")),
    ("batch_on_stream", Point("`begin` on a stream edge")),
    ("empty_response", Point("response 1 of the call: it has no message set")),
    ("unknown_response", Point("field 19 is not a response that Kapacitor knows")),
    ("two_messages", Point("it has more than one message")),
    ("invalid_utf8", Point("`tags` is not valid UTF-8")),
    ("two_types", Point("field `x` has values of more than one type")),
    ("forged_info", Point("a plugin may not send `info`")),
    ("forged_keepalive", Point("a plugin may not send `keepalive`")),
    ("forged_snapshot", Point("a plugin may not send `snapshot`")),
    ("cut_frame", Point("the frame is cut off")),
    ("huge_frame_length", Point("the frame is cut off or its length is wrong")),
    ("after_error", Point("response 2 of the call: a response after error")),
    ("own_error", Point("plugin \"own_error\": enough")),
    ("exits", Point("udf_process: exited with code 3")),
    ("endless_finish", End("udf_finish: computed for longer than limits.call-deadline")),
    ("trap_in_finish", End("udf_finish: trap: wasm `unreachable`")),
    ("trap_in_snapshot", Snapshot("udf_snapshot: trap: wasm `unreachable`")),
    ("huge_info", Load("its InfoResponse is larger than 64KiB")),
    ("early_refusal", Point("udf_process: trap: wasm `unreachable`")),
    ("open_batch", Harmless(0)),
    ("empty_logs", Harmless(0)),
    ("huge_begin_size", Harmless(3)),
    ("prints", Harmless(0)),
    ("opens_files", Harmless(0)),
    ("log_flood", Harmless(0)),
    ("log_forgery", Harmless(0)),
    ("log_out_of_range", Harmless(0)),
    ("table_state", Harmless(0)),
    ("hidden_global", Harmless(0)),
    ("trap_in_restore", Harmless(0)),
    ("refuses_restore", Harmless(0)),
];

const LIMITS: &str = "
[limits]
memory = \"8MiB\"
call-deadline = \"200ms\"
output = \"2MiB\"
[policy]
on-trap = \"fail\"
not-finite = \"pass\"
no-fields = \"pass\"
";

#[test]
fn every_guest_is_in_the_list_and_says_what_it_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/wat");
    let files: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            assert!(fs::read_to_string(&path).unwrap().starts_with(";; "), "{}", path.display());
            path.file_stem().unwrap().to_str().unwrap().to_owned()
        })
        .collect();
    let listed: BTreeSet<String> = ATTACKS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files, listed);
}

#[test]
fn an_attack_ends_its_own_session_and_no_other() {
    let names: Vec<&str> = ATTACKS.iter().map(|(name, _)| *name).collect();
    let host = Setup::new(LIMITS).with(&names).with(&["moving_avg"]).serve();
    let mut neighbour = host.start("moving_avg", &moving_avg(1));
    let mut sent = Vec::new();
    let mut feed = |neighbour: &mut Client| {
        let value = sent.len() as f64;
        neighbour.send(RequestMessage::Point(point("a", sent.len() as i64, value))).unwrap();
        sent.push(value);
    };
    for (name, attack) in ATTACKS {
        feed(&mut neighbour);
        match attack {
            Load(expected) => {
                refused(&host, name, expected);
                // Kapacitor starts all the same, and the task says why it does not.
                assert!(host.connect(name).info().is_ok());
                let response = host.connect(name).init("task", Vec::new()).unwrap();
                assert!(!response.success && response.error.contains(expected), "{}", response.error);
            }
            Init(expected) => {
                let mut client = host.connect(name);
                let response = client.init("task", Vec::new()).unwrap();
                assert!(!response.success, "{name}");
                assert_says(name, &response.error, expected);
                assert_eq!(client.rest().unwrap(), [], "{name}");
            }
            Point(expected) => {
                let mut client = host.start(name, &[]);
                client.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
                // The host ends the session by itself.
                assert_says(name, error_of(&client.rest().unwrap()), expected);
            }
            End(expected) => {
                let responses = play(host.start(name, &[]), []);
                assert_says(name, error_of(&responses), expected);
            }
            Snapshot(expected) => {
                let error = host.start(name, &[]).snapshot(&mut Vec::new()).unwrap_err();
                assert_says(name, &error.to_string(), expected);
            }
            Harmless(responses) => {
                let got = play(host.start(name, &[]), [RequestMessage::Point(point("a", 1, 1.0))]);
                assert_eq!(got.len(), responses, "{name}: {got:?}");
            }
        }
        feed(&mut neighbour);
    }
    assert_eq!(field(&play(neighbour, []), "mean"), sent);
}

fn refused(host: &Host, name: &str, expected: &str) {
    let line = host.wait_for_log(&["plugin refused", &format!("plugin={name} ")]);
    let line = line.replace("\\\"", "\"");
    assert!(line.contains(expected) && line.contains(&format!("{name}.wasm: ")), "{line}");
}

fn assert_says(name: &str, error: &str, expected: &str) {
    assert!(error.contains(expected), "{name}: {error:?} does not say {expected:?}");
    assert!(error.contains(&format!("plugin \"{name}\"")), "{error}");
}

#[test]
fn the_size_of_a_batch_is_corrected() {
    let host = Setup::new(LIMITS).with(&["huge_begin_size"]).serve();
    let responses = play(host.start("huge_begin_size", &[]), [RequestMessage::Point(point("a", 1, 1.0))]);
    assert!(matches!(&responses[0], ResponseMessage::Begin(begin) if begin.size == 1), "{responses:?}");
}

#[test]
fn guest_text_is_escaped_and_bounded() {
    let host = Host::with(&["log_forgery", "log_flood", "empty_logs", "prints"]);
    for name in ["log_forgery", "log_flood", "empty_logs", "prints"] {
        assert_eq!(play(host.start(name, &[]), [RequestMessage::Point(point("a", 1, 1.0))]), []);
    }
    let line = host.wait_for_log(&["plugin log", "plugin=log_forgery"]);
    assert!(line.contains(r#"text="x\nlvl=error msg=forged \u001b[31m\u202e and more"#), "{line}");
    host.wait_for_log(&["plugin=log_flood", "lines were dropped", "limit=16KiB"]);
    let flood =
        host.log().lines().filter(|line| line.contains("plugin log") && line.contains("log_flood")).count();
    assert!((1..=17).contains(&flood), "{flood} lines of a flood");
    host.wait_for_log(&["plugin log", "plugin=prints", "this must not reach Kapacitor"]);
}

#[test]
fn a_panic_says_why_and_where() {
    let host = Setup::new(LIMITS).with(&["panics"]).serve();
    let mut bad = point("a", 1, 1.0);
    bad.fields_int.insert("panic".to_owned(), 7);
    let responses = play(host.start("panics", &[]), [RequestMessage::Point(bad)]);
    let error = error_of(&responses);
    assert!(
        error.contains("plugin \"panics\": udf_process: panicked: index out of bounds: the len is 3"),
        "{error}"
    );
    assert!(error.contains("panics.rs:"), "{error}");
    host.wait_for_log(&["lvl=info", "plugin log", "task=task", "about to take element 7"]);
}
