//! The seeds of the fuzz targets in `fuzz/seeds`, which are made of the same material as the tests.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kapacitor_wasm::internals::{Bytes, Engine, Labels, Limits, Provenance, SandboxContext, Span, admit};
use kapacitor_wasm::protocol::{
    BeginBatch, EndBatch, FenceRequest, InfoRequest, InitRequest, KeepaliveRequest, KeepaliveResponse,
    Option as UdfOption, OptionValue, Point, RequestMessage, ResponseMessage, RestoreRequest,
    SnapshotRequest, ValueType, option_value::Value, put_error, put_request, put_response,
};

/// The `udf.toml` that is shipped.
const SHIPPED: &str = include_str!("../udf.toml");

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Guests that admission treats differently.
const GUESTS: [&str; 18] = [
    "after_error",
    "bad_info",
    "endless_start",
    "exits",
    "hidden_global",
    "huge_info",
    "imported_memory",
    "input_out_of_range",
    "memory64",
    "memory_hog_at_start",
    "no_abi",
    "opens_files",
    "prints",
    "refuses_restore",
    "stack_overflow",
    "table_hog",
    "table_state",
    "trap_in_start",
];

/// Writes the seeds again if `WRITE_FUZZ_SEEDS` is in the environment.
#[test]
fn fuzz_seeds_are_present() {
    seeds("kapacitor_frames", kapacitor_frames());
    seeds("guard", guard());
    seeds("snapshot", snapshots());
    seeds("admission", admission());
    seeds("udf_toml", udf_toml());
    seeds("kapacitor_db", kapacitor_db());
}

