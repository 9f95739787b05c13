//! Kapacitor's recordings of batches.

use kapacitor_wasm_data::input::{Format, Options};
use kapacitor_wasm_data::{Batch, Value};

use zip::CompressionMethod;

use crate::helpers::{OnDisk, gzip, point, read, text, texts, zip, zip_with};

const FIRST: &str = r#"{"name":"cpu","tmax":"1970-01-01T00:00:10Z","group":"host=a","byname":true,"tags":{"host":"a"},"points":[{"fields":{"v":1,"n":null},"tags":{"host":"a","cpu":"0"},"time":"1970-01-01T00:00:00.000000001Z"},{"fields":{"s":"x","b":true},"tags":null,"time":"1970-01-01T00:00:01Z"},{"fields":{"n":null},"tags":null,"time":"1970-01-01T00:00:02Z"}]}
"#;
const EMPTY: &str = "{\"name\":\"cpu\",\"tmax\":\"1970-01-01T00:00:20Z\"}\n";
const LATE: &str = "{\"name\":\"mem\",\"tmax\":\"0001-01-01T00:00:00Z\",\"points\":[{\"fields\":{\"v\":-2.5e3},\"tags\":null,\"time\":\"1970-01-01T00:00:30+00:00\"}]}\n";

fn first() -> Batch {
    let points = vec![
        point("cpu", [("host", "a"), ("cpu", "0")], [("v", Value::Double(1.0))], 1),
        point("cpu", [("host", "a")], [("s", text("x")), ("b", Value::Bool(true))], 1_000_000_000),
    ];
    Batch {
        name: "cpu".to_owned(),
        tags: texts([("host", "a")]),
        by_name: true,
        tmax: 10_000_000_000,
        points,
    }
}

fn late() -> Batch {
    let points = vec![point("mem", [], [("v", Value::Double(-2500.0))], 30_000_000_000)];
    Batch { name: "mem".to_owned(), tags: texts([]), by_name: false, tmax: 30_000_000_000, points }
}

#[test]
fn are_read_as_kapacitor_writes_them() {
    let recording = zip(&[&format!("{FIRST}{EMPTY}"), "", &format!("{LATE}{FIRST}")]);
    let file = OnDisk::new("x.brpl", &recording);
    assert_eq!(file.open(&Options::default()).unwrap().format(), Format::BatchRecording);
    assert_eq!(read("x", recording).batches(), [first(), late(), first()]);
}

#[test]
fn are_read_unpacked_as_well() {
    let content = format!("{FIRST}{EMPTY}{LATE}");
    assert_eq!(read("x", &content).batches(), [first(), late()]);
    assert_eq!(read("x", gzip(&content)).batches(), [first(), late()]);
    let for_the_eye = content.replace("[{", "[\n  {").replace(",\"", ",\n  \"");
    assert_eq!(read("x", for_the_eye).batches(), [first(), late()]);
    let too_early = content.replace("00:00:10Z", "00:00:00.5Z").replace("0001-01-01T", "1970-01-01T");
    let early = Batch { tmax: 1_000_000_000, ..first() };
    assert_eq!(read("x", too_early).batches(), [early, late()]);
}

#[test]
fn bad_batches_are_named_with_their_entry() {
    let bad_time = LATE.replace("00:00:30", "00:00:99");
    let read = read("x", zip(&[FIRST, &format!("{{\"name\":\"a\n{bad_time}{LATE}"), "[]"]));
    let [first, second] = &read.bad[..] else { panic!("{:?}", read.bad) };
    assert!(first.starts_with("x (entry 1):1: it is no batch of Kapacitor: "), "{first}");
    let problem = "x (entry 1):2: it is no batch of Kapacitor: \"1970-01-01T00:00:99+00:00\" is no time, or out of range";
    assert!(second.starts_with(problem), "{second}");
    assert_eq!(read.records.len(), 2);
    assert_eq!(read.error.unwrap(), "x: its entry 2 is no batch recording: unpack the zip file");
}

#[test]
fn other_and_damaged_zip_files_are_refused() {
    let mut stored = zip_with(&[FIRST], CompressionMethod::STORE);
    let refused = |content: Vec<u8>| read("x", content).error.unwrap();
    assert_eq!(refused(zip(&["cpu v=1 1\n"])), "x: its entry 0 is no batch recording: unpack the zip file");
    assert_eq!(refused(zip(&[])), "x: there is no point in it: choose a file with points");
    assert_eq!(refused(zip(&[EMPTY])), "x: there is no point in it: choose a file with points");
    let whole = zip(&[FIRST]);
    let cut = refused(whole[..whole.len() - 30].to_vec());
    assert!(cut.starts_with("x: the list of its entries can't be read ("), "{cut}");
    let mut damaged = whole;
    damaged[60] ^= 0xff;
    assert!(read("x", damaged).error.is_some());
    // A digit that is another one is found by the checksum only.
    let at = stored.windows(6).position(|bytes| bytes == b"\"v\":1,").unwrap();
    stored[at + 4] = b'7';
    let error = refused(stored);
    assert_eq!(
        error,
        "x: the compressed data is damaged (the checksum of an entry is wrong): copy the file again"
    );
}

#[test]
fn a_batch_with_too_many_points_is_refused() {
    let point = "{\"fields\":{\"v\":1},\"time\":\"1970-01-01\"},";
    let points = point.repeat(250_001);
    let read = read("x", format!("{{\"points\":[{}]}}\n{LATE}", points.trim_end_matches(',')));
    assert_eq!(read.records.len(), 1);
    assert!(
        read.bad[0].starts_with("x:1: it is no batch of Kapacitor: it has more than 250000 points"),
        "{:?}",
        read.bad
    );
}
