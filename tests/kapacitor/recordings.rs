//! Recordings that a real Kapacitor has made, and tasks of a real Kapacitor beside what the workbench makes of the
//! same data.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::api::Row;
use super::daemons::{Setup, Stack};
use super::{EPOCH, MOVING_AVG, SECOND, averages, expected_averages, into, line};
use crate::support::{self, BINARY};

/// What `replay` prints, and the points that come out.
fn replay(folder: &Path, args: &[&str]) -> (String, String) {
    let output = folder.join("replayed.lp");
    let run = Command::new(BINARY)
        .arg("replay")
        .args(args)
        .arg("--output")
        .arg(&output)
        .env_remove("KAPACITOR_WASM_CONFIG")
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{text}");
    (text, fs::read_to_string(output).unwrap())
}

/// A point of line protocol with doubles and plain names, as a row of InfluxDB.
fn row(line: &str) -> Row {
    let [series, fields, time] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
    let mut columns = serde_json::Map::new();
    for tag in series.split(',').skip(1) {
        let (key, value) = tag.split_once('=').unwrap();
        columns.insert(key.to_owned(), json!(value));
    }
    for field in fields.split(',') {
        let (key, value) = field.split_once('=').unwrap();
        columns.insert(key.to_owned(), json!(value.parse::<f64>().unwrap()));
    }
    Row::new(time.parse().unwrap(), columns.into())
}

/// The same of several points, by time.
fn rows(lines: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = lines.lines().map(row).collect();
    rows.sort_by_key(|row| (row.time, json!(row.columns).to_string()));
    rows
}

/// A time of the data as Kapacitor's interface takes it.
fn at(seconds: i64) -> String {
    let since = Duration::from_nanos((EPOCH + seconds * SECOND) as u64);
    humantime::format_rfc3339_nanos(SystemTime::UNIX_EPOCH + since).to_string()
}

#[test]
fn recorded_stream_is_replayed_as_the_task_has_seen_it() {
    let Some(stack) = Stack::start(Setup::default()) else { return };
    let script = averages(MOVING_AVG, "means");
    stack.api.enable_task("means", "stream", &script);
    stack.api.record("stream", &json!({"id": "taken", "task": "means", "stop": at(100)}));
    for i in 0..50 {
        stack.api.write_kapacitor(&line("a", i));
    }
    stack.api.expect_rows("means", &expected_averages("a", 50));
    // The recording ends with the first point that is later.
    stack.api.write_kapacitor(&line("b", 101));
    stack.api.wait_for_recording("taken");
    let (tick, recording) = (stack.path("means.tick"), stack.path("kapacitor/replay/taken.srpl"));
    fs::write(&tick, script).unwrap();
    let plugins = support::Setup::new("").with(&["moving_avg"]);
    let plugin = plugins.plugin("moving_avg");
    let args = ["--tick", tick.to_str().unwrap(), "--input", recording.to_str().unwrap()];
    let (summary, lines) = replay(&stack.path(""), &[&[plugin.to_str().unwrap()], &args[..]].concat());
    assert_eq!(rows(&lines), expected_averages("a", 50), "{summary}");
}

#[test]
fn recorded_batches_are_replayed() {
    let setup = Setup { plugins: &["mirror_batch"], ..Setup::default() };
    let Some(stack) = Stack::start(setup) else { return };
    let lines: Vec<String> = (0..40).flat_map(|i| ["a", "b"].map(|host| line(host, i))).collect();
    stack.api.write_influxdb("in", &lines.join("\n"));
    let script = format!(
        "batch|query('SELECT usage FROM \"in\".autogen.cpu').period(10s).every(10s).groupBy('host') @mirror_batch() {}",
        into("unused")
    );
    stack.api.enable_task("batches", "batch", &script);
    let request = json!({"id": "batches", "task": "batches", "start": at(0), "stop": at(40)});
    stack.api.record("batch", &request);
    stack.api.wait_for_recording("batches");
    let recording = stack.path("kapacitor/replay/batches.brpl");
    let plugins = support::Setup::new("").with(&["mirror_batch"]);
    let plugin = plugins.plugin("mirror_batch");
    let args = [plugin.to_str().unwrap(), "--input", recording.to_str().unwrap()];
    let (summary, lines) = replay(&stack.path(""), &args);
    assert!(summary.contains("groups                       2"), "{summary}");
    // Each window of ten seconds has ten points of each host.
    let rows = rows(&lines);
    assert!(rows.len() >= 60 && rows.len() <= 80, "{summary}\n{lines}");
    assert!(rows.iter().all(|row| row.columns.contains_key("usage")), "{lines}");
}

#[test]
fn windows_are_those_of_kapacitor() {
    let setup = Setup { plugins: &["batch_sums"], ..Setup::default() };
    let Some(stack) = Stack::start(setup) else { return };
    // Gaps, several points at one time, and points that are late.
    let times = [0, 1, 1, 4, 9, 10, 11, 30, 29, 31, 45, 44, 60, 61, 75, 90, 120];
    let line = |(number, second): (usize, &i64)| {
        let time = EPOCH + second * SECOND;
        ["a", "b"].map(|host| format!("cpu,host={host} value={number} {time}"))
    };
    let lines: Vec<String> = times.iter().enumerate().flat_map(line).collect();
    let windows = [
        "|window().period(10s).every(10s).align()",
        "|window().period(10s).every(10s)",
        "|window().period(20s).every(7s)",
        "|window().period(20s).every(10s).fillPeriod()",
        "|window().period(20s).every(10s).fillPeriod().align()",
        "|window().period(15s)",
        "|window().periodCount(4).everyCount(3)",
        "|window().periodCount(4).everyCount(3).fillPeriod()",
    ];
    let script = |window: &str, number: usize| {
        // Each batch becomes a point with the sum of all before it, at its end.
        format!(
            "stream|from().measurement('cpu').groupBy('host'){window} @batch_sums() {}",
            into(&format!("sums{number}"))
        )
    };
    for (number, window) in windows.iter().enumerate() {
        stack.api.enable_task(&format!("windows{number}"), "stream", &script(window, number));
    }
    for line in &lines {
        stack.api.write_kapacitor(line);
    }
    let input = stack.path("input.lp");
    fs::write(&input, lines.join("\n")).unwrap();
    let plugins = support::Setup::new("").with(&["batch_sums"]);
    let plugin = plugins.plugin("batch_sums");
    for (number, window) in windows.iter().enumerate() {
        let call = format!("stream|from().measurement('cpu').groupBy('host'){window}@batch_sums()");
        let args = [plugin.to_str().unwrap(), "--call", &call, "--input", input.to_str().unwrap()];
        let (_, replayed) = replay(&stack.path(""), &args);
        assert!(!replayed.is_empty(), "{window}");
        // InfluxDB keeps the last of the points of one group at one time.
        let mut last = BTreeMap::new();
        for row in replayed.lines().map(row) {
            last.insert((row.time, row.columns["host"].to_string()), row);
        }
        let expected: Vec<Row> = last.into_values().collect();
        stack.api.expect_rows(&format!("sums{number}"), &expected);
    }
}
