//! A guest gets the same results for the same data.

use std::fmt::Write as _;

use kapacitor_wasm::internals::WASI;
use kapacitor_wasm::protocol::client::Client;
use kapacitor_wasm::protocol::{Point, RequestMessage, ResponseMessage, put_response};

use crate::support::{self, Setup, field, point, receive};

/// Number of sessions with the same input whose results are compared.
const SESSIONS: usize = 40;

/// Length of a frame in bytes from which the guests of these tests fail.
const LONG: usize = 300;

/// Functions that each guest of these tests has.
const REST: &str = r#"
    (func (export "kapacitor_udf_abi_1"))
    (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
    (func (export "udf_info") (result i64) (i64.const 0))
    (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
    (func (export "udf_finish") (result i64) (i64.const 0))"#;

/// A point of a guest, as it lies in the guest's memory from address 128 on.
struct OutputFrame {
    bytes: Vec<u8>,
    /// Address of the value of each field.
    fields: Vec<usize>,
}

impl OutputFrame {
    /// A point with these fields, all of type double.
    fn new(names: &[&str]) -> Self {
        let value = |i: usize| 1e9 + i as f64;
        let fields = names.iter().enumerate().map(|(i, name)| ((*name).to_owned(), value(i)));
        let point = Point { name: "r".to_owned(), fields_double: fields.collect(), ..Point::default() };
        let mut bytes = Vec::new();
        put_response(ResponseMessage::Point(point), &mut bytes);
        let at = |i| bytes.windows(8).position(|bytes| bytes == value(i).to_le_bytes()).unwrap();
        let fields = (0..names.len()).map(|i| 128 + at(i)).collect();
        Self { bytes, fields }
    }

    /// Its data segment, and that of the InitResponse.
    fn data(&self) -> String {
        format!("(data (i32.const 0) \"\\08\\01\") (data (i32.const 128) \"{}\")", text(&self.bytes))
    }

    /// What `udf_process` returns.
    fn region(&self) -> i64 {
        128 << 32 | self.bytes.len() as i64
    }

    /// The instruction that sets a field to `value`, an expression of type f64.
    fn set(&self, field: usize, value: &str) -> String {
        format!("(f64.store (i32.const {}) {value})\n", self.fields[field])
    }
}

/// Bytes as a string of the text format.
fn text(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "\\{byte:02x}").unwrap();
        text
    })
}

/// All responses to `requests`, without the keepalives of a busy machine.
fn play(client: Client, requests: impl IntoIterator<Item = RequestMessage>) -> Vec<ResponseMessage> {
    let mut responses = support::play(client, requests);
    responses.retain(|response| !matches!(response, ResponseMessage::Keepalive(_)));
    responses
}

fn good(time: i64) -> RequestMessage {
    RequestMessage::Point(point("a", time, time as f64))
}

/// A point whose frame is longer than [`LONG`].
fn long(time: i64) -> RequestMessage {
    RequestMessage::Point(Point { name: "x".repeat(LONG), ..point("a", time, 1.0) })
}

/// The parameters with which `name` is called: `f` is each of the numbers 0 to 3, `0` and `1` are themselves, `I` is
/// a long integer, `a`, `b` and `c` are addresses of room, `v` of a buffer, `p` of a path, `s` of the subscriptions to
/// 40 clocks, `n` is their number, and `l` is a length.
fn parameters(name: &str) -> &'static str {
    match name {
        "args_get" | "args_sizes_get" | "environ_get" | "environ_sizes_get" => "ab",
        "clock_time_get" => "fIa",
        "fd_allocate" | "fd_fdstat_set_rights" => "fII",
        "fd_close" | "fd_datasync" | "fd_sync" | "proc_raise" => "f",
        "clock_res_get" | "fd_fdstat_get" | "fd_filestat_get" | "fd_prestat_get" | "fd_tell" => "fa",
        "fd_fdstat_set_flags" => "f0",
        "fd_filestat_set_size" => "fI",
        "fd_advise" | "fd_filestat_set_times" => "fII0",
        "fd_pread" | "fd_pwrite" => "fv1Ia",
        "fd_prestat_dir_name" => "fal",
        "fd_read" | "fd_write" => "fv1a",
        "fd_readdir" => "falIb",
        "fd_renumber" => "f1",
        "fd_seek" => "fI0a",
        "path_create_directory" | "path_remove_directory" | "path_unlink_file" => "fp1",
        "path_filestat_get" => "f0p1a",
        "path_filestat_set_times" => "f0p1II0",
        "path_link" => "f0p1fp1",
        "path_open" => "f0p10II0a",
        "path_readlink" => "fp1alb",
        "path_rename" => "fp1fp1",
        "path_symlink" => "p1fp1",
        "poll_oneoff" => "sanc",
        "random_get" => "al",
        "sched_yield" => "",
        name => panic!("say how to call {name}"),
    }
}

