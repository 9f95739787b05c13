//! Points and batches, from InfluxDB through a UDF and back.

use std::fmt::Write;

use serde_json::json;

use super::api::Row;
use super::daemons::{Setup, Stack};
use super::{EPOCH, MOVING_AVG, SECOND, averages, expected_averages, into, line};

#[test]
fn stream_task_averages_each_group() {
    let Some(stack) = Stack::start(Setup::default()) else { return };
    stack.api.enable_task("averages", "stream", &averages(MOVING_AVG, "means"));
    let lines: Vec<_> = (0..20).flat_map(|i| ["a", "b"].map(|host| line(host, i))).collect();
    stack.api.write_influxdb("in", &lines.join("\n"));
    stack.api.expect_rows("means", &[expected_averages("a", 20), expected_averages("b", 20)].concat());
}

#[test]
fn tickscript_of_readme_works() {
    let Some(stack) = Stack::start(Setup::default()) else { return };
    let readme = include_str!("../../README.md");
    let script = readme.split("```javascript\n").nth(1).and_then(|rest| rest.split("```").next());
    let script = script.expect("the README has a TICKscript").replace("telegraf", "out");
    stack.api.enable_task("readme", "stream", &format!("{script}.flushInterval(20ms)"));
    stack.api.write_influxdb("in", &format!("cpu,host=a usage_user=6 {EPOCH}\n"));
    let expected = json!({"host": "a", "usage_user": 6.0, "mean": 6.0});
    stack.api.expect_rows("cpu_mean", &[Row::new(EPOCH, expected)]);
}

#[test]
fn integer_fields_are_averaged() {
    let Some(stack) = Stack::start(Setup::default()) else { return };
    stack.api.enable_task("averages", "stream", &averages(MOVING_AVG, "means"));
    let values = [6, 12, 0, 3];
    let at = |i: usize| EPOCH + i as i64 * SECOND;
    let lines: Vec<_> =
        values.iter().enumerate().map(|(i, value)| format!("cpu,host=a usage={value}i {}", at(i))).collect();
    stack.api.write_influxdb("in", &lines.join("\n"));
    let expected: Vec<_> = [6.0, 9.0, 6.0, 5.0]
        .iter()
        .enumerate()
        .map(|(i, mean)| Row::new(at(i), json!({"host": "a", "usage": values[i], "mean": mean})))
        .collect();
    stack.api.expect_rows("means", &expected);
    assert_eq!(stack.api.field_types("out", "means"), json!([["mean", "float"], ["usage", "integer"]]));
}

/// Points with fields of all types as line protocol, and as rows that InfluxDB returns.
fn points_of_all_types() -> (String, Vec<Row>) {
    let mut lines = String::new();
    let mut rows = Vec::new();
    for i in 0..10 {
        let time = EPOCH + i * SECOND + 123_456_789;
        let (host, on) = (["a", "b"][i as usize % 2], i % 3 == 0);
        writeln!(
            lines,
            r#"all,host={host},zone=z\ {i} float={i}.25,int={}i,bool={on},string="say \"ü\" {i}" {time}"#,
            i64::MAX - i
        )
        .expect("a String takes all");
        rows.push(Row::new(
            time,
            json!({
                "host": host,
                "zone": format!("z {i}"),
                "float": i as f64 + 0.25,
                "int": i64::MAX - i,
                "bool": on,
                "string": format!("say \"ü\" {i}"),
            }),
        ));
    }
    (lines, rows)
}

/// Enables `script` and checks that points with fields of all types come out of it unchanged.
fn mirrors_all_types(stack: &Stack, script: &str) {
    stack.api.enable_task("mirror", "stream", script);
    let (lines, rows) = points_of_all_types();
    stack.api.write_influxdb("in", &lines);
    stack.api.expect_rows("mirrored", &rows);
    let types = json!([["bool", "boolean"], ["float", "float"], ["int", "integer"], ["string", "string"]]);
    assert_eq!(stack.api.field_types("out", "mirrored"), types);
}

#[test]
fn fields_of_all_types_return_unchanged() {
    let Some(stack) = Stack::start(Setup { plugins: &["mirror"], ..Setup::default() }) else { return };
    let script = format!("stream |from().measurement('all').groupBy('host') @mirror() {}", into("mirrored"));
    mirrors_all_types(&stack, &script);
}

#[test]
fn window_returns_unchanged() {
    let Some(stack) = Stack::start(Setup { plugins: &["mirror_batch"], ..Setup::default() }) else { return };
    let script = format!(
        "stream
            |from().measurement('all').groupBy('host')
            |window().periodCount(5).everyCount(5)
            @mirror_batch()
            {}",
        into("mirrored")
    );
    mirrors_all_types(&stack, &script);
}

#[test]
fn batch_task_finds_outliers_of_each_group() {
    let Some(stack) = Stack::start(Setup { plugins: &["outliers"], ..Setup::default() }) else { return };
    let first = kapacitor_wasm::internals::now() - 600 * SECOND;
    let mut lines = String::new();
    let mut expected = Vec::new();
    for (host, outliers) in [("a", [(3, 100.0), (17, -100.0)]), ("b", [(0, 55.5), (9, 1e9)])] {
        for i in 0..20 {
            let time = first + i * SECOND;
            let outlier = outliers.iter().find(|(at, _)| *at == i).map(|(_, value)| *value);
            writeln!(lines, "cpu,host={host} usage={:?} {time}", outlier.unwrap_or(i as f64))
                .expect("a String takes all");
            expected.extend(outlier.map(|value| Row::new(time, json!({"host": host, "usage": value}))));
        }
    }
    stack.api.write_influxdb("in", &lines);
    let script = format!(
        r#"batch
            |query('SELECT usage FROM "in"."autogen"."cpu"').period(1h).every(500ms).groupBy('host')
            @outliers().field('usage').scale(1.5)
            {}"#,
        into("outliers")
    );
    stack.api.enable_task("outliers", "batch", &script);
    stack.api.expect_rows("outliers", &expected);
}
