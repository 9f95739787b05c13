//! The numbers themselves, and that the table of `docs/monitoring.md` has them all.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kapacitor_wasm::protocol::RequestMessage;

use super::{get, host, value};
use crate::support::{Host, SLOW, Setup, live_point, mean, moving_avg, play, point};

pub const OPENMETRICS: &str = "Accept: application/openmetrics-text; version=1.0.0\r\n";

const PAGE: &str = include_str!("../../docs/monitoring.md");

/// The labels of the task of the tests.
const TASK: &str = "{function=\"moving_avg\",task=\"task\",node=\"udf2\"";

fn metrics(host: &Host) -> String {
    get(host, "/metrics", OPENMETRICS).body
}

/// Waits until the metrics are as they should.
#[track_caller]
pub fn wait_until(host: &Host, are_right: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let text = metrics(host);
        if are_right(&text) {
            return text;
        }
        assert!(Instant::now() < deadline, "the metrics are not as they should:\n{text}");
    }
}

/// Waits until a metric of the task has this value.
#[track_caller]
fn wait_for(host: &Host, name: &str, more: &str, expected: f64) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let text = metrics(host);
        if value(&text, &format!("{name}{TASK}{more}}}")) == Some(expected) {
            return text;
        }
        assert!(Instant::now() < deadline, "{name}{TASK}{more}}} is not {expected}:\n{text}");
    }
}

#[test]
fn task_is_counted_from_session_to_session() {
    let host = host("[state]\ncheckpoints = \"always\"\n", &["moving_avg"]);
    let mut without = point("a", 0, 1.0);
    without.fields_double = BTreeMap::from([("other".to_owned(), 1.0)]);
    let points = [point("a", 0, 1.0), without, point("a", 1, 3.0)];
    let mut client = host.start("moving_avg", &moving_avg(2));
    let text = wait_for(&host, "kapacitor_wasm_task_sessions", "", 1.0);
    let of_task = |text: &str, name: &str| value(text, &format!("{name}{TASK}")).unwrap();
    assert!(of_task(&text, "kapacitor_wasm_sandbox_memory_bytes") > 60_000.0);
    assert_eq!(value(&text, "kapacitor_wasm_sandboxes "), Some(1.0));
    mean(&mut client, 5.0);
    client.snapshot(&mut Vec::new()).unwrap();
    assert_eq!(play(client, points.map(RequestMessage::Point)).len(), 2);
    let text = wait_for(&host, "kapacitor_wasm_task_sessions", "", 0.0);
    for (name, expected) in [
        ("kapacitor_wasm_task_starts_total", 1.0),
        ("kapacitor_wasm_points_in_total", 4.0),
        ("kapacitor_wasm_points_out_total", 3.0),
        ("kapacitor_wasm_failures_total", 0.0),
        ("kapacitor_wasm_queue_bytes", 0.0),
        ("kapacitor_wasm_checkpoint_failures_total", 0.0),
    ] {
        assert_eq!(of_task(&text, name), expected, "{name}");
    }
    let skipped = format!("kapacitor_wasm_points_skipped_total{TASK},reason=\"plugin\"}}");
    assert_eq!(value(&text, &skipped), Some(1.0));
    assert!(of_task(&text, "kapacitor_wasm_guest_cpu_seconds_total") > 0.0);
    let calls = of_task(&text, "kapacitor_wasm_call_seconds_count");
    assert!(calls >= 3.0, "{calls}");
    let all = format!("kapacitor_wasm_call_seconds_bucket{{le=\"+Inf\",{}}}", &TASK[1..]);
    assert_eq!(value(&text, &all), Some(calls));
    assert!(of_task(&text, "kapacitor_wasm_snapshot_bytes") > 100.0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now - of_task(&text, "kapacitor_wasm_snapshot_timestamp_seconds")).abs() < 60.0);
    assert!(text.contains(&format!("kapacitor_wasm_task_plugin_info{TASK},plugin=\"moving_avg\",sha256=\"")));
    let mut client = host.start("moving_avg", &moving_avg(2));
    mean(&mut client, 5.0);
    let text = wait_for(&host, "kapacitor_wasm_points_in_total", "", 5.0);
    assert_eq!(of_task(&text, "kapacitor_wasm_task_starts_total"), 2.0);
}

