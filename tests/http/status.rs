//! What `/status.json` says of functions, plugins and tasks.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kapacitor_wasm::protocol::RequestMessage;
use serde_json::{Value, json};

use super::{get, host};
use crate::support::{Host, Setup, mean, moving_avg, point};

const PAGE: &str = include_str!("../../docs/monitoring.md");

/// The status that `query` asks for.
#[track_caller]
fn status(host: &Host, query: &str) -> Value {
    let answer = get(host, &format!("/status.json{query}"), "");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    serde_json::from_str(&answer.body).unwrap()
}

/// Waits for a status of which `test` is true.
#[track_caller]
fn wait_for(host: &Host, query: &str, test: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let status = status(host, query);
        if test(&status) {
            return status;
        }
        assert!(Instant::now() < deadline, "{status:#}");
    }
}

fn names(list: &Value, key: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|entry| entry[key].as_str().unwrap().to_owned()).collect()
}

#[test]
fn status_tells_of_a_running_task() {
    let host = host("", &["moving_avg"]);
    let mut client = host.start("moving_avg", &moving_avg(2));
    mean(&mut client, 5.0);
    let status = wait_for(&host, "?history=true", |status| {
        let sums = status["tasks"][0]["history"]["points_in_per_second"].as_array();
        status["tasks"][0]["points_out"] == 1 && sums.is_some_and(|rates| !rates.is_empty())
    });
    let task = &status["tasks"][0];
    for (key, expected) in [
        ("function", json!("moving_avg")),
        ("task", json!("task")),
        ("node", json!("udf2")),
        ("state", json!("runs")),
        ("sessions", json!(1)),
        ("starts", json!(1)),
        ("points_in", json!(1)),
        ("points_skipped", json!({"plugin": 0, "failure": 0, "queue_full": 0, "unfinished": 0})),
        ("last_error", Value::Null),
        ("last_skipped", Value::Null),
        ("snapshot", Value::Null),
    ] {
        assert_eq!(task[key], expected, "{key}: {task:#}");
    }
    assert!(task["sandbox_memory_bytes"].as_u64().unwrap() > 60_000);
    assert_eq!(task["plugin"]["name"], "moving_avg");
    assert_eq!(task["plugin"]["sha256"], status["plugins"][0]["sha256"]);
    assert!(task["rates"]["points_in_per_second"].is_number(), "{task:#}");
    assert_eq!((&status["tasks_in_state"]["runs"], &status["tasks_matching"]), (&json!(1), &json!(1)));
    let host_part = &status["host"];
    assert_eq!(host_part["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(host_part["not_ready"], json!([]));
    assert_eq!(host_part["last_reload"], Value::Null);
    assert!(host_part["config_file"].as_str().unwrap().ends_with("/udf.toml"));
    assert_eq!(status["limits"]["sandboxes"]["used"], 1);
    assert_eq!(status["limits"]["connections"]["used"], 1);
    let function = &status["functions"][0];
    assert_eq!(function["plugin"], "moving_avg");
    assert_eq!(function["sessions"], 1);
    assert_eq!(function["error"], Value::Null);
    assert_eq!(function["info"], status["plugins"][0]["info"]);
    assert_eq!(function["info"]["options"]["size"], json!({"types": ["int"]}));
    let socket = &function["socket"];
    assert!(socket["path"].as_str().unwrap().ends_with("run/moving_avg.sock"), "{socket}");
    assert!(socket["rights"].as_str().unwrap().contains(" 0"), "{socket}");
    assert_eq!(status["plugins"][0]["tasks"], 1);
}

#[test]
fn last_error_and_last_skipped_points_are_told_also_after_the_end() {
    let host = host("", &["fragile"]);
    let mut client = host.start("fragile", &[]);
    let mut bad = point("a", 7, 1.5);
    bad.fields_int.insert("fail".to_owned(), 1);
    client.send(RequestMessage::Point(bad)).unwrap();
    client.send(RequestMessage::Point(point("a", 8, 2.5))).unwrap();
    let told = |status: &Value| {
        let task = &status["tasks"][0];
        let skipped = &task["last_skipped"];
        if skipped.is_null() {
            return false;
        }
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        assert!(text(&skipped["point"]).ends_with(" 7"), "{task:#}");
        assert_eq!(skipped["points"], 1);
        assert_eq!(task["last_error"]["error"], skipped["reason"]);
        assert!(skipped["timestamp_seconds"].as_f64().unwrap() > 1.7e9);
        true
    };
    wait_for(&host, "", |status| told(status) && status["tasks"][0]["state"] == "runs");
    drop(client);
    wait_for(&host, "", |status| status["tasks"][0]["state"] == "ended" && told(status));
}

#[test]
fn task_that_goes_on_without_its_plugin_is_told() {
    let host = host("[policy]\non-trap = \"pass-through\"\n", &["fragile"]);
    let mut client = host.start("fragile", &[]);
    let mut bad = point("a", 7, 1.5);
    bad.fields_int.insert("fail".to_owned(), 1);
    client.send(RequestMessage::Point(bad)).unwrap();
    let status = wait_for(&host, "?state=passes-through", |status| status["tasks_matching"] == 1);
    assert!(status["tasks"][0]["last_error"]["error"].is_string(), "{status:#}");
}

#[test]
fn what_can_not_be_used_says_why() {
    let setup = Setup::new("[http]\nlisten = \"unix:http.sock\"\n").with(&["mirror"]);
    std::fs::write(setup.plugin("broken"), "no wasm").unwrap();
    std::fs::create_dir_all(setup.folder.path().join("run/mirror.sock")).unwrap();
    let host = setup.serve();
    let mut client = host.connect("broken");
    assert!(!client.init("t", Vec::new()).unwrap().success);
    let status = status(&host, "");
    let broken = &status["plugins"][0];
    assert_eq!((&broken["name"], &broken["status"]), (&json!("broken"), &json!("refused")));
    assert!(broken["error"].as_str().unwrap().contains("broken.wasm: "), "{broken}");
    let (broken, mirror) = (&status["functions"][0], &status["functions"][1]);
    assert!(broken["error"].as_str().unwrap().contains("broken.wasm: "), "{broken}");
    assert_eq!(mirror["error"], Value::Null);
    assert!(mirror["socket"]["error"].is_string(), "{mirror}");
    assert_eq!(status["host"]["not_ready"].as_array().unwrap().len(), 2);
    let refused = &status["refused_starts"][0];
    assert_eq!((&refused["task"], &refused["function"]), (&json!("t"), &json!("broken")));
    assert!(refused["error"].as_str().unwrap().contains("broken.wasm"), "{refused}");
    assert_eq!(status["tasks"], json!([]));
    // It is forgotten once it has started.
    host.setup.add("mirror", "broken");
    host.wait_for_log(&["plugin=broken"]);
    let deadline = Instant::now() + Duration::from_secs(30);
    while !host.connect("broken").init("t", Vec::new()).unwrap().success {
        assert!(Instant::now() < deadline, "{}", host.log());
    }
    wait_for(&host, "", |status| status["refused_starts"] == json!([]));
}

#[test]
fn what_kapacitor_was_told_is_compared_with_what_it_would_be_told() {
    let host = host("", &["moving_avg"]);
    assert_eq!(status(&host, "")["functions"][0]["told"], Value::Null);
    host.connect("moving_avg").info().unwrap();
    let before = wait_for(&host, "", |status| status["functions"][0]["told"].is_object());
    let function = &before["functions"][0];
    assert_eq!(function["told"], function["info"]);
    assert_eq!(function["differences"], json!([]));
    host.setup.add("mirror", "moving_avg");
    let after = wait_for(&host, "", |status| status["functions"][0]["differences"] != json!([]));
    let function = &after["functions"][0];
    assert_eq!(function["told"], before["functions"][0]["info"]);
    assert_eq!(function["breaks_scripts"], true);
    let differences = function["differences"].as_array().unwrap();
    assert!(differences.contains(&json!("option size(int) is gone")), "{differences:?}");
}

#[test]
fn reload_is_told_with_what_it_has_changed_or_why_it_was_refused() {
    let http = "[http]\nlisten = \"unix:http.sock\"\n";
    let host = host("", &["mirror"]);
    host.reload(&format!("{http}[limits]\nmemory = \"32MiB\"\n"), &["udf.toml read again"]);
    let reload = |host: &Host| status(host, "")["host"]["last_reload"].clone();
    let done = reload(&host);
    assert_eq!(done["error"], Value::Null);
    let change = "limits.memory=32MiB (was 64MiB): applies to tasks that start from now on";
    assert_eq!(done["changes"], json!([change]));
    assert_eq!(status(&host, "")["functions"][0]["sandbox_memory_limit_bytes"], 32 << 20);
    host.reload(&format!("{http}[limits]\nmemory = \"no\"\n"), &["udf.toml is refused"]);
    let refused = reload(&host);
    assert!(refused["error"].as_str().unwrap().contains("limits.memory"), "{refused}");
    assert_eq!(refused["changes"], json!([]));
    assert!(refused["timestamp_seconds"].as_f64() >= done["timestamp_seconds"].as_f64());
}

#[test]
fn query_selects_and_sorts_tasks_and_a_wrong_one_is_refused() {
    let host = host("", &["mirror", "moving_avg"]);
    let start = |function: &str, task: &str| {
        let mut client = host.connect(function);
        let options = if function == "mirror" { Vec::new() } else { moving_avg(2) };
        assert!(client.init(task, options).unwrap().success);
        client
    };
    let _clients =
        [start("mirror", "b & c"), start("moving_avg", "a"), start("mirror", "<b>\"'%00\u{202e}é")];
    let tasks = |query: &str| names(&status(&host, query)["tasks"], "task");
    assert_eq!(tasks(""), ["<b>\"'%00\u{202e}é", "a", "b & c"]);
    assert_eq!(tasks("?order=desc&size=2"), ["b & c", "a"]);
    assert_eq!(tasks("?order=desc&size=2&page=2"), ["<b>\"'%00\u{202e}é"]);
    assert_eq!(tasks("?task=b+%26%20c&function=mirror"), ["b & c"]);
    assert_eq!(tasks("?task=%3Cb%3E%22%27%2500%E2%80%AE%C3%A9"), ["<b>\"'%00\u{202e}é"]);
    assert_eq!(tasks("?filter=MOVING"), ["a"]);
    let part = status(&host, "?function=mirror&size=1");
    assert_eq!((&part["tasks_in_state"]["runs"], &part["tasks_matching"]), (&json!(3), &json!(2)));
    for (query, part) in [
        ("?tsak=a", "a key \"tsak\", which there is not"),
        ("?sort=%1b%5b31m", "sort=\"\\u{1b}[31m\" in the query: write one of task"),
        ("?size=0", "a whole number from 1 on"),
    ] {
        let answer = get(&host, &format!("/status.json{query}"), "");
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains(part), "{}", answer.body);
    }
}

/// Adds the keys of all objects in `value`, but not those of options, which plugins name.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                found.insert(key.clone());
                if key != "options" {
                    keys(value, found);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[test]
fn page_describes_each_key() {
    let host = host("", &["fragile"]);
    let mut client = host.start("fragile", &[]);
    let mut bad = point("a", 7, 1.5);
    bad.fields_int.insert("fail".to_owned(), 1);
    client.send(RequestMessage::Point(bad)).unwrap();
    client.snapshot(&mut Vec::new()).unwrap();
    host.connect("fragile").info().unwrap();
    assert!(!host.connect("fragile").init("t", moving_avg(2)).unwrap().success);
    host.reload("[http]\nlisten = \"unix:http.sock\"\n[[functions.fragile.route]]\ntask = \"a\"\nplugin = \"fragile\"\n", &[
        "udf.toml read again",
    ]);
    let status = wait_for(&host, "?history=true", |status| {
        let task = &status["tasks"][0];
        task["last_skipped"].is_object() && task["rates"].is_object() && task["snapshot"].is_object()
    });
    let mut found = BTreeSet::new();
    keys(&status, &mut found);
    assert!(found.contains("routes") && found.contains("told") && found.contains("last_reload"), "{found:?}");
    let (_, section) = PAGE.split_once("\n## Status\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let missing: Vec<_> = found.iter().filter(|key| !section.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty(), "docs/monitoring.md does not describe {missing:?}");
}