/// Calls each function that a guest may import, and returns a number for each: a hash of all that it has returned.
fn calls_everything() -> String {
    const ROOM: usize = 65536;
    let functions: Vec<&str> = WASI.into_iter().filter(|name| *name != "proc_exit").collect();
    let frame = OutputFrame::new(&functions);
    let (mut imports, mut calls) = (String::new(), String::new());
    for (i, name) in functions.iter().enumerate() {
        let (mut types, mut arguments) = (String::new(), String::new());
        for parameter in parameters(name).chars() {
            types.push_str(if parameter == 'I' { " i64" } else { " i32" });
            arguments.push_str(&match parameter {
                'f' => "(local.get $f)".to_owned(),
                'I' => "(i64.const 1)".to_owned(),
                _ => {
                    let value = match parameter {
                        '0' => 0,
                        '1' => 1,
                        'a' => ROOM,
                        'b' => ROOM + 2048,
                        'c' => ROOM + 4096,
                        'v' => 12288,
                        'p' => 12320,
                        's' => 8192,
                        'n' => 40,
                        'l' => 64,
                        other => panic!("{other} is no parameter"),
                    };
                    format!("(i32.const {value})")
                }
            });
        }
        let parameters = if types.is_empty() { types } else { format!("(param{types})") };
        writeln!(
            imports,
            r#"(import "wasi_snapshot_preview1" "{name}" (func ${name} {parameters} (result i32)))"#
        )
        .unwrap();
        // The conversion is exact.
        let value = "(f64.convert_i64_u (i64.shr_u (local.get $hash) (i64.const 12)))";
        let set = frame.set(i, value);
        writeln!(
            calls,
            "(local.set $hash (i64.const 0)) (local.set $f (i32.const 0))
            (loop $next
              (memory.fill (i32.const {ROOM}) (i32.const 7) (i32.const 8192))
              (local.set $hash (call $mix (local.get $hash) (i64.extend_i32_u (call ${name} {arguments}))))
              (local.set $hash (call $hash_of_room (local.get $hash)))
              (local.set $f (i32.add (local.get $f) (i32.const 1)))
              (br_if $next (i32.lt_u (local.get $f) (i32.const 4))))
            {set}"
        )
        .unwrap();
    }
    // Clocks that are due 1 ms from now and 25 us after each other, as in a loop of events.
    let clocks: Vec<u8> =
        (0..40u64).flat_map(|i| [i, 0, 1, 1_000_000 + 25_000 * i, 0, 0]).flat_map(u64::to_le_bytes).collect();
    let buffer = [(ROOM as u32 + 512).to_le_bytes(), 64u32.to_le_bytes()].concat();
    format!(
        r#"(module
          (import "kapacitor" "log" (func $log (param i32 i32 i32)))
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          {imports}
          (memory (export "memory") 4)
          {}
          (data (i32.const 8192) "{}")
          (data (i32.const 12288) "{}")
          (data (i32.const 12320) "p")
          (func $mix (param $hash i64) (param $value i64) (result i64)
            (i64.mul (i64.xor (i64.rotl (local.get $hash) (i64.const 23)) (local.get $value))
              (i64.const 0x9e3779b97f4a7c15)))
          (func $hash_of_room (param $hash i64) (result i64) (local $at i32)
            (loop $next
              (local.set $hash (call $mix (local.get $hash) (i64.load offset={ROOM} (local.get $at))))
              (local.set $at (i32.add (local.get $at) (i32.const 8)))
              (br_if $next (i32.lt_u (local.get $at) (i32.const 8192))))
            (local.get $hash))
          (func (export "udf_process") (param i32 i32) (result i64) (local $hash i64) (local $f i32)
            {calls}
            (call $log (i32.const 1) (i32.const 12320) (i32.const 1))
            (if (i32.gt_u (local.get 1) (i32.const {LONG})) (then (call $exit (i32.const 7))))
            (i64.const {}))
          {REST})"#,
        frame.data(),
        text(&clocks),
        text(&buffer),
        frame.region()
    )
}

