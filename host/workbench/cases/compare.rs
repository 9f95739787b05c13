//! Compares points that came out with those that are expected.

use std::collections::BTreeMap;

use kapacitor_wasm_data::{Point, Value, line_protocol};

use super::case::Tolerance;
use crate::workbench::summary::rfc3339;

/// Maximum number of differences that are told.
const MAX_TOLD: usize = 10;

/// How two sequences of points differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// The first ones, a line each.
    pub told: Vec<String>,
    /// Number of all.
    pub count: u64,
}

impl Differences {
    fn add(&mut self, difference: impl FnOnce() -> String) {
        if self.told.len() < MAX_TOLD {
            self.told.push(difference());
        }
        self.count += 1;
    }
}

/// The points of one series: of a measurement with its tags.
type Series<'a> = BTreeMap<(&'a str, &'a BTreeMap<String, String>), Vec<&'a Point>>;

/// Compares series by series. The order of points counts within a series, and not between series.
pub fn compare(expected: &[Point], got: &[Point], tolerance: Tolerance) -> Differences {
    let mut differences = Differences::default();
    let (mut expected, mut got) = (by_series(expected), by_series(got));
    for (series, expected) in &mut expected {
        let got = got.remove(series).unwrap_or_default();
        compare_series(expected, &got, tolerance, &mut differences);
    }
    for points in got.values() {
        points.iter().for_each(|point| differences.add(|| unexpected(point)));
    }
    differences
}

fn by_series(points: &[Point]) -> Series<'_> {
    let mut series = Series::new();
    for point in points {
        series.entry((point.measurement.as_str(), &point.tags)).or_default().push(point);
    }
    series
}

fn compare_series(expected: &[&Point], got: &[&Point], tolerance: Tolerance, differences: &mut Differences) {
    let (mut expected, mut got) = (expected.iter().peekable(), got.iter().peekable());
    loop {
        match (expected.peek(), got.peek()) {
            (Some(one), Some(other)) if one.time == other.time => {
                compare_points(one, other, tolerance, differences);
                expected.next();
                got.next();
            }
            // One that comes later on one side is missing on the other.
            (Some(one), other) if other.is_none_or(|other| one.time < other.time) => {
                differences.add(|| format!("missing: {}", line(one)));
                expected.next();
            }
            (_, Some(other)) => {
                differences.add(|| unexpected(other));
                got.next();
            }
            (_, None) => return,
        }
    }
}

fn compare_points(expected: &Point, got: &Point, tolerance: Tolerance, differences: &mut Differences) {
    for (key, value) in &expected.fields {
        match got.fields.get(key) {
            None => differences
                .add(|| format!("{}: field `{key}` is missing, expected {}", place(got), text(value))),
            Some(other) if !is_same(value, other, tolerance) => differences.add(|| {
                format!("{}: field `{key}` is {}, expected {}", place(got), text(other), text(value))
            }),
            Some(_) => {}
        }
    }
    for (key, value) in got.fields.iter().filter(|(key, _)| !expected.fields.contains_key(*key)) {
        differences.add(|| format!("{}: field `{key}` is {}, expected none", place(got), text(value)));
    }
}

fn is_same(one: &Value, other: &Value, tolerance: Tolerance) -> bool {
    match (one, other) {
        (Value::Double(one), Value::Double(other)) => {
            let allowed = tolerance.absolute.max(tolerance.relative * one.abs().max(other.abs()));
            one == other || (one - other).abs() <= allowed || one.is_nan() && other.is_nan()
        }
        _ => one == other,
    }
}

/// A value with its type, as in line protocol.
fn text(value: &Value) -> String {
    match value {
        Value::Double(value) => format!("{value:?}"),
        Value::Int(value) => format!("{value}i"),
        Value::Unsigned(value) => format!("{value}u"),
        Value::Bool(value) => value.to_string(),
        Value::String(value) => format!("{value:?}"),
    }
}

fn place(point: &Point) -> String {
    let tags: Vec<String> = point.tags.iter().map(|(key, value)| format!(",{key}={value}")).collect();
    format!("{}{} at {}", point.measurement, tags.concat(), rfc3339(point.time))
}

fn unexpected(point: &Point) -> String {
    format!("unexpected: {}", line(point))
}

fn line(point: &Point) -> String {
    let mut line = Vec::new();
    match line_protocol::write(point, &mut line) {
        Ok(()) => String::from_utf8_lossy(line.trim_ascii_end()).into_owned(),
        Err(problem) => format!("{}, with {problem}", place(point)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workbench::pipeline::tests::point;

    fn told(expected: &[&str], got: &[&str]) -> Vec<String> {
        let points = |lines: &[&str]| lines.iter().map(|line| point(line)).collect::<Vec<_>>();
        compare(&points(expected), &points(got), Tolerance::default()).told
    }

    #[test]
    fn order_counts_within_a_series_only() {
        let (a1, a2, b1) = ("x,t=a v=1 1", "x,t=a v=2 2", "x,t=b v=3 1");
        assert!(told(&[a1, a2, b1], &[b1, a1, a2]).is_empty());
        assert_eq!(told(&[a1, a2], &[a2, a1]).len(), 2);
    }

    #[test]
    fn doubles_may_differ_by_the_tolerance() {
        assert!(told(&["x v=1 1"], &["x v=1.0000000001 1"]).is_empty());
        let different = told(&["x v=1 1"], &["x v=1.1 1"]);
        assert_eq!(different, ["x at 1970-01-01T00:00:00.000000001Z: field `v` is 1.1, expected 1.0"]);
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_is_told() {
        assert_eq!(
            told(&["x v=1 1", "x v=1 3"], &["x v=1 2", "x v=1 3"]),
            ["missing: x v=1.0 1", "unexpected: x v=1.0 2"]
        );
        assert_eq!(told(&["x v=1,w=2 1"], &["x v=1,z=2 1"]).len(), 2);
        assert_eq!(told(&[], &["y v=1 1"]), ["unexpected: y v=1.0 1"]);
    }
}