fn seeds(target: &str, seeds: Vec<(&str, Vec<u8>)>) {
    let folder = Path::new(ROOT).join("fuzz/seeds").join(target);
    if std::env::var_os("WRITE_FUZZ_SEEDS").is_none() {
        for (name, _) in seeds {
            let path = folder.join(name);
            assert!(path.is_file(), "{} is missing: set WRITE_FUZZ_SEEDS", path.display());
        }
        return;
    }
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for (name, bytes) in seeds {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

/// A database that Kapacitor has written, and parts of it.
fn kapacitor_db() -> Vec<(&'static str, Vec<u8>)> {
    let whole = fs::read(Path::new(ROOT).join("tests/fixtures/kapacitor.db")).unwrap();
    vec![
        ("empty", Vec::new()),
        ("meta", whole[..2048].to_vec()),
        ("half", whole[..whole.len() / 2].to_vec()),
        ("whole", whole),
    ]
}

fn point() -> Point {
    Point {
        time: 1_700_000_000_000_000_000,
        name: "cpu".to_owned(),
        database: "telegraf".to_owned(),
        retention_policy: "autogen".to_owned(),
        group: "host=a".to_owned(),
        dimensions: vec!["host".to_owned()],
        tags: [("host".to_owned(), "a".to_owned())].into(),
        fields_double: [("usage".to_owned(), 1.5)].into(),
        fields_int: [("n".to_owned(), -1)].into(),
        fields_string: [("state".to_owned(), "Ω".to_owned())].into(),
        fields_bool: [("up".to_owned(), true)].into(),
        by_name: true,
    }
}

fn begin() -> BeginBatch {
    BeginBatch {
        name: "cpu".to_owned(),
        group: "host=a".to_owned(),
        tags: [("host".to_owned(), "a".to_owned())].into(),
        size: 2,
        by_name: true,
    }
}

fn end() -> EndBatch {
    EndBatch {
        name: "cpu".to_owned(),
        group: "host=a".to_owned(),
        tmax: 1_700_000_000_000_000_000,
        tags: [("host".to_owned(), "a".to_owned())].into(),
        by_name: true,
    }
}

fn kapacitor_frames() -> Vec<(&'static str, Vec<u8>)> {
    use RequestMessage::{Begin, End, Fence, Info, Init, Keepalive, Restore, Snapshot};
    let point = || RequestMessage::Point(point());
    let keepalive = || Keepalive(KeepaliveRequest { time: 7 });
    let option = UdfOption {
        name: "size".to_owned(),
        values: vec![OptionValue { r#type: ValueType::Int.into(), value: Some(Value::IntValue(3)) }],
    };
    let init = || {
        Init(InitRequest {
            options: vec![option.clone()],
            task_id: "task".to_owned(),
            node_id: "f4".to_owned(),
            client_state: false,
        })
    };
    let fence = |id| Fence(FenceRequest { id, at_end: false });
    let with_client_state = Init(InitRequest { client_state: true, ..InitRequest::default() });
    // The head has limits, and the seed of the places where the input is split.
    let of = |head: [u8; 3], messages: Vec<RequestMessage>| {
        let mut bytes = head.to_vec();
        for message in messages {
            put_request(message, &mut bytes);
        }
        bytes
    };
    let ended = |mut bytes: Vec<u8>, with: &[u8]| {
        bytes.extend_from_slice(with);
        bytes
    };
    let batch = || vec![Begin(begin()), point(), Snapshot(SnapshotRequest {}), point(), End(end())];
    vec![
        ("info", of([255, 255, 0], vec![Info(InfoRequest {})])),
        ("start", of([255, 255, 1], vec![init(), keepalive(), point(), point()])),
        ("restore", of([255, 99, 2], vec![init(), Restore(RestoreRequest { snapshot: vec![1; 99] })])),
        ("stream", of([255, 9, 3], (0..8).map(|_| point()).collect())),
        ("snapshot", of([255, 9, 4], vec![point(), Snapshot(SnapshotRequest {}), keepalive(), point()])),
        ("batch", of([99, 9, 5], batch())),
        ("batches", of([99, 0, 6], [batch(), batch()].concat())),
        ("fences", of([255, 9, 15], vec![point(), fence(i64::MIN), fence(0), point(), fence(i64::MAX)])),
        ("fence_in_batch", of([99, 0, 16], [&batch()[..3], &[fence(1)], &batch()[3..]].concat())),
        ("fence_as_varint", ended(of([99, 1, 17], vec![point()]), &[3, 0xc0, 0x3e, 1])),
        ("client_state", of([255, 9, 18], [vec![with_client_state], batch(), vec![fence(2)]].concat())),
        ("cut_batch", of([99, 0, 7], batch()[..3].to_vec())),
        ("small_limit", of([4, 0, 8], vec![keepalive(), point()])),
        ("empty_frames", ended(of([99, 1, 9], vec![point()]), &[0; 99])),
        ("unknown", ended(of([99, 1, 10], vec![point()]), &[5, 0x9a, 0x01, 2, 0, 0, 0])),
        ("huge_length", ended(of([99, 1, 11], vec![point()]), &[0xff, 0xff, 0xff, 0xff, 0x7f])),
        ("no_length", ended(of([99, 1, 12], vec![point()]), &[0xff; 11])),
        ("garbage", ended(of([99, 1, 13], vec![point()]), &[2, 0x0f, 0xff])),
        // Tags and lengths in more bytes than they need.
        ("long_forms", [&[99, 1, 14][..], &[0x85, 0x00, 0x8a, 0x81, 0x00, 0x80, 0x00]].concat()),
    ]
}

fn guard() -> Vec<(&'static str, Vec<u8>)> {
    use ResponseMessage::{Begin, End, Keepalive};
    const STREAM: u8 = 0;
    const BATCH: u8 = 1;
    const SMALL: u8 = 2;
    const MADE: u8 = 4;
    const DROP: u8 = 8;
    const LOOSE: u8 = 16;
    const FAIL: u8 = 32;
    let point = || ResponseMessage::Point(point());
    // The first two bytes are flags, and the places where calls end.
    let of = |flags: u8, ends: u8, messages: Vec<ResponseMessage>| {
        let mut bytes = vec![flags, ends];
        for message in messages {
            put_response(message, &mut bytes);
        }
        bytes
    };
    let batch = || vec![Begin(begin()), point(), point(), End(end())];
    let two_types = ResponseMessage::Point(Point {
        fields_int: [("usage".to_owned(), 1)].into(),
        ..crate::fuzz_seeds::point()
    });
    let doubles = |fields: [(&str, f64); 2]| {
        let fields_double = fields.map(|(name, number)| (name.to_owned(), number)).into();
        ResponseMessage::Point(Point { fields_double, ..Point::default() })
    };
    let nan = || doubles([("nan", f64::NAN), ("inf", f64::INFINITY)]);
    let half = || doubles([("nan", f64::NAN), ("one", 1.0)]);
    let unwanted =
        || vec![Begin(begin()), point(), nan(), half(), End(end()), Begin(begin()), nan(), End(end())];
    let mixed = || [vec![point()], batch(), vec![point()]].concat();
    let huge = Begin(BeginBatch { size: 1 << 62, ..BeginBatch::default() });
    let mut own_error = of(STREAM, 0, vec![point()]);
    put_error("its own", &mut own_error);
    let made = |flags: u8, seed: u32| {
        let mut bytes = vec![flags | MADE, 0b101];
        bytes.extend(noise(seed, 400));
        bytes
    };
    vec![
        ("stream", of(STREAM, 0, vec![point(), point(), point()])),
        ("stream_in_calls", of(STREAM, 0b11, vec![point(), point(), point()])),
        ("batch", of(BATCH, 0, batch())),
        ("batch_in_calls", of(BATCH, 0b0101, [batch(), batch()].concat())),
        ("large_batch", of(BATCH | SMALL, 0b1, [batch(), vec![Begin(begin())], vec![point(); 12]].concat())),
        ("empty_batch", of(BATCH, 0, vec![huge, End(end())])),
        ("end", of(BATCH, 0, vec![End(end())])),
        ("begin_begin", of(BATCH, 0, vec![Begin(begin()), Begin(begin())])),
        ("outside", of(BATCH, 0, [batch(), vec![point()]].concat())),
        ("batch_on_stream", of(STREAM, 0, [vec![point()], batch()].concat())),
        ("two_types", of(STREAM, 0, vec![two_types])),
        ("nan", of(STREAM, 0, vec![nan(), point()])),
        ("nan_dropped", of(STREAM | DROP, 0, vec![half(), nan(), point()])),
        ("nan_refused", of(STREAM | FAIL, 0, vec![point(), half()])),
        ("unwanted_dropped", of(BATCH | DROP, 0b1000, unwanted())),
        ("unwanted_passed", of(BATCH, 0, unwanted())),
        ("loose_stream", of(STREAM | LOOSE, 0b11, mixed())),
        ("loose_batch", of(BATCH | LOOSE | DROP, 0, [mixed(), unwanted()].concat())),
        ("loose_end", of(STREAM | LOOSE, 0, vec![point(), End(end()), point()])),
        ("forged", of(STREAM, 0, vec![point(), Keepalive(KeepaliveResponse { time: 1 })])),
        ("error", own_error),
        ("empty", [of(STREAM, 0, vec![point()]), vec![0]].concat()),
        ("made_stream_1", made(STREAM, 1)),
        ("made_stream_2", made(STREAM, 2)),
        ("made_stream_3", made(STREAM, 3)),
        ("made_stream_4", made(STREAM | DROP, 7)),
        ("made_stream_5", made(STREAM | LOOSE | DROP, 8)),
        ("made_batch_1", made(BATCH, 4)),
        ("made_batch_2", made(BATCH, 5)),
        ("made_batch_3", made(BATCH | SMALL, 6)),
        ("made_batch_4", made(BATCH | DROP, 9)),
    ]
}

/// Snapshots of `fuzz/targets/counter.wat`, which the target restores, and parts of them.
fn snapshots() -> Vec<(&'static str, Vec<u8>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let limits = Limits { call_deadline: Span(Duration::from_secs(9)), ..Limits::default() };
    let engine = Arc::new(Engine::new(limits.stack, None).unwrap());
    let wasm = wat::parse_file(Path::new(ROOT).join("fuzz/targets/counter.wat")).unwrap();
    let (fresh, used) = runtime.block_on(async {
        let plugin = admit(&engine, "counter", &wasm, &limits).await.unwrap();
        let mut sandbox =
            plugin.start(&SandboxContext::without_session(Labels::default(), limits)).await.unwrap();
        let image = plugin.memory_image.as_ref().unwrap();
        let taken = Provenance { points_seen: 3, ..Provenance::without_session(plugin.identity()) };
        let fresh = image.save(&mut sandbox, &taken).await.unwrap();
        for _ in 0..9 {
            sandbox.process(&[0]).await.unwrap();
        }
        (fresh, image.save(&mut sandbox, &taken).await.unwrap())
    });
    let with = |way: u8, bytes: &[u8]| [&[way][..], bytes].concat();
    let run = |index: u32, count: u32, pages: usize| {
        [&index.to_le_bytes()[..], &count.to_le_bytes(), &vec![7; pages * 4096]].concat()
    };
    vec![
        ("empty", with(0, b"")),
        ("pickled", with(0, b"pickled")),
        ("newer_format", with(0, b"KWSN\x02")),
        ("fresh", with(0, &fresh)),
        ("used", with(0, &used)),
        ("cut", with(0, &used[..used.len() - 1])),
        // The target adds the checksums of these.
        ("fresh_body", with(1, &fresh[..fresh.len() - 32])),
        ("used_body", with(1, &used[..used.len() - 32])),
        ("no_header", with(1, b"KWSN\x01\xff\xff\xff\xff")),
        // These are payloads.
        ("no_pages", with(2, b"")),
        ("page", with(2, &run(2, 1, 1))),
        ("page_outside", with(2, &run(16, 1, 1))),
        ("page_missing", with(2, &run(2, 2, 1))),
        // The target makes payloads of these.
        ("made_1", with(3, &noise(1, 300))),
        ("made_2", with(3, &noise(2, 300))),
        ("made_3", with(3, &[0; 64])),
        ("made_4", with(3, &[0x55; 128])),
    ]
}

fn admission() -> Vec<(&'static str, Vec<u8>)> {
    let mut seeds: Vec<_> =
        GUESTS.iter().map(|name| (*name, [vec![0], crate::support::wasm(name)].concat())).collect();
    let made = [
        ("made_plugin_1", 0b0000_0011, 1),
        ("made_plugin_2", 0b0000_0011, 2),
        ("made_plugin_3", 0b0000_1011, 3),
        ("made_plugin_4", 0b0000_1101, 4),
        ("made_info", 0b0001_1011, 5),
        ("made_invalid", 0b0001_1111, 6),
        ("made_gc", 0b1000_0011, 7),
        ("made_exceptions", 0b1010_1011, 8),
        ("made_memory64", 0b1100_0011, 9),
        ("made_proposals", 0b1110_0001, 10),
        ("made_module", 0b0000_1001, 11),
    ];
    seeds.extend(made.map(|(name, flags, seed)| (name, [vec![flags], noise(seed, 1500)].concat())));
    seeds.push(("component", b"\0\0asm\x0d\0\x01\0".to_vec()));
    seeds.push(("text", b"\0(module)".to_vec()));
    seeds
}

fn udf_toml() -> Vec<(&'static str, Vec<u8>)> {
    // An example is a line `#key = value` or `#[table]`.
    let examples: String = SHIPPED
        .lines()
        .filter_map(|line| match line.strip_prefix('#') {
            Some(code) if code.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => Some(code),
            Some(_) => None,
            None => Some(line),
        })
        .filter(|line| !line.is_empty())
        .flat_map(|line| [line, "\n"])
        .collect();
    let limits = Bytes::mib(64);
    vec![
        ("empty", Vec::new()),
        ("examples", examples.into()),
        ("plugin", b"[functions.f]\nplugin = \"mirror\"\n".to_vec()),
        ("generic", b"[functions.f]\nplugin-option = \"plugin\"\nedges = \"stream -> batch\"\n".to_vec()),
        (
            "routes",
            b"[functions.f]\nplugin = \"a\"\n[[functions.f.route]]\ntask = \"{cpu,mem}_[a-z]*?\"\nplugin = \"b\"\n"
                .to_vec(),
        ),
        ("limits", format!("[limits]\nmemory = \"{limits}\"\ncall-deadline = \"1m 30s\"\n").into()),
        ("stack", b"[limits]\nstack = \"1MiB\"\n[functions.f.limits]\noutput = \"1B\"\n".to_vec()),
        ("sessions", b"[sessions]\nmessage = \"1KiB\"\ndrain-deadline = \"500ms\"\n".to_vec()),
        ("folders", b"plugins-dir = \"p\"\nsocket-dir = \"/s\"\nsocket-mode = \"0660\"\n".to_vec()),
        ("unknown_key", b"[limits]\nmem = \"1MiB\"\n".to_vec()),
        ("no_unit", b"[limits]\nmemory = 64\n".to_vec()),
        ("bad_route", b"[functions.f]\nplugin = \"a\"\nroute = [{ task = \"[\", plugin = \"b\" }]\n".to_vec()),
    ]
}

/// Bytes that look random and are the same each time.
fn noise(mut seed: u32, length: usize) -> Vec<u8> {
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}