#[test]
fn no_import_tells_real_time_or_chance() {
    let host = Setup::new("").with_wat("everything", &calls_everything()).serve();
    let requests = || [good(1_000), good(2_000), long(3_000), good(4_000), long(5_000), good(6_000)];
    let expected = play(host.start("everything", &[]), requests());
    assert_eq!(expected.len(), 4, "{}", host.log());
    let random = field(&expected, "random_get");
    assert!(random.windows(2).all(|pair| pair[0] != pair[1]), "{random:?}");
    for session in 1..SESSIONS {
        let found = play(host.start("everything", &[]), requests());
        assert_eq!(found, expected, "session {session}");
    }
    host.wait_for_logs(&["plugin failed", "exited with code 7"], SESSIONS);
    assert_eq!(host.count_logs(&["returned something else"]), 0);
}

#[test]
fn a_loop_that_sleeps_until_a_time_ends_at_once() {
    let frame = OutputFrame::new(&["slept", "monotonic", "wall"]);
    let seconds = |time: &str| format!("(f64.div (f64.convert_i64_u {time}) (f64.const 1e9))");
    let now = |clock: u32| format!("(call $now (i32.const {clock}))");
    let wat = format!(
        r#"(module
          (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
          (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1)
          {}
          ;; a subscription to the monotonic clock, a minute from now
          (data (i32.const 1040) "\01") (data (i32.const 1048) "{}")
          (func $now (param i32) (result i64)
            (drop (call $clock (local.get 0) (i64.const 1) (i32.const 64)))
            (i64.load (i32.const 64)))
          (func (export "udf_process") (param i32 i32) (result i64) (local $start i64)
            (local.set $start {monotonic})
            ;; sleeps for an hour and a half, a minute at a time
            (loop $again
              (drop (call $poll (i32.const 1024) (i32.const 1088) (i32.const 1) (i32.const 1120)))
              (br_if $again
                (i64.lt_u (i64.sub {monotonic} (local.get $start)) (i64.const 5400000000000))))
            {}{}{}
            (if (i32.gt_u (local.get 1) (i32.const {LONG})) (then (unreachable)))
            (i64.const {}))
          {REST})"#,
        frame.data(),
        text(&60_000_000_000u64.to_le_bytes()),
        frame.set(0, &seconds(&format!("(i64.sub {} (local.get $start))", now(1)))),
        frame.set(1, &seconds(&now(1))),
        frame.set(2, &seconds(&now(0))),
        frame.region(),
        monotonic = now(1),
    );
    let host = Setup::new("").with_wat("sleeper", &wat).serve();
    let at = |time: i64| good(time * 1_000_000_000);
    let responses =
        play(host.start("sleeper", &[]), [at(1_000), long(2_000_000_000_000), at(2_000), at(100_000)]);
    assert_eq!(field(&responses, "slept"), [5400.0; 3], "{}", host.log());
    // The clock on the wall shows the time of each point, and the other one does not go back.
    assert_eq!(field(&responses, "wall"), [6400.0, 7400.0, 105_400.0]);
    assert_eq!(field(&responses, "monotonic"), [6400.0, 11_800.0, 105_400.0]);
}

