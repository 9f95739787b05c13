//! Names that InfluxDB can't store: in options they are refused before a task starts, in output they are left out.

use kapacitor_wasm::protocol::client::text;
use kapacitor_wasm::protocol::{Point, RequestMessage, ResponseMessage};

use crate::support::{Host, Setup, moving_avg, play, point};

#[test]
fn field_that_influxdb_cannot_store_ends_the_task_when_it_starts() {
    let host = Host::with(&["moving_avg"]);
    for name in ["", "time", "a\nother v=1", "a\\", "a\\ b", "_tagKey"] {
        let mut options = moving_avg(3);
        options[2] = text("as", name);
        let response = host.connect("moving_avg").init("task", options).unwrap();
        assert!(!response.success, "{name:?}");
        assert!(response.error.contains("option `as`: must not "), "{}", response.error);
        assert!(!response.error.contains('\n'), "{}", response.error);
    }
}

/// A line break in a name would begin a point of another measurement in what Kapacitor writes to InfluxDB.
#[test]
fn names_and_times_that_influxdb_cannot_store_are_left_out_by_policy() {
    let named = |name: &str| Point { name: name.to_owned(), ..point("a", 1, 1.0) };
    let tag = |value: &str| {
        let mut point = point("a", 1, 1.0);
        point.tags.insert("host".to_owned(), value.to_owned());
        point
    };
    let late = Point { time: i64::MAX, ..point("a", 1, 1.0) };
    let long = "x".repeat(70_000);
    let bad = [named(""), named("cpu\nstolen"), tag("a\nstolen v=1"), late];
    // Others are lost, or land elsewhere.
    let lost = [named("#cpu"), named("cpu\\"), named("\tcpu"), tag("C:\\"), tag(&long)];
    let bad = [&bad[..], &lost].concat();
    for (policy, passed) in [("drop", 2), ("pass", 11), ("fail", 2)] {
        let config = format!("[policy]\nunwritable = \"{policy}\"\n");
        let host = Setup::new(&config).with(&["mirror"]).serve();
        let points = [&[point("a", 1, 1.0)][..], &bad, &[point("b", 2, 1.0)]].concat();
        let responses = play(host.start("mirror", &[]), points.into_iter().map(RequestMessage::Point));
        assert_eq!(responses.len(), passed, "{policy}: {responses:?}");
        match policy {
            "drop" => {
                host.wait_for_log(&["lvl=warn", "left out so far", "policy.unwritable"]);
                host.wait_for_log(&["task ended", "points_in=11", "points_out=2", "dropped=9"]);
            }
            "fail" => {
                host.wait_for_log(&[
                    "lvl=warn",
                    "is skipped",
                    "an empty measurement",
                    "policy.unwritable is",
                ]);
                host.wait_for_log(&["task ended", "points_in=11", "points_out=2", "skipped=9"]);
            }
            _ => {}
        }
    }
}

#[test]
fn field_whose_name_influxdb_cannot_store_is_left_out() {
    let host = Host::with(&["mirror"]);
    for name in ["x\\", "a field with a long name\\", "\tx"] {
        let mut sent = point("a", 1, 1.0);
        sent.fields_double.insert(name.to_owned(), 2.0);
        let responses = play(host.start("mirror", &[]), [RequestMessage::Point(sent)]);
        assert_eq!(responses, [ResponseMessage::Point(point("a", 1, 1.0))], "{name:?}");
    }
}
