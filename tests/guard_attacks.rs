//! Hostile guests, one file each in a folder of `tests/guests/wat`.
//!
//! The session of each guest fails with the right message, and a task beside it in the same process loses
//! nothing.

use std::collections::BTreeSet;
use std::ffi::OsStr;

use std::fs;

use kapacitor_wasm::protocol::client::Client;
use kapacitor_wasm::protocol::{KeepaliveResponse, RequestMessage, ResponseMessage};

use crate::support::{Host, Setup, error_of, field, moving_avg, play, point, wat_guests};

/// The moment of an attack, and the message that the host reports for it.
#[derive(Clone, Copy)]
enum Attack {
    /// When the plugin is loaded.
    Load(&'static str),
    /// When a task starts.
    Init(&'static str),
    /// When the guest gets a point.
    Point(&'static str),
    /// At the end of the input.
    End(&'static str),
    /// When a snapshot is taken.
    Snapshot(&'static str),
    /// The session goes on, and the point leads to this number of responses.
    Harmless(usize),
}

use Attack::{End, Harmless, Init, Load, Point, Snapshot};

/// The guests by folder of `tests/guests/wat`.
const ATTACKS: &[(&str, &[(&str, Attack)])] = &[
    // Modules that are no plugins, and plugins that describe themselves badly.
    (
        "admission",
        &[
            ("unknown_import", Load("imports `env.system`, which the host does not provide")),
            ("socket_import", Load("imports `wasi_snapshot_preview1.sock_accept`")),
            ("imported_memory", Load("imports `env.memory`")),
            ("wrong_abi", Load("is made for guest interface 7, and this host speaks 1")),
            ("no_abi", Load("has no export kapacitor_udf_abi_1")),
            ("missing_export", Load("has no export `udf_process: (i32, i32) -> i64`")),
            ("bad_info", Load("udf_info does not return an InfoResponse")),
            ("bad_option_name", Load("a TICKscript can't call option `no-name`")),
            ("memory64", Load("is not a valid module")),
            ("huge_info", Load("its InfoResponse is larger than 64KiB")),
            ("option_not_utf8", Load("udf_info does not return an InfoResponse")),
            ("option_value_type", Load("option `a` has a value of unknown type 9")),
            ("unknown_edge", Load("7 is no edge type")),
            ("negative_edge", Load("-1 is no edge type")),
            ("reserved_option", Load("a TICKscript can't call option `lambda`")),
            ("huge_option_name", Harmless(0)),
            ("many_values", Harmless(0)),
            ("many_options", Load("it has more than 256 options")),
            ("many_tables", Load("table count too high at 5")),
            ("big_table", Load("asked for a table of 1000000 entries, more than limits.table = 100000")),
            ("data_outside", Load("start: trap: out of bounds memory access")),
            ("elements_outside", Load("start: trap: undefined element")),
            ("no_memory", Load("has no export `memory: memory`")),
            ("half_snapshot", Load("exports only one of udf_snapshot and udf_restore")),
            ("wrong_type", Load("has no export `_initialize: () -> ()`")),
            ("wrong_import_type", Load("incompatible import type for `kapacitor::log`")),
            ("component", Load("is a WebAssembly component")),
            ("shared_memory", Load("is not a valid module: threads must be enabled")),
            ("two_memories", Load("is not a valid module: multiple memories")),
        ],
    ),
    // Metrics of a plugin's own.
    (
        "metrics",
        &[
            ("half_metrics", Load("exports only one of udf_metrics and udf_metric_values")),
            ("typed_metrics", Load("has no export `udf_metrics: () -> i64`")),
            ("huge_metrics", Load("their descriptions are larger than 16KiB")),
            ("metrics_out_of_range", Load("udf_metrics: returned the region 4294967295..+96")),
            ("many_metrics", Load("there are more than 16")),
            ("forged_metric", Load("is no name of one")),
            ("twin_metrics", Load("two of them are named `a`")),
            ("metrics_not_utf8", Load("their descriptions are not UTF-8")),
            ("unknown_metric_kind", Load("`histogram a x` is no line `counter NAME HELP`")),
            ("values_outside", Load("their values at address 4294967288 are not within its memory")),
            ("endless_metrics", Load("udf_metrics: computed for longer than limits.call-deadline")),
            ("trap_in_metrics", Load("udf_metric_values: trap")),
            ("hostile_help", Harmless(0)),
            ("wild_values", Harmless(0)),
        ],
    ),
    // Frames and messages that Kapacitor does not take from a UDF.
    (
        "frames",
        &[
            ("empty_response", Point("response 1 of the call: it has no message set")),
            ("unknown_response", Point("field 19 is not a response that Kapacitor knows")),
            ("two_messages", Point("it has more than one message")),
            ("cut_frame", Point("the frame is cut off")),
            ("huge_frame_length", Point("the frame is cut off or its length is wrong")),
            ("frame_1_40", Point("the frame is cut off or its length is wrong")),
            ("frame_1_31", Point("the frame is cut off or its length is wrong")),
            ("frame_negative", Point("the frame is cut off or its length is wrong")),
            ("frame_overflow", Point("the frame is cut off or its length is wrong")),
            ("cut_header", Point("response 2 of the call: the frame is cut off")),
            ("garbage", Point("`response` is malformed")),
            ("group_wire_type", Point("`response` is malformed")),
            ("point_as_varint", Point("`point` is malformed")),
            ("cut_point", Point("`point` is malformed")),
            ("wrong_field_type", Point("`fieldsDouble` is malformed")),
            ("unknown_fields", Harmless(1)),
            ("after_error", Point("response 2 of the call: a response after error")),
            ("own_error", Point("plugin \"own_error\": enough")),
            ("forged_info", Point("a plugin may not send `info`")),
            ("forged_keepalive", Point("a plugin may not send `keepalive`")),
            ("forged_fence", Point("a plugin may not send `fence`")),
            ("forged_snapshot", Point("a plugin may not send `snapshot`")),
            ("forged_init", Point("a plugin may not send `init`")),
            ("forged_restore", Point("a plugin may not send `restore`")),
            ("keepalive_flood", Point("response 1 of the call: a plugin may not send `keepalive`")),
            ("bad_init_response", Init("udf_init: returned a malformed InitResponse")),
        ],
    ),
    // Batches that begin, end or are counted wrongly.
    (
        "batches",
        &[
            ("end_without_begin", Point("end without begin")),
            ("begin_twice", Point("begin before the end of the batch before")),
            ("point_outside_batch", Point("a point outside of a batch")),
            ("batch_on_stream", Point("`begin` on a stream edge")),
            ("open_batch", Harmless(0)),
            ("huge_begin_size", Harmless(3)),
            ("begin_size_negative", Harmless(3)),
            ("begin_size_1_33", Harmless(3)),
            ("begin_size_twice", Harmless(3)),
            (
                "interleaved_batches",
                Point("response 2 of the call: begin before the end of the batch before"),
            ),
            ("end_twice", Point("response 4 of the call: end without begin")),
            ("end_of_another", Harmless(3)),
            ("begin_on_stream", Point("`begin` on a stream edge")),
            ("end_on_stream", Point("`end` on a stream edge")),
            ("error_in_batch", Point("plugin \"error_in_batch\": in the middle")),
            ("many_batches", Harmless(2000)),
            (
                "huge_batch",
                Point(
                    "response 20002 of the call: more points in one call or batch than limits.output-points = 20000",
                ),
            ),
            ("extreme_times", Harmless(4)),
        ],
    ),
    // Points that are odd, and points that are large.
    (
        "points",
        &[
            ("two_types", Point("field `x` has values of more than one type")),
            ("no_fields", Harmless(1)),
            ("nothing_in_point", Harmless(1)),
            ("nan_field", Harmless(1)),
            ("inf_field", Harmless(1)),
            ("empty_names", Harmless(1)),
            ("duplicate_keys", Harmless(1)),
            ("duplicate_key_in_entry", Point("field `x` has values of more than one type")),
            ("entry_without_key", Point("field `` has values of more than one type")),
            ("unknown_dimension", Harmless(1)),
            ("line_breaks", Harmless(1)),
            ("control_characters", Harmless(1)),
            ("wide_bool", Harmless(1)),
            ("many_fields", Point("a point of more than 65536 tags and fields")),
            ("many_tags", Point("a point of more than 65536 tags and fields")),
            ("most_fields", Harmless(1)),
            ("most_tags", Harmless(1)),
            ("huge_name", Harmless(1)),
            ("huge_tag", Harmless(1)),
            ("point_flood", Harmless(10_000)),
        ],
    ),
    // Text that is not UTF-8.
    (
        "utf8",
        &[
            ("invalid_utf8", Point("`tags` is not valid UTF-8")),
            ("utf8_tag_key", Point("`tags` is not valid UTF-8")),
            ("utf8_field_key", Point("`fieldsDouble` is not valid UTF-8")),
            ("utf8_int_key", Point("`fieldsInt` is not valid UTF-8")),
            ("utf8_bool_key", Point("`fieldsBool` is not valid UTF-8")),
            ("utf8_string", Point("`fieldsString` is not valid UTF-8")),
            ("utf8_name", Point("`name` is not valid UTF-8")),
            ("utf8_database", Point("`database` is not valid UTF-8")),
            ("utf8_group", Point("`group` is not valid UTF-8")),
            ("utf8_dimension", Point("`dimensions` is not valid UTF-8")),
            ("utf8_surrogate", Point("`tags` is not valid UTF-8")),
            ("utf8_overlong", Point("`fieldsString` is not valid UTF-8")),
            ("utf8_long", Point("`fieldsString` is not valid UTF-8")),
            ("utf8_batch_name", Point("`name` is not valid UTF-8")),
            ("utf8_end_tag", Point("response 3 of the call: `tags` is not valid UTF-8")),
            ("utf8_error", Point("`error` is not valid UTF-8")),
        ],
    ),
    // Text that is logged or shown.
    (
        "text",
        &[
            ("error_forgery", Point("msg=forged \\u001b[31m\\u202e\\u000d\\u0007 end")),
            ("huge_error", Point("a… (1044501 bytes cut)")),
            ("init_forgery", Init("msg=forged \\u001b[31m\\u202e\\u000d\\u0007 end")),
            ("huge_init_error", Init(" bytes cut)")),
            ("panic_forgery", Point("msg=forged \\u001b[31m\\u202e\\u000d\\u0007 end")),
            ("name_forgery", Point("msg=forged \\u001b[31m\\u202e\\u000d\\u0007 end")),
            ("import_forgery", Load("imports `env.x")),
            ("marker_forgery", Load("is made for guest interface x")),
            ("option_forgery", Load("a TICKscript can't call option `x")),
            ("log_levels", Harmless(0)),
            ("logs_at_start", Harmless(0)),
            ("panic_flood", Harmless(0)),
            ("empty_logs", Harmless(0)),
            ("log_flood", Harmless(0)),
            ("log_forgery", Harmless(0)),
            ("log_out_of_range", Harmless(0)),
        ],
    ),
    // Calls of WASI.
    (
        "wasi",
        &[
            ("sleeps", Harmless(0)),
            ("prints", Harmless(0)),
            ("opens_files", Harmless(0)),
            ("exits", Point("udf_process: exited with code 3")),
            ("exits_zero", Point("udf_process: exited with code 0")),
            ("exits_odd", Point("udf_process: trap: exit with invalid exit status")),
            ("exits_at_load", Load("_initialize: exited with code 0")),
            ("raises", Harmless(0)),
            ("looks_around", Harmless(0)),
            ("reads_stdin", Harmless(0)),
            ("descriptor_tricks", Harmless(0)),
            ("print_flood", Harmless(0)),
            ("prints_outside", Harmless(0)),
            ("poll_huge", Harmless(0)),
            ("poll_outside", Point("udf_process: trap: Pointer out of bounds")),
            ("poll_many", Harmless(0)),
            ("poll_too_many", Harmless(0)),
            ("sleeps_often", Point("udf_process: computed for longer than limits.call-deadline")),
            ("yields_often", Point("udf_process: computed for longer than limits.call-deadline")),
            ("random_huge", Point("udf_process: trap: requested len 1073741824 exceeds limit 1048576")),
            ("random_outside", Point("udf_process: trap: requested len 33554432 exceeds limit 1048576")),
            ("random_hog", Point("udf_process: computed for longer than limits.call-deadline")),
            ("clocks", Point("udf_process: trap: Pointer out of bounds")),
        ],
    ),
    // Time, stack, memory and output of a call.
    (
        "limits",
        &[
            ("busy", Harmless(1)),
            ("endless_info", Load("udf_info: computed for longer than limits.call-deadline")),
            ("endless_start", Load("start: computed for longer than limits.call-deadline")),
            ("endless_initialize", Load("_initialize: computed for longer than limits.call-deadline")),
            ("endless_init", Init("udf_init: computed for longer than limits.call-deadline")),
            ("endless_input", Init("udf_input: computed for longer than limits.call-deadline")),
            ("endless_loop", Point("udf_process: computed for longer than limits.call-deadline = 200ms")),
            ("endless_finish", End("udf_finish: computed for longer than limits.call-deadline")),
            ("endless_tail_calls", Point("udf_process: computed for longer than limits.call-deadline")),
            ("endless_growth", Point("udf_process: computed for longer than limits.call-deadline")),
            ("endless_indirect", Point("used more stack than limits.stack = 512KiB, in again <- again")),
            ("fill_loop", Point("udf_process: computed for longer than limits.call-deadline")),
            ("copy_loop", Point("udf_process: computed for longer than limits.call-deadline")),
            ("stack_overflow", Point("used more stack than limits.stack = 512KiB, in deeper <- deeper")),
            ("stack_end_log", Point("used more stack than limits.stack = 512KiB")),
            ("stack_end_wasi", Point("used more stack than limits.stack = 512KiB")),
            ("stack_end_grow", Point("used more stack than limits.stack = 512KiB")),
            ("memory_hog_at_start", Load("needs 256MiB of memory to start, more than limits.memory = 8MiB")),
            ("memory_hog", Point("asked for 8256KiB of memory, more than limits.memory = 8MiB")),
            ("table_hog", Point("more than limits.table = 100000")),
            ("early_refusal", Point("udf_process: trap: wasm `unreachable`")),
            ("huge_output", Point("returned 3145728 bytes, more than limits.output = 2MiB")),
            ("most_output", Harmless(1)),
            ("more_output", Point("returned 2097153 bytes, more than limits.output = 2MiB")),
        ],
    ),
    // Traps.
    (
        "traps",
        &[
            ("trap_in_info", Load("udf_info: trap: wasm `unreachable` instruction executed")),
            ("trap_in_start", Load("start: trap: wasm `unreachable` instruction executed")),
            ("trap_in_initialize", Load("_initialize: trap: wasm `unreachable`")),
            ("trap_in_init", Init("udf_init: trap: wasm `unreachable`")),
            ("trap_in_input", Init("udf_input: trap: wasm `unreachable`")),
            ("trap_in_process", Point("udf_process: trap: integer divide by zero")),
            ("trap_in_finish", End("udf_finish: trap: wasm `unreachable`")),
            ("trap_after_output", Point("udf_process: trap: wasm `unreachable`")),
            ("bad_conversion", Point("udf_process: trap: invalid conversion to integer")),
            ("null_call", Point("udf_process: trap: uninitialized element")),
            ("wrong_call", Point("udf_process: trap: indirect call type mismatch")),
            ("outside_load", Point("udf_process: trap: out of bounds memory access")),
        ],
    ),
    // Regions of memory and input buffers.
    (
        "regions",
        &[
            ("out_of_range_pointer", Point("returned the region 2147483647..+16,")),
            ("out_of_range_length", Point("returned the region 65535..+16,")),
            ("wrapping_pointer", Point("udf_process: returned 4294967295 bytes, more than limits.output")),
            ("empty_region_outside", Point("udf_process: returned the region 4294967295..+0")),
            ("init_out_of_range", Init("udf_init: returned the region 4294967295..+96")),
            ("info_out_of_range", Load("udf_info: returned the region 4294967295..+96")),
            ("returns_its_input", Harmless(1)),
            ("returns_more_than_its_input", Point("response 2 of the call: it has no message set")),
            ("input_negative", Init("udf_input: gave an input buffer at 4294967295")),
            ("input_out_of_range", Init("udf_input: gave an input buffer at 65535")),
            ("input_moves", Harmless(0)),
            ("input_last_page", Point("udf_input: gave an input buffer at 65504 that does not have room")),
            ("input_on_itself", Point("the frame is cut off or its length is wrong")),
        ],
    ),
    // Snapshots and restores.
    (
        "snapshots",
        &[
            ("trap_in_giving_back", Snapshot("udf_input: trap: wasm `unreachable`")),
            (
                "trap_in_state_version",
                Load("fails at its first call: udf_state_version: trap: wasm `unreachable`"),
            ),
            (
                "endless_state_version",
                Load(
                    "fails at its first call: udf_state_version: computed for longer than limits.call-deadline",
                ),
            ),
            ("trap_in_snapshot", Snapshot("udf_snapshot: trap: wasm `unreachable`")),
            ("endless_snapshot", Snapshot("udf_snapshot: computed for longer than limits.call-deadline")),
            ("exits_in_snapshot", Snapshot("udf_snapshot: exited with code 0")),
            ("bad_snapshot_response", Snapshot("udf_snapshot: returned a malformed SnapshotResponse")),
            ("snapshot_out_of_range", Snapshot("udf_snapshot: returned the region 4294967295..+0")),
            (
                "more_snapshot",
                Snapshot("udf_snapshot: returned 2097153 bytes, more than limits.output = 2MiB"),
            ),
            ("huge_snapshot", Harmless(0)),
            ("empty_snapshot", Harmless(0)),
            ("full_memory", Harmless(0)),
            ("table_state", Harmless(0)),
            ("hidden_global", Harmless(0)),
            ("odd_globals", Harmless(0)),
            ("wizer_names", Harmless(0)),
            ("trap_in_restore", Harmless(0)),
            ("endless_restore", Harmless(0)),
            ("exits_in_restore", Harmless(0)),
            ("refuses_restore", Harmless(0)),
            ("bad_restore_response", Harmless(0)),
            ("restore_out_of_range", Harmless(0)),
            ("restore_hog", Harmless(0)),
        ],
    ),
];

/// The `udf.toml` of a host with hostile guests.
pub const LIMITS: &str = "
[limits]
memory = \"8MiB\"
call-deadline = \"200ms\"
output = \"2MiB\"

[functions.busy]
plugin = \"busy\"
[functions.busy.limits]
call-deadline = \"1s\"

[functions.huge_batch.limits]
output-points = 20000
";

/// A longer deadline for a harmless guest whose calls take long on a busy machine.
const PATIENT: &str = "
[functions.full_memory.limits]
call-deadline = \"5s\"
";

/// A policy under which nothing is left out of the output, and the first failure ends a session.
pub const STRICT: &str = "
[policy]
on-trap = \"fail\"
not-finite = \"pass\"
no-fields = \"pass\"
unwritable = \"pass\"
";

#[test]
fn every_guest_is_listed_and_describes_its_attack() {
    let text = |part: Option<&OsStr>| part.unwrap().to_str().unwrap().to_owned();
    let files: BTreeSet<(String, String)> = wat_guests()
        .into_iter()
        .map(|path| {
            assert!(fs::read_to_string(&path).unwrap().starts_with(";; "), "{}", path.display());
            (text(path.parent().unwrap().file_name()), text(path.file_stem()))
        })
        .collect();
    let listed: BTreeSet<(String, String)> = ATTACKS
        .iter()
        .flat_map(|(folder, guests)| {
            guests.iter().map(|(name, _)| ((*folder).to_owned(), (*name).to_owned()))
        })
        .collect();
    assert_eq!(files, listed);
    // A test names a guest without its folder.
    let names: BTreeSet<&String> = files.iter().map(|(_, name)| name).collect();
    assert_eq!(names.len(), files.len());
}

#[test]
fn attack_ends_only_its_own_session() {
    let attacks = || ATTACKS.iter().flat_map(|(_, guests)| guests.iter().copied());
    let names: Vec<&str> = attacks().map(|(name, _)| name).collect();
    let host = Setup::new(&format!("{LIMITS}{STRICT}{PATIENT}")).with(&names).with(&["moving_avg"]).serve();
    let mut neighbour = host.start("moving_avg", &moving_avg(1));
    let mut sent = Vec::new();
    let mut feed = |neighbour: &mut Client| {
        let value = sent.len() as f64;
        neighbour.send(RequestMessage::Point(point("a", sent.len() as i64, value))).unwrap();
        sent.push(value);
    };
    for (name, attack) in attacks() {
        feed(&mut neighbour);
        match attack {
            Load(expected) => {
                refused(&host, name, expected);
                // Info is answered so that Kapacitor starts, and the task fails with the reason.
                assert!(host.connect(name).info().is_ok());
                let response = host.connect(name).init("task", Vec::new()).unwrap();
                assert!(!response.success && response.error.contains(expected), "{}", response.error);
                assert_shows(&response.error);
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
                let mut got = play(host.start(name, &[]), [RequestMessage::Point(point("a", 1, 1.0))]);
                // The host sends these during a call that takes long on a busy machine.
                let of_host = ResponseMessage::Keepalive(KeepaliveResponse::default());
                got.retain(|response| *response != of_host);
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
    assert_shows(error);
}

/// Asserts that an error has no control characters, since `kapacitor show` prints it as it is.
fn assert_shows(error: &str) {
    let obeyed = |c: char| (c.is_control() && c != '\n' && c != '\t') || c == '\u{202e}';
    assert!(!error.contains(obeyed), "{error:?}");
}

#[test]
fn batch_size_is_corrected() {
    let host = Setup::new(&format!("{LIMITS}{STRICT}")).with(&["huge_begin_size", "busy"]).serve();
    let responses = play(host.start("huge_begin_size", &[]), [RequestMessage::Point(point("a", 1, 1.0))]);
    assert!(matches!(&responses[0], ResponseMessage::Begin(begin) if begin.size == 1), "{responses:?}");
}

#[test]
fn guest_that_attacks_in_restore_starts_clean() {
    let reasons = [
        ("endless_restore", "udf_restore: computed for longer than limits.call-deadline"),
        ("bad_restore_response", "udf_restore: returned a malformed RestoreResponse"),
        ("restore_out_of_range", "udf_restore: returned the region 4294967295..+96"),
        ("exits_in_restore", "udf_restore: exited with code 0"),
        ("restore_hog", "the plugin refuses it"),
    ];
    let host = Setup::new(LIMITS).with(&reasons.map(|(name, _)| name)).with(&["busy"]).serve();
    for (name, reason) in reasons {
        let mut old = host.start(name, &[]);
        let snapshot = old.snapshot(&mut Vec::new()).unwrap();
        let mut new = host.start(name, &[]);
        let restored = new.restore(snapshot.clone()).unwrap();
        assert!(restored.success, "{name}: {}", restored.error);
        let line = host.wait_for_log(&["was set aside", &format!("plugin={name} ")]);
        assert!(line.contains(reason), "{line}");
        // The new task works: it takes points, and a snapshot of it can be taken.
        new.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
        assert!(!new.snapshot(&mut Vec::new()).unwrap().is_empty(), "{name}");
        assert_eq!(play(new, []), [], "{name}");
    }
}
