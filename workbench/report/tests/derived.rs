//! What a report finds out about a plugin from its points.

use std::collections::BTreeMap;
use std::sync::Arc;

use kapacitor_wasm_data::{Point, Source, Value};
use kapacitor_wasm_report::{Group, Recorder, Report};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value as Json;

fn point(time: i64, fields: &[(&str, Value)]) -> Point {
    Point {
        source: Arc::new(Source::default()),
        measurement: "m".to_owned(),
        tags: BTreeMap::new(),
        fields: fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        time,
    }
}

fn html(recorder: &Recorder) -> String {
    let mut html = Vec::new();
    Report::default().write_html(recorder, &mut html).expect("a vector takes all");
    String::from_utf8(html).expect("UTF-8")
}

/// The data of the page.
fn data(recorder: &Recorder) -> Json {
    let html = html(recorder);
    let data = html.split_once(r#"id="data">"#).expect("data").1.split_once("</script>").expect("an end").0;
    serde_json::from_str(data).expect("JSON")
}

fn all() -> Group {
    Group::new(None, [])
}

fn numbers(line: &Json) -> Vec<f64> {
    line["v"].as_array().expect("values").iter().filter_map(Json::as_f64).collect()
}

/// Points with the fields `x` and `y`, with what a plugin makes of each.
fn replay(output: impl Fn(i64, f64) -> Option<Vec<(&'static str, Value)>>) -> Json {
    let mut recorder = Recorder::new([]);
    for i in 0..1000 {
        let x = f64::from(i % 97);
        let time = i64::from(i) * 1_000_000_000;
        let fields = [("x", Value::Double(x)), ("y", Value::Int(3))];
        recorder.input(&all(), &point(time, &fields));
        if let Some(fields) = output(i64::from(i), x) {
            recorder.output(&all(), &point(time, &fields));
        }
    }
    data(&recorder)
}

fn same(x: f64) -> Vec<(&'static str, Value)> {
    vec![("x", Value::Double(x)), ("y", Value::Int(3))]
}

#[test]
fn points_that_come_out_as_they_went_in_are_flagged() {
    let page = replay(|_, x| (x > 95.0).then(|| same(x)));
    assert_eq!(page["fields"], serde_json::json!(["x", "y"]));
    assert_eq!(page["charts"][0]["flagged"][0]["n"], 10);
    assert_eq!(numbers(&page["charts"][0]["flagged"][0]), [96.0; 10]);
    assert!(page["charts"][0]["changed"][0].is_null());
}

#[test]
fn points_are_not_flagged_if_all_come_out() {
    let page = replay(|_, x| Some(same(x)));
    assert!(page["charts"][0]["flagged"][0].is_null());
    assert!(page["charts"][0]["changed"][0].is_null());
}

#[test]
fn most_points_that_come_out_are_a_line() {
    let page = replay(|_, x| (x > 10.0).then(|| same(x)));
    assert!(page["charts"][0]["flagged"][0].is_null());
    assert_eq!(page["charts"][0]["changed"][0]["n"], 879);
}

#[test]
fn skipped_points_could_not_come_out() {
    let mut recorder = Recorder::new([]);
    for time in 0..100 {
        let one = point(time, &same(time as f64));
        recorder.input(&all(), &one);
        if time % 3 == 0 {
            recorder.skipped(None, time, "a reason");
        } else {
            recorder.output(&all(), &one);
        }
    }
    let chart = &data(&recorder)["charts"][0];
    assert!(chart["flagged"][0].is_null() && chart["changed"][0].is_null());
}

#[test]
fn a_field_that_comes_out_with_other_values_is_changed() {
    for beside in [false, true] {
        let page = replay(|_, x| {
            let mut fields = vec![("x", Value::Double(x * 2.0 + 1.0)), ("y", Value::Int(3))];
            fields.extend(beside.then_some(("z", Value::Double(1.0))));
            Some(fields)
        });
        let chart = &page["charts"][0];
        assert_eq!(chart["changed"][0]["n"], 1000);
        assert!(chart["flagged"][0].is_null() && chart["changed"][1].is_null());
    }
}

#[test]
fn fields_that_the_input_does_not_have_are_added() {
    let page = replay(|i, x| {
        let mut fields = same(x);
        fields.extend([
            ("mean", Value::Double(48.0 + x / 10.0)),
            ("score", Value::Double(0.5)),
            ("level", Value::String(if i < 500 { "OK" } else { "CRITICAL" }.to_owned())),
            ("odd", Value::Bool(i == 7)),
        ]);
        Some(fields)
    });
    let chart = &page["charts"][0];
    assert_eq!(page["added"], serde_json::json!(["mean", "score"]));
    assert_eq!(page["together"][0], serde_json::json!([true, false]));
    assert_eq!((&chart["added"][0]["n"], &chart["added"][1]["n"]), (&1000.into(), &1000.into()));
    assert!(chart["flagged"][0].is_null() && chart["changed"][0].is_null());
    let level = [(0, 499, 500, "OK"), (500, 999, 500, "CRITICAL")];
    assert_eq!(chart["runs"][0]["marks"], serde_json::json!(level));
    assert_eq!(chart["runs"][1]["marks"], serde_json::json!([(7, 7, 1, "true")]));
}

#[test]
fn points_of_a_window_are_flagged_after_it() {
    let mut recorder = Recorder::new([]);
    let x = |i: i64| Value::Double((i * 7919 % 1009) as f64);
    for window in 0..10 {
        let points: Vec<_> =
            (0..600).map(|i| point(window * 600 + i, &[("x", x(window * 600 + i))])).collect();
        points.iter().for_each(|point| recorder.input(&all(), point));
        points.iter().step_by(100).for_each(|point| recorder.output(&all(), point));
    }
    let page = data(&recorder);
    assert_eq!(page["charts"][0]["flagged"][0]["n"], 60);
}

#[test]
fn the_field_that_the_call_names_comes_first() {
    let mut recorder = Recorder::new(["z".to_owned()]);
    recorder.input(&all(), &point(0, &[("a", Value::Int(1)), ("z", Value::Int(2))]));
    assert_eq!(data(&recorder)["fields"], serde_json::json!(["z", "a"]));
}

#[test]
fn groups_are_bounded_and_counted() {
    let mut recorder = Recorder::new([]);
    for i in 0..3000 {
        let group = Group::new(Some("m"), [("host", i.to_string().as_str())]);
        for time in 0..3 {
            recorder.input(&group, &point(time, &[("x", Value::Int(time))]));
        }
        // One late group has something to see, and one is beyond the bound.
        if i == 333 || i == 2000 {
            recorder.output(&group, &point(1, &[("x", Value::Int(1))]));
        }
    }
    let page = data(&recorder);
    let charts = page["charts"].as_array().expect("charts");
    assert_eq!(charts.len(), 50);
    assert_eq!(charts[0]["group"], "m host=333");
    let html = html(&recorder);
    assert_eq!(html.matches("<tr data-chart").count(), 50);
    assert_eq!(html.matches(r#"scope="row""#).count(), 400);
    assert!(html.contains("The first 400 groups; 2,600 more are only in the totals"));
}

#[test]
fn fields_and_texts_are_bounded() {
    let mut recorder = Recorder::new([]);
    let long = "t".repeat(100_000);
    for i in 0..2000 {
        let name = format!("field{i}");
        recorder.input(&all(), &point(i, &[(&name, Value::Double(1.0)), (&long, Value::Double(1.0))]));
        let text = Value::String(format!("{i}{long}"));
        recorder.output(&all(), &point(i, &[(&format!("text{i}"), text.clone()), ("text", text)]));
        recorder.skipped(Some(&all()), i, &format!("{i}{long}"));
        recorder.log(kapacitor_wasm_report::Level::Debug, None, &long);
    }
    let size = html(&recorder).len();
    assert!(size < 3_000_000, "{size} bytes");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_page_has_the_lowest_and_the_highest(
        samples in vec((-1_000_000_000i64..1_000_000_000, -1_000_000..1_000_000i32), 1..6000),
    ) {
        let mut recorder = Recorder::new([]);
        for (time, value) in &samples {
            recorder.input(&all(), &point(*time, &[("x", Value::Double(f64::from(*value)))]));
        }
        let page = data(&recorder);
        let line = &page["charts"][0]["inputs"][0];
        let drawn = numbers(line);
        prop_assert_eq!(&line["n"], samples.len());
        let value = |sample: &(i64, i32)| f64::from(sample.1);
        prop_assert_eq!(
            drawn.iter().copied().reduce(f64::min),
            samples.iter().map(value).reduce(f64::min)
        );
        prop_assert_eq!(
            drawn.iter().copied().reduce(f64::max),
            samples.iter().map(value).reduce(f64::max)
        );
    }

    #[test]
    fn no_points_make_a_report_fail(
        samples in vec((any::<i64>(), any::<f64>(), any::<u8>()), 0..50),
    ) {
        let mut recorder = Recorder::new([]);
        for (time, value, choice) in samples {
            let one = point(time, &[("x", Value::Double(value)), ("y", Value::Unsigned(u64::MAX))]);
            match choice % 4 {
                0 => recorder.input(&all(), &one),
                1 => recorder.output(&all(), &one),
                2 => recorder.output(&all(), &point(time, &[("z", Value::Double(value))])),
                _ => recorder.skipped(Some(&all()), time, "a reason"),
            }
        }
        let page = data(&recorder);
        prop_assert!(page["charts"].is_array());
        let mut svg = Vec::new();
        Report::default().write_svg(&recorder, &mut svg).expect("a vector takes all");
        let svg = String::from_utf8(svg).expect("UTF-8");
        prop_assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