#[test]
fn failures_recoveries_and_lost_points_are_counted() {
    let host = host("", &["fragile"]);
    let mut client = host.start("fragile", &[]);
    for fails in [false, true, false] {
        let mut point = point("a", 0, 1.0);
        if fails {
            point.fields_int.insert("fail".to_owned(), 1);
        }
        client.send(RequestMessage::Point(point)).unwrap();
    }
    let labels = "{function=\"fragile\",task=\"task\",node=\"udf2\"";
    let deadline = Instant::now() + Duration::from_secs(30);
    let text = loop {
        let text = metrics(&host);
        if value(&text, &format!("kapacitor_wasm_points_out_total{labels}")) == Some(2.0) {
            break text;
        }
        assert!(Instant::now() < deadline, "{text}");
    };
    for (name, expected) in [
        ("kapacitor_wasm_failures_total", 1.0),
        ("kapacitor_wasm_recoveries_total", 1.0),
        ("kapacitor_wasm_points_skipped_total", 0.0),
    ] {
        assert_eq!(value(&text, &format!("{name}{labels}")), Some(expected), "{name}\n{text}");
    }
    let skipped = format!("kapacitor_wasm_points_skipped_total{labels},reason=\"failure\"}}");
    assert_eq!(value(&text, &skipped), Some(1.0));
}

#[test]
fn input_that_waits_has_an_age() {
    let config = "[http]\nlisten = \"unix:http.sock\"\n[limits]\ncall-deadline = \"30s\"\n";
    let host = Setup::new(config).with_wat("slow", &SLOW.replace("200000000", "4000000000")).serve();
    let mut client = host.start("slow", &[]);
    // The plugin computes for a while with the first, and the others wait.
    for _ in 0..200 {
        client.send(live_point("a", 1.0)).unwrap();
    }
    let labels = "{function=\"slow\"";
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let text = metrics(&host);
        let of_task = |name: &str| value(&text, &format!("{name}{labels}")).unwrap_or(0.0);
        if of_task("kapacitor_wasm_queue_bytes") > 0.0 && of_task("kapacitor_wasm_queue_age_seconds") > 0.2 {
            break;
        }
        assert!(Instant::now() < deadline, "{text}");
    }
}

#[test]
fn names_of_tasks_are_escaped_and_long_ones_count_together() {
    let host = host("", &["mirror"]);
    let start = |task: &str| {
        let mut client = host.connect("mirror");
        assert!(client.init(task, Vec::new()).unwrap().success);
        client
    };
    let _hostile = start("a\"} 1\n# EOF\nx{y=\"\\");
    let _long = [start(&"l".repeat(10_000)), start(&"m".repeat(10_000))];
    let text = metrics(&host);
    assert_eq!(text.lines().filter(|line| *line == "# EOF").count(), 1);
    let hostile =
        r#"kapacitor_wasm_task_starts_total{function="mirror",task="a\"} 1\n# EOF\nx{y=\"\\",node="udf2"} 1"#;
    assert!(text.lines().any(|line| line == hostile), "{text}");
    let other = "kapacitor_wasm_task_sessions{function=\"mirror\",task=\"(other)\",node=\"(other)\"} ";
    assert_eq!(value(&text, other), Some(2.0));
}

#[test]
fn older_format_is_answered_to_those_who_do_not_ask_for_the_new_one() {
    let host = host("", &["mirror"]);
    let (older, newer) = (get(&host, "/metrics", ""), get(&host, "/metrics", OPENMETRICS));
    assert!(older.head.contains("content-type: text/plain; version=0.0.4"), "{}", older.head);
    assert!(
        newer.head.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{}",
        newer.head
    );
    assert!(newer.body.ends_with("# EOF\n") && !older.body.contains("# EOF"));
    assert!(
        older.body.contains("# TYPE kapacitor_wasm_build_info gauge\nkapacitor_wasm_build_info{version=")
    );
    assert!(newer.body.contains("# TYPE kapacitor_wasm_build info\nkapacitor_wasm_build_info{version="));
    let samples = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(samples(&older.body), samples(&newer.body));
}

/// Names in code spans of the first column, with their type.
fn documented() -> BTreeMap<String, String> {
    let (_, section) = PAGE.split_once("\n## Metrics\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `") && line.contains('_'));
    let mut metrics = BTreeMap::new();
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        for name in cells[1].split(", ") {
            metrics.insert(name.trim_matches('`').to_owned(), cells[2].to_owned());
        }
    }
    metrics
}

#[test]
fn table_has_each_metric_with_its_type() {
    let host = host("", &["moving_avg", "fragile"]);
    let mut client = host.start("moving_avg", &moving_avg(2));
    let _with_metrics = host.start("fragile", &[]);
    mean(&mut client, 5.0);
    client.snapshot(&mut Vec::new()).unwrap();
    let text = metrics(&host);
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let served: BTreeMap<String, String> = types
        .map(|line| {
            let (name, kind) = line.split_once(' ').unwrap();
            let suffix = match kind {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            (format!("{name}{suffix}"), kind.to_owned())
        })
        .collect();
    assert_eq!(documented(), served);
    // Each has samples, too.
    for (name, kind) in &served {
        let sample = if kind == "histogram" { format!("{name}_count") } else { name.clone() };
        assert!(text.lines().any(|line| line.starts_with(&sample)), "{sample} has no sample:\n{text}");
    }
}
