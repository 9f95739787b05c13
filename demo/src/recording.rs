//! Reads a recording: InfluxDB line protocol, as Kapacitor's own recordings of streams are.

use anyhow::{Context, Result, bail};
use influxdb_line_protocol::{FieldValue, ParsedLine, parse_lines, split_lines};
use kapacitor_wasm::protocol::Point;

/// The recording that is shipped.
pub const SHIPPED: &str = include_str!("../recording.lp");

/// The points of `text` in the order of time, grouped by the tag `group_by`, as Kapacitor sends them
/// on a stream. `file` is for errors only.
pub fn read(text: &str, file: &str, group_by: &str) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    let mut number = 1;
    // A text may go over several lines, so a line of the protocol is not always one of the file.
    for piece in split_lines(text) {
        if let Some(line) = parse_lines(piece.trim_end_matches('\r')).next() {
            let point = line.map_err(anyhow::Error::from).and_then(|line| point(&line, group_by));
            points.push(point.with_context(|| {
                format!("{file}:{number}: not line protocol, correct the line or leave it out")
            })?);
        }
        number += 1 + piece.matches('\n').count();
    }
    if points.is_empty() {
        bail!("{file}: there is no point in it: choose a file of InfluxDB line protocol");
    }
    points.sort_by_key(|point| point.time);
    Ok(points)
}

fn point(line: &ParsedLine<'_>, group_by: &str) -> Result<Point> {
    let mut point = Point {
        time: line.timestamp.context("it has no timestamp: add nanoseconds since 1970")?,
        name: line.series.measurement.to_string(),
        database: "telegraf".to_owned(),
        retention_policy: "autogen".to_owned(),
        dimensions: vec![group_by.to_owned()],
        ..Point::default()
    };
    for (key, value) in line.series.tag_set.iter().flatten() {
        point.tags.insert(key.to_string(), value.to_string());
    }
    // A point without the tag is of the group where it is empty.
    point.group = format!("{group_by}={}", point.tags.entry(group_by.to_owned()).or_default());
    for (key, value) in &line.field_set {
        let key = key.to_string();
        match value {
            FieldValue::F64(value) => _ = point.fields_double.insert(key, *value),
            FieldValue::I64(value) => _ = point.fields_int.insert(key, *value),
            FieldValue::U64(value) => {
                let value = i64::try_from(*value)
                    .with_context(|| format!("field {key} is too large: Kapacitor has signed integers"))?;
                point.fields_int.insert(key, value);
            }
            FieldValue::String(value) => _ = point.fields_string.insert(key, value.to_string()),
            FieldValue::Boolean(value) => _ = point.fields_bool.insert(key, *value),
        }
    }
    Ok(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_points_of_all_types() {
        let text = "# a comment\n\ncpu,host=a\\ b,cpu=0 usage=1.5,n=8i,m=9u,s=\"x\ny\",ok=true 20\r\nmem used=1 10\n";
        let points = read(text, "x.lp", "host").unwrap();
        assert_eq!(points.len(), 2);
        let [mem, cpu] = &points[..] else { panic!() };
        assert_eq!((mem.time, mem.name.as_str(), mem.group.as_str()), (10, "mem", "host="));
        assert_eq!((cpu.time, cpu.name.as_str(), cpu.group.as_str()), (20, "cpu", "host=a b"));
        assert_eq!(
            cpu.tags,
            [("cpu", "0"), ("host", "a b")].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
        );
        assert_eq!(cpu.fields_double, [("usage".to_owned(), 1.5)].into());
        assert_eq!(cpu.fields_int, [("m".to_owned(), 9), ("n".to_owned(), 8)].into());
        assert_eq!(cpu.fields_string, [("s".to_owned(), "x\ny".to_owned())].into());
        assert_eq!(cpu.fields_bool, [("ok".to_owned(), true)].into());
    }

    #[test]
    fn errors_name_file_and_line() {
        let error = |text: &str| format!("{:#}", read(text, "x.lp", "host").unwrap_err());
        let good = "cpu a=1 1\ncpu s=\"x\ny\" 2\n";
        for (bad, problem) in [
            ("cpu 5", "No fields were provided"),
            ("cpu a=1", "it has no timestamp: add nanoseconds since 1970"),
            ("cpu a=1 1 1", "Could not parse entire line. Found trailing content: '1'"),
            ("cpu a=9223372036854775808u 1", "field a is too large: Kapacitor has signed integers"),
        ] {
            let text = format!("{good}{bad}\n{good}");
            assert!(error(&text).starts_with("x.lp:4: not line protocol, "), "{}", error(&text));
            assert!(error(&text).contains(problem), "{}", error(&text));
        }
        assert!(error("# nothing\n").starts_with("x.lp: there is no point in it: "));
    }

    #[test]
    fn the_shipped_recording_is_as_it_should_be() {
        let points = read(SHIPPED, "recording.lp", "host").unwrap();
        assert!(points.len() > 10_000);
        assert!(points.iter().any(|point| !point.fields_double.contains_key("usage_user")));
        assert!(points.is_sorted_by_key(|point| point.time));
    }
}
