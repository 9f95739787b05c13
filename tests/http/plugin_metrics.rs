//! Counters and gauges of plugins' own.

use kapacitor_wasm::protocol::RequestMessage;
use kapacitor_wasm::protocol::client::{Client, text};

use super::metrics::{OPENMETRICS, wait_until};
use super::{get, host, value};
use crate::support::{Host, Setup, play, point};

/// The labels of the task of `fragile`.
const FRAGILE: &str = "{function=\"fragile\",task=\"task\",node=\"udf2\"";

/// A point of `group` for `fragile`, which fails in this way.
fn input(group: &str, time: i64, fails: Option<&str>) -> RequestMessage {
    let mut point = point(group, time, 1.0);
    point.fields_double.insert("gauge".to_owned(), time as f64 + 0.5);
    // `panic` takes the element of this number, of three.
    point.fields_int.extend(fails.map(|field| (field.to_owned(), 7)));
    RequestMessage::Point(point)
}

/// The value of a metric of the task of `fragile`, with more labels.
fn of_fragile(text: &str, name: &str, more: &str) -> Option<f64> {
    value(text, &format!("{name}{FRAGILE}{more}}} "))
}

fn added(text: &str) -> Option<f64> {
    of_fragile(text, "kapacitor_wasm_plugin_events_total", ",metric=\"added\"")
}

fn gauge(text: &str) -> Option<f64> {
    of_fragile(text, "kapacitor_wasm_plugin_value", ",metric=\"gauge\"")
}

fn groups(text: &str) -> Option<f64> {
    of_fragile(text, "kapacitor_wasm_groups", "")
}

fn start(host: &Host) -> Client {
    host.start("fragile", &[])
}

#[test]
fn values_are_there_from_the_start_and_go_on_with_the_next_session() {
    let host = host("", &["fragile"]);
    let mut client = start(&host);
    let text = wait_until(&host, |text| added(text) == Some(0.0));
    assert_eq!((gauge(&text), groups(&text)), (Some(0.0), Some(0.0)));
    let help = "kapacitor_wasm_plugin_metric_info{plugin=\"fragile\",metric=\"added\",type=\"counter\",\
                help=\"Points that were added \\\"up\\\".\"} 1";
    assert!(text.lines().any(|line| line == help), "{text}");
    for (group, time) in [("a", 1), ("b", 2), ("c", 3)] {
        client.send(input(group, time, None)).unwrap();
    }
    let text = wait_until(&host, |text| added(text) == Some(3.0));
    assert_eq!((gauge(&text), groups(&text)), (Some(3.5), Some(3.0)));
    let status: serde_json::Value = serde_json::from_str(&get(&host, "/status.json", "").body).unwrap();
    let metrics = status["tasks"][0]["plugin_metrics"].as_array().unwrap();
    let of = |name: &str| metrics.iter().find(|metric| metric["name"] == name).map(|metric| &metric["value"]);
    assert_eq!(
        [of("added"), of("gauge"), of("groups")].map(|value| value.unwrap().as_f64()),
        [3.0, 3.5, 3.0].map(Some)
    );
    let page = get(&host, "/task?function=fragile&task=task&node=udf2", "").body;
    assert!(page.contains("What the plugin counts") && page.contains("added"), "{page}");
    play(client, []);
    // What was counted stays, and what is now is no more.
    wait_until(&host, |text| added(text) == Some(3.0) && gauge(text).is_none() && groups(text).is_none());
    let mut client = start(&host);
    client.send(input("a", 9, None)).unwrap();
    let text = wait_until(&host, |text| added(text) == Some(4.0));
    assert_eq!((gauge(&text), groups(&text)), (Some(9.5), Some(1.0)));
}

#[test]
fn calls_that_fail_count_nothing_and_recovery_counts_nothing_twice() {
    let host = host("[policy]\nfailures-per-minute = 1000\n", &["fragile"]);
    let mut client = start(&host);
    let mut good = 0.0;
    for time in 0..60 {
        let fails = [None, None, Some("fail"), None, Some("panic")][time as usize % 5];
        good += f64::from(u8::from(fails.is_none()));
        client.send(input(["a", "b"][time as usize % 2], time, fails)).unwrap();
    }
    let text = wait_until(&host, |text| added(text) == Some(good));
    assert_eq!(of_fragile(&text, "kapacitor_wasm_failures_total", ""), Some(24.0));
    // The last point failed.
    assert_eq!((gauge(&text), groups(&text)), (Some(58.5), Some(2.0)));
    // Another session goes on with the state, in which the counter has this value.
    let snapshot = client.snapshot(&mut Vec::new()).unwrap();
    play(client, []);
    let mut client = start(&host);
    assert!(client.restore(snapshot).unwrap().success);
    client.send(input("a", 70, None)).unwrap();
    let text = wait_until(&host, |text| groups(text) == Some(2.0));
    assert_eq!((added(&text), gauge(&text)), (Some(good + 1.0), Some(70.5)));
    for time in [71, 72] {
        client.send(input("a", time, (time == 71).then_some("panic"))).unwrap();
    }
    let text = wait_until(&host, |text| gauge(text) == Some(72.5));
    assert_eq!(added(&text), Some(good + 2.0));
}

#[test]
fn values_that_a_guest_makes_up_break_nothing() {
    let config = "[http]\nlisten = \"unix:http.sock\"\n";
    let host = Setup::new(config).with(&["wild_values", "hostile_help"]).serve();
    let mut client = host.start("wild_values", &[]);
    let wild = |text: &str, name: &str, metric: &str| {
        value(
            text,
            &format!("{name}{{function=\"wild_values\",task=\"task\",node=\"udf2\",metric=\"{metric}\"}} "),
        )
    };
    for calls in 1..=4 {
        client.send(RequestMessage::Point(point("a", calls, 1.0))).unwrap();
        let tame = Some(calls as f64);
        let text = wait_until(&host, |text| wild(text, "kapacitor_wasm_plugin_value", "tame") == tame);
        assert_eq!(wild(&text, "kapacitor_wasm_plugin_events_total", "jumps"), Some(u64::MAX as f64));
        assert_eq!(wild(&text, "kapacitor_wasm_plugin_value", "wild"), None);
    }
    let text = get(&host, "/metrics", OPENMETRICS).body;
    assert_eq!(text.lines().filter(|line| *line == "# EOF").count(), 1);
    let help = text.lines().find(|line| line.contains("plugin=\"hostile_help\",metric=\"a\"")).unwrap();
    assert!(help.contains("help=\"x\\\"} 1\\\\n# EOF ") && !help.contains('\u{1b}'), "{help}");
}

#[test]
fn plugins_of_the_repository_count_what_they_find() {
    let host = host("", &["zscore"]);
    let mut client = host.start("zscore", &[text("field", "value")]);
    for (value, time) in [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 50.0].into_iter().zip(0..) {
        client.send(RequestMessage::Point(point("a", time, value))).unwrap();
    }
    let series = "kapacitor_wasm_plugin_events_total{function=\"zscore\",task=\"task\",node=\"udf2\",metric=\"anomalies\"} ";
    wait_until(&host, |text| value(text, series) == Some(1.0));
}