#[test]
fn closed_descriptors_are_the_same_after_a_recovery() {
    let frame = OutputFrame::new(&["close", "renumber", "write"]);
    let number = |call: &str| format!("(f64.convert_i32_u {call})");
    let wat = format!(
        r#"(module
          (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_renumber" (func $renumber (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1)
          {}
          (func (export "udf_process") (param i32 i32) (result i64)
            {}{}{}
            (if (i32.gt_u (local.get 1) (i32.const {LONG})) (then (unreachable)))
            (i64.const {}))
          {REST})"#,
        frame.data(),
        frame.set(0, &number("(call $close (i32.const 1))")),
        frame.set(1, &number("(call $renumber (i32.const 2) (i32.const 0))")),
        frame.set(2, &number("(call $write (i32.const 1) (i32.const 1024) (i32.const 1) (i32.const 1032))")),
        frame.region(),
    );
    let host = Setup::new("").with_wat("closer", &wat).serve();
    let responses = play(host.start("closer", &[]), [good(1), good(2), long(3), good(4)]);
    assert_eq!(responses.len(), 3, "{}", host.log());
    for name in ["close", "renumber", "write"] {
        let values = field(&responses, name);
        assert!(values.iter().all(|value| *value == values[0]), "{name}: {values:?}");
    }
}

#[test]
fn nan_has_the_same_bits_whatever_made_it() {
    // A NaN with a payload and a sign, and one that signals.
    let doubles = ["(f64.const -nan:0x8000000001234)", "(f64.const nan:0x1234)"];
    let singles = ["(f32.const -nan:0x401234)", "(f32.const nan:0x1234)"];
    let (mut checks, mut count) = (String::new(), 0.0);
    let mut check = |ty: &str, value: &str| {
        count += 1.0;
        let (int, nan) = if ty == "f64" { ("i64", "0x7ff8000000000000") } else { ("i32", "0x7fc00000") };
        writeln!(
            checks,
            "(local.set $n (i32.add (local.get $n) (i32.const 1)))
            (if ({int}.ne ({int}.reinterpret_{ty} {value}) ({int}.const {nan}))
              (then (if (i32.eqz (local.get $first)) (then (local.set $first (local.get $n))))))"
        )
        .unwrap();
    };
    for (ty, nans) in [("f64", doubles), ("f32", singles)] {
        let lane = |value: &str| {
            if ty == "f64" { format!("(f64x2.splat {value})") } else { format!("(f32x4.splat {value})") }
        };
        let shape = if ty == "f64" { "f64x2" } else { "f32x4" };
        for nan in nans {
            for operation in ["ceil", "floor", "trunc", "nearest", "sqrt"] {
                check(ty, &format!("({ty}.{operation} {nan})"));
                check(ty, &format!("({shape}.extract_lane 1 ({shape}.{operation} {}))", lane(nan)));
            }
            for operation in ["add", "sub", "mul", "div", "min", "max"] {
                for (a, b) in [(nan, nans[0]), (nans[1], nan), (nan, &*format!("({ty}.const 1)"))] {
                    check(ty, &format!("({ty}.{operation} {a} {b})"));
                    let vector = format!("({shape}.{operation} {} {})", lane(a), lane(b));
                    check(ty, &format!("({shape}.extract_lane 1 {vector})"));
                }
            }
        }
        check(ty, &format!("({ty}.div ({ty}.const 0) ({ty}.const -0))"));
        check(ty, &format!("({ty}.sub ({ty}.const inf) ({ty}.const inf))"));
        check(ty, &format!("({ty}.mul ({ty}.const 0) ({ty}.const -inf))"));
        check(ty, &format!("({ty}.sqrt ({ty}.const -1))"));
    }
    for nan in doubles {
        check("f32", &format!("(f32.demote_f64 {nan})"));
        check("f32", &format!("(f32x4.extract_lane 0 (f32x4.demote_f64x2_zero (f64x2.splat {nan})))"));
    }
    for nan in singles {
        check("f64", &format!("(f64.promote_f32 {nan})"));
        check("f64", &format!("(f64x2.extract_lane 0 (f64x2.promote_low_f32x4 (f32x4.splat {nan})))"));
    }
    let frame = OutputFrame::new(&["checks", "first"]);
    let wat = format!(
        r#"(module
          (memory (export "memory") 1)
          {}
          (func (export "udf_process") (param i32 i32) (result i64) (local $n i32) (local $first i32)
            {checks}
            {}{}
            (i64.const {}))
          {REST})"#,
        frame.data(),
        frame.set(0, "(f64.convert_i32_u (local.get $n))"),
        frame.set(1, "(f64.convert_i32_u (local.get $first))"),
        frame.region(),
    );
    let host = Setup::new("").with_wat("nans", &wat).serve();
    let responses = play(host.start("nans", &[]), [good(1)]);
    assert_eq!(field(&responses, "checks"), [count], "{}", host.log());
    assert_eq!(field(&responses, "first"), [0.0]);
}

