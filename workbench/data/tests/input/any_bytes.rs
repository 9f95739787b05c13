//! Whatever a file has in it, reading it ends, and does not panic.

use kapacitor_wasm_data::input::{CsvOptions, Options, TimeIfMissing};
use kapacitor_wasm_data::{Record, line_protocol};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::helpers::{gzip, read_with, zip, zstd};

/// Beginnings of files of each format.
const STARTS: [&str; 7] = [
    "",
    "a v=1 1\n",
    "db\nrp\ncpu v=1 1\n",
    "{\"name\":\"a\",\"points\":[]}\n",
    "#datatype,string,dateTime,double\n,result,_time,_value\n,,1970-01-01T00:00:00Z,5\n",
    ",_time,_value,_field,_measurement\n",
    "time,a,b\n1,2,3\n",
];

/// Parts of which files are made.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9\\\\ ,=\"#\r\n{}:\\[\\]é\0.-]{0,12}",
        any::<String>(),
        Just("{\"fields\":{\"v\":1},\"time\":\"1970-01-01\"}".to_owned()),
        Just("#group,true,false\n".to_owned()),
        Just(",error,reference\n".to_owned()),
        Just("\n\n".to_owned()),
        prop::sample::select(&STARTS[..]).prop_map(str::to_owned),
    ]
}

fn check(content: &[u8]) {
    let csv = CsvOptions { tags: vec!["b".to_owned()], ..CsvOptions::default() };
    let now = Options { time_if_missing: TimeIfMissing::Now, csv, ..Options::default() };
    for options in [Options::default(), now] {
        let read = read_with("x", content, &options);
        let points = read.records.iter().flat_map(|record| match record {
            Record::Point(point) => std::slice::from_ref(point),
            Record::Batch(batch) => &batch.points,
        });
        for point in points {
            assert!(!point.fields.is_empty());
            let _ = line_protocol::write(point, &mut Vec::new());
        }
        assert!(read.error.is_some() || !read.records.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_text_ends(start in prop::sample::select(&STARTS[..]), pieces in vec(piece(), 0..20)) {
        let content = format!("{start}{}", pieces.concat());
        check(content.as_bytes());
        check(&gzip(&content));
        check(&zip(&["", &content]));
    }

    #[test]
    fn any_bytes_end(start in prop::sample::select(&STARTS[..]), bytes in vec(any::<u8>(), 0..200)) {
        check(&bytes);
        check(&[start.as_bytes(), &bytes].concat());
    }

    #[test]
    fn any_damage_ends(pieces in vec(piece(), 0..20), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let content = format!("{}{}", STARTS[1], pieces.concat());
        for mut packed in [gzip(&content), zstd(&content), zip(&[&content, STARTS[3]])] {
            let at = at.index(packed.len());
            packed[at] = byte;
            check(&packed);
            check(&packed[..at]);
        }
    }
}
