//! Line protocol.

use kapacitor_wasm_data::Value;
use kapacitor_wasm_data::input::{Format, Options, Precision, TimeIfMissing};

use crate::helpers::{OnDisk, gzip, point, read, read_with, text, zstd};

const TWO: &str = "# a comment, with \"a quote=\"\n\ncpu,host=a usage=1.5,n=2i 10\r\n  mem free=3u 20\n";

#[test]
fn is_read_plain_and_compressed() {
    let expected = [
        point("cpu", [("host", "a")], [("usage", Value::Double(1.5)), ("n", Value::Int(2))], 10),
        point("mem", [], [("free", Value::Unsigned(3))], 20),
    ];
    assert_eq!(read("x", TWO).points(), expected);
    assert_eq!(read("x", TWO.trim_end()).points(), expected);
    assert_eq!(read("x", format!("\u{feff}{TWO}")).points(), expected);
    assert_eq!(read("x", gzip(TWO)).points(), expected);
    assert_eq!(read("x", zstd(TWO)).points(), expected);
    // Several parts of a compressed file follow each other, as after `cat a.gz b.gz`.
    assert_eq!(
        read("x", [gzip(TWO), gzip(TWO)].concat()).points(),
        [expected.clone(), expected.clone()].concat()
    );
    assert_eq!(read("x", [zstd(TWO), zstd(TWO)].concat()).points(), [expected.clone(), expected].concat());
}

#[test]
fn is_recognised_whatever_comes_first() {
    for start in ["# comment\n", "not a point\n", "bad,x=\n\n", "a,b,c\nd,e,f\n", "s v=\"two\nlines\" 1\n"] {
        let file = OnDisk::new("x.csv", format!("{start}{TWO}"));
        let mut input = file.open(&Options::default()).unwrap();
        assert_eq!(input.format(), Format::LineProtocol, "{start}");
        let times: Vec<_> = input.by_ref().filter_map(Result::ok).collect();
        assert!(times.len() >= 2, "{start}");
    }
}

#[test]
fn texts_go_over_several_lines() {
    let content = "a s=\"x\n# y\r\n\\\"z\" 1\na s=\"\\\\\" 2\na,t=\"q s=1 3\nbad\na s=\"\n\n\",v=1 4\n";
    let read = read("x", content);
    assert_eq!(read.bad, ["x:6: it has no field"]);
    assert_eq!(read.times(), [1, 2, 3, 4]);
    let kapacitor_wasm_data::Record::Point(first) = &read.records[0] else { panic!() };
    assert_eq!(*first, point("a", [], [("s", text("x\n# y\r\n\"z"))], 1));
}

#[test]
fn timestamps_have_a_precision() {
    for (precision, expected) in [("ns", 3), ("us", 3_000), ("ms", 3_000_000), ("s", 3_000_000_000)] {
        let options = Options { precision: precision.parse().unwrap(), ..Options::default() };
        assert_eq!(read_with("x", "a v=1 3", &options).times(), [expected]);
    }
    assert_eq!("m".parse::<Precision>().unwrap_err(), "\"m\" is no precision: write ns, us, ms or s");
    let options = Options { precision: Precision::Seconds, ..Options::default() };
    let read = read_with("x", "a v=1 9223372036854775807\na v=1 -9223372036\n", &options);
    assert_eq!(read.times(), [-9_223_372_036_000_000_000]);
    let problem = "x:1: the timestamp 9223372036854775807 is out of range: is the precision of the input a smaller unit?";
    assert_eq!(read.bad, [problem]);
}

#[test]
fn times_that_influxdb_cannot_store_are_refused() {
    let content = "a v=1 9223372036854775806\na v=1 9223372036854775807\na v=1 -9223372036854775807\n";
    let read = read("x", content);
    assert_eq!(read.times(), [i64::MAX - 1]);
    assert_eq!(read.bad.len(), 2);
}

#[test]
fn a_missing_timestamp_is_refused_or_now() {
    let read = read("x", "a v=1\na v=1 5\n");
    assert_eq!((read.bad, read.records.len()), (vec!["x:1: it has no timestamp".to_owned()], 1));
    let options = Options { time_if_missing: TimeIfMissing::Now, ..Options::default() };
    let times = read_with("x", "a v=1\na v=1 5\n", &options).times();
    // Long after this was written, and before the year 2262.
    assert!(times[0] > 1_700_000_000_000_000_000);
    assert_eq!(times[1], 5);
}

#[test]
fn the_last_of_equal_fields_counts_and_equal_tags_are_refused() {
    assert_eq!(read("x", "a v=1,v=2 5").points(), [point("a", [], [("v", Value::Double(2.0))], 5)]);
    assert_eq!(
        read("x", "a,t=1,t=2 v=1 5\na v=1 5\n").bad,
        ["x:1: it has a tag twice, once with the value \"1\""]
    );
}
