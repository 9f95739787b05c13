//! Kapacitor's recordings of streams.

use kapacitor_wasm_data::Value;
use kapacitor_wasm_data::input::{Format, Options};

use crate::helpers::{OnDisk, gzip, read, text};

const RECORDING: &str = "telegraf\nautogen\ncpu,host=a v=1 0000000001\n\
    telegraf\nautogen\nlog s=\"two\nlines\" 2\n\
    other\n\ncpu,host=b v=2 3\n";

#[test]
fn is_read_as_kapacitor_writes_it() {
    for content in [RECORDING.as_bytes().to_vec(), gzip(RECORDING)] {
        let file = OnDisk::new("x.srpl", &content);
        assert_eq!(file.open(&Options::default()).unwrap().format(), Format::StreamRecording);
        let points = read("x", content).points();
        let sources = points.iter().map(|point| {
            (point.source.database.as_str(), point.source.retention_policy.as_str(), point.time)
        });
        assert!(sources.eq([("telegraf", "autogen", 1), ("telegraf", "autogen", 2), ("other", "", 3)]));
        assert!(std::sync::Arc::ptr_eq(&points[0].source, &points[1].source));
        assert_eq!(points[1].fields, [("s".to_owned(), text("two\nlines"))].into());
        assert_eq!(points[2].fields, [("v".to_owned(), Value::Double(2.0))].into());
    }
}

#[test]
fn one_point_is_enough_to_recognise_it() {
    for content in ["db\nrp\ncpu v=1 1", "db\nrp\nlog s=\"a\nb\" 1\n"] {
        assert_eq!(read("x", content).points()[0].source.retention_policy, "rp");
    }
}

#[test]
fn bad_points_do_not_mix_up_the_lines() {
    let bad = "db\nrp\ncpu v= 1\n";
    let read = read("x", format!("{RECORDING}{bad}{RECORDING}db\nrp\ncpu v=1\ndb\n"));
    assert_eq!(read.times(), [1, 2, 3, 1, 2, 3]);
    let expected = [
        "x:13: the field \"v\" has no value",
        "x:26: it has no timestamp",
        "x:28: the recording ends before the point",
    ];
    assert_eq!(read.bad, expected);
}