#[test]
fn instructions_with_a_choice_are_refused() {
    let wat = format!(
        r#"(module
          (memory (export "memory") 1)
          (func (export "udf_process") (param i32 i32) (result i64)
            (i64x2.extract_lane 0 (i8x16.relaxed_swizzle (v128.const i64x2 1 2) (v128.const i64x2 200 3))))
          {REST})"#
    );
    let setup = Setup::new("").with_wat("relaxed", &wat);
    let (code, out, err) = setup.run(&["check"]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(format!("{out}{err}").contains("relaxed SIMD support is not enabled"), "{out}{err}");
}

/// Recurses as deep as the length of its input says, 16 frames for each byte, and returns that length.
fn recurses(frame: &OutputFrame) -> String {
    format!(
        r#"(module
          (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
          (memory (export "memory") 1)
          {}
          (func $deeper (param $left i32) (result i32)
            (if (result i32) (local.get $left)
              (then (i32.add (call $deeper (i32.sub (local.get $left) (i32.const 1))) (i32.const 1)))
              (else (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 64))) (i32.const 0))))
          (func (export "udf_process") (param i32 i32) (result i64)
            (drop (call $deeper (i32.mul (local.get 1) (i32.const 16))))
            {}
            (i64.const {}))
          {REST})"#,
        frame.data(),
        frame.set(0, "(f64.convert_i32_u (local.get 1))"),
        frame.region(),
    )
}

#[test]
fn the_stack_ends_at_the_same_depth_in_each_session_and_after_each_recovery() {
    let wat = recurses(&OutputFrame::new(&["length"]));
    let host = Setup::new("[limits]\nstack = \"256KiB\"\n[policy]\nfailures-per-minute = 1000\n")
        .with_wat("recurses", &wat)
        .serve();
    // The length of the longest name that passes; each failure of the search is followed by a recovery.
    let deepest = |restore: Option<Vec<u8>>| {
        let mut client = host.start("recurses", &[]);
        if let Some(snapshot) = restore {
            assert!(client.restore(snapshot).unwrap().success);
        }
        let named = |length: usize| Point { name: "x".repeat(length), ..point("a", 1, 1.0) };
        let (mut passes, mut fails) = (1, 3000);
        while fails - passes > 1 {
            let length = (passes + fails) / 2;
            client.send(RequestMessage::Point(named(length))).unwrap();
            client.send(RequestMessage::Point(named(0))).unwrap();
            let mut found = Vec::new();
            while found.last().is_none_or(|length| *length > 128.0) {
                found.extend(field(&[receive(&mut client).unwrap()], "length"));
            }
            match found.len() {
                1 => fails = length,
                _ => passes = length,
            }
        }
        (passes, client.snapshot(&mut Vec::new()).unwrap())
    };
    let (first, snapshot) = deepest(None);
    assert!((100..2990).contains(&first), "{first}");
    for restore in [None, Some(snapshot), None] {
        assert_eq!(deepest(restore).0, first);
    }
}
