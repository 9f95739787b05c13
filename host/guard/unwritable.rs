//! Names and times that InfluxDB can't store.
//!
//! Source: tried with InfluxDB 1.6 and with the lines that Kapacitor writes. Kapacitor does not escape a line break, so
//! that the rest of a name begins another point; nor a backslash, with which InfluxDB escapes what follows it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::series::{Parts, problem_of_series};
use crate::protocol::field::{end, point};
use crate::protocol::wire;

/// The name of a field or tag that is lost, since InfluxDB takes it for the time of the point.
const TIME: &[u8] = b"time";

/// Times that InfluxDB can store, in nanoseconds since 1970: from 1677-09-21 to 2262-04-11.
const TIMES: RangeInclusive<i64> = i64::MIN + 2..=i64::MAX - 1;

/// Whether InfluxDB can't store a tag of this name.
#[inline]
pub(super) fn is_unwritable_tag(key: &[u8]) -> bool {
    key.is_empty() || key == TIME || is_unwritable_text(key)
}

/// Whether InfluxDB can't store a field of this name.
#[inline]
pub(super) fn is_unwritable_field(key: &[u8]) -> bool {
    is_unwritable_tag(key) || begins_with_blank(key)
}

/// Whether InfluxDB can't store a measurement of this name, which may be empty.
#[inline]
pub(super) fn is_unwritable_measurement(name: &[u8]) -> bool {
    name.first() == Some(&b'#') || begins_with_blank(name) || is_unwritable_text(name)
}

/// Whether InfluxDB can't store this text as any part of a point.
#[inline]
pub(super) fn is_unwritable_text(text: &[u8]) -> bool {
    text.last() == Some(&b'\\') || text.contains(&b'\n')
}

/// Whether InfluxDB takes the first byte for a blank before the name. A space is none, since Kapacitor escapes it.
#[inline]
fn begins_with_blank(name: &[u8]) -> bool {
    matches!(name, [b'\t' | 0, ..])
}

/// Whether InfluxDB can't store a point of this time, a varint.
#[inline]
pub(super) fn is_unwritable_time(varint: &[u8]) -> bool {
    wire::varint(varint).is_ok_and(|(time, _)| !TIMES.contains(&(time as i64)))
}

/// Why InfluxDB can't store a field of this name.
pub(super) fn problem_of_field(key: &[u8]) -> Option<String> {
    let blank = || {
        let shown = shown(key);
        begins_with_blank(key).then(|| format!("the field {shown}, which begins with a tab or a zero byte"))
    };
    problem_of_key("field", key).or_else(blank)
}

/// Why InfluxDB can't store any part of a point, whatever its fields are. Only a point that is `named` needs a
/// measurement: those of a batch have that of the batch.
pub(super) fn problem_of_point(message: &[u8], named: bool) -> Option<String> {
    let parts = Parts::of(message, point::NAME, point::TAGS, Some(point::TIME));
    if !TIMES.contains(&parts.time) {
        return Some(format!("the time {}", parts.time));
    }
    let nameless = parts.measurement.is_empty() && !named;
    let of_measurement = || problem_of_measurement(parts.measurement).filter(|_| !nameless);
    problem_of_tags(&parts.tags).or_else(of_measurement).or_else(|| problem_of_series(&parts))
}

/// Why InfluxDB can't store the points of a batch with this End.
pub(super) fn problem_of_batch(message: &[u8]) -> Option<String> {
    let parts = Parts::of(message, end::NAME, end::TAGS, None);
    let of_measurement = || problem_of_measurement(parts.measurement);
    problem_of_tags(&parts.tags).or_else(of_measurement).or_else(|| problem_of_series(&parts))
}

fn problem_of_measurement(name: &[u8]) -> Option<String> {
    let flaw = match name {
        [] => return Some("an empty measurement".to_owned()),
        [b'#', ..] => "which begins with `#`, as a comment does",
        _ if begins_with_blank(name) => "which begins with a tab or a zero byte",
        _ => flaw_of_text(name)?,
    };
    Some(format!("the measurement {}, {flaw}", shown(name)))
}

fn problem_of_tags(tags: &BTreeMap<&[u8], &[u8]>) -> Option<String> {
    tags.iter().find_map(|(key, value)| {
        let of_value = |flaw| {
            let (value, key) = (shown(value), shown(key));
            format!("the value {value} of the tag {key}, {flaw}")
        };
        problem_of_key("tag", key).or_else(|| flaw_of_text(value).map(of_value))
    })
}

fn problem_of_key(what: &str, key: &[u8]) -> Option<String> {
    match key {
        [] => Some(format!("a {what} without a name")),
        TIME => Some(format!("a {what} named `time`")),
        _ => flaw_of_text(key).map(|flaw| format!("the {what} {}, {flaw}", shown(key))),
    }
}

fn flaw_of_text(text: &[u8]) -> Option<&'static str> {
    match text {
        _ if text.contains(&b'\n') => Some("with a line break"),
        [.., b'\\'] => Some("which ends with a backslash"),
        _ => None,
    }
}

/// A name between quotes, on one line.
fn shown(name: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(name))
}

#[cfg(test)]
mod tests {
    use crate::config::{Limits, Policy, Unwanted};
    use crate::guard::{Guard, Verdict};
    use crate::protocol::{BeginBatch, EdgeType, EndBatch, Point, Response, ResponseMessage, put_response};
    use prost::Message as _;

    fn pass(
        unwritable: Unwanted,
        provides: EdgeType,
        messages: &[ResponseMessage],
    ) -> Result<(Verdict, Vec<ResponseMessage>), String> {
        let policy = Policy { unwritable, ..Policy::default() };
        let mut frames = Vec::new();
        for message in messages {
            put_response(message.clone(), &mut frames);
        }
        let mut out = Vec::new();
        let verdict = Guard::new(provides, &Limits::default(), &policy).pass(&frames, &mut out);
        let verdict = verdict.map_err(|violation| violation.to_string())?;
        let (mut rest, mut passed) = (&out[..], Vec::new());
        while !rest.is_empty() {
            passed.extend(Response::decode_length_delimited(&mut rest).unwrap().message);
        }
        Ok((verdict, passed))
    }

    fn good() -> Point {
        Point {
            time: 5,
            name: "cpu".to_owned(),
            tags: [("host".to_owned(), "a".to_owned())].into(),
            fields_double: [("timeout".to_owned(), 1.0), ("v".to_owned(), 2.0)].into(),
            fields_int: [("n".to_owned(), 3)].into(),
            ..Point::default()
        }
    }

    fn stream(unwritable: Unwanted, point: Point) -> Result<Vec<ResponseMessage>, String> {
        pass(unwritable, EdgeType::Stream, &[ResponseMessage::Point(point)]).map(|(_, passed)| passed)
    }

    /// Texts of all lengths that the short check looks at in another way.
    fn texts(make: impl Fn(&str) -> String) -> Vec<String> {
        (0..40).map(|length| make(&"x".repeat(length))).collect()
    }

    #[test]
    fn points_with_what_influxdb_cannot_store_are_left_out() {
        let mut points = vec![Point { name: String::new(), ..good() }];
        points.extend([i64::MIN, i64::MIN + 1, i64::MAX].map(|time| Point { time, ..good() }));
        points.extend(texts(|text| format!("{text}\n")).into_iter().map(|name| Point { name, ..good() }));
        let keys = texts(|text| format!("{text}\nb")).into_iter().chain([String::new(), "time".to_owned()]);
        points.extend(keys.map(|key| Point { tags: [(key, "a".to_owned())].into(), ..good() }));
        for value in texts(|text| format!("a\n{text}")).into_iter().chain(texts(|text| format!("{text}\\"))) {
            points.push(Point { tags: [("host".to_owned(), value)].into(), ..good() });
        }
        for key in texts(|text| format!("{text}\\")) {
            points.push(Point { tags: [(key.clone(), "a".to_owned())].into(), ..good() });
            points.push(Point { name: key, ..good() });
        }
        for first in ['#', '\t', '\0'] {
            points.extend(
                texts(|text| format!("{first}{text}")).into_iter().map(|name| Point { name, ..good() }),
            );
        }
        for long in ["x".repeat(65_535), ",".repeat(32_768)] {
            points.push(Point { name: long.clone(), ..good() });
            points.push(Point { tags: [("host".to_owned(), long)].into(), ..good() });
        }
        for point in points {
            assert_eq!(stream(Unwanted::Drop, point.clone()), Ok(vec![]), "{point:?}");
            let passed = stream(Unwanted::Pass, point.clone());
            assert_eq!(passed, Ok(vec![ResponseMessage::Point(point.clone())]));
            let failed = stream(Unwanted::Fail, point).unwrap_err();
            assert!(
                failed.ends_with(": InfluxDB can't store it, and policy.unwritable is \"fail\""),
                "{failed}"
            );
            assert!(!failed.contains('\n'));
        }
    }

    #[test]
    fn fields_with_names_that_influxdb_cannot_store_are_left_out() {
        let names = texts(|text| format!("{text}\n")).into_iter().chain([String::new(), "time".to_owned()]);
        let names = names.chain(texts(|text| format!("{text}\\"))).chain(["\tx", "\0"].map(str::to_owned));
        for name in names {
            let mut points = [good(), good(), good(), good()];
            points[0].fields_double.insert(name.clone(), 1.0);
            points[1].fields_int.insert(name.clone(), 1);
            points[2].fields_string.insert(name.clone(), "s".to_owned());
            points[3].fields_bool.insert(name.clone(), true);
            for point in points {
                assert_eq!(stream(Unwanted::Drop, point.clone()), Ok(vec![ResponseMessage::Point(good())]));
                assert_eq!(
                    stream(Unwanted::Pass, point.clone()),
                    Ok(vec![ResponseMessage::Point(point.clone())])
                );
                let failed = stream(Unwanted::Fail, point).unwrap_err();
                assert!(failed.contains("field"), "{failed}");
            }
            let only = Point { fields_double: [(name, 1.0)].into(), fields_int: [].into(), ..good() };
            assert_eq!(stream(Unwanted::Drop, only), Ok(vec![]));
        }
    }

    #[test]
    fn what_influxdb_stores_passes() {
        let texts =
            ["a b", "a,b", "a=b", "tim", "time2", "Time", "ä", "a\\b", "\\a", "a\t", "\r", "_field", "a#"];
        for text in texts.map(str::to_owned) {
            for point in [
                Point { name: text.clone(), ..good() },
                Point { tags: [(text.clone(), text.clone())].into(), ..good() },
                Point { tags: [("host".to_owned(), "time".to_owned())].into(), ..good() },
                Point { fields_double: [(text.clone(), 1.0)].into(), ..good() },
                Point { fields_string: [("s".to_owned(), "two\nlines".to_owned())].into(), ..good() },
                Point {
                    tags: [("#".to_owned(), "#".to_owned()), ("\t".to_owned(), "\t".to_owned())].into(),
                    ..good()
                },
                Point { fields_double: [("#".to_owned(), 1.0)].into(), ..good() },
                Point { tags: [("host".to_owned(), "x".repeat(65_526))].into(), ..good() },
                Point { time: i64::MIN + 2, group: "cpu\nhost=a".to_owned(), ..good() },
                Point { time: i64::MAX - 1, ..good() },
            ] {
                assert_eq!(stream(Unwanted::Fail, point.clone()), Ok(vec![ResponseMessage::Point(point)]));
            }
        }
    }

    #[test]
    fn batch_is_left_out_whole_for_what_its_end_says() {
        let begin = || ResponseMessage::Begin(BeginBatch { size: 2, ..BeginBatch::default() });
        // The points of a batch have the measurement of its End.
        let point = || ResponseMessage::Point(Point { name: String::new(), ..good() });
        let end = |name: &str, tag: &str| {
            let tags = [("host".to_owned(), tag.to_owned())].into();
            ResponseMessage::End(EndBatch { name: name.to_owned(), tags, tmax: 5, ..EndBatch::default() })
        };
        let batch = |name: &str, tag: &str| [begin(), point(), point(), end(name, tag)];
        let all =
            [batch("cpu", "a"), batch("", "a"), batch("cpu", "b\\"), batch("#cpu", "c"), batch("cpu", "d")];
        let (verdict, passed) = pass(Unwanted::Drop, EdgeType::Batch, &all.concat()).unwrap();
        assert_eq!(passed, [batch("cpu", "a"), batch("cpu", "d")].concat());
        let expected = Verdict { points: 4, points_out: 4, dropped_points: 6, ..Verdict::default() };
        assert_eq!(verdict, expected);
        assert_eq!(pass(Unwanted::Pass, EdgeType::Batch, &all.concat()).unwrap().1, all.concat());
        let failed = pass(Unwanted::Fail, EdgeType::Batch, &all.concat()).unwrap_err();
        assert!(failed.contains("an empty measurement"), "{failed}");

        // Over several calls, of which the first one sends a good batch before it.
        let mut guard = Guard::new(EdgeType::Batch, &Limits::default(), &Policy::default());
        let mut out = Vec::new();
        let mut frames = |messages: &[ResponseMessage]| {
            let mut frames = Vec::new();
            messages.iter().for_each(|message| put_response(message.clone(), &mut frames));
            guard.pass(&frames, &mut out).unwrap()
        };
        let first = frames(&[&batch("cpu", "a")[..], &[begin(), point()]].concat());
        assert_eq!((first.points, first.points_out), (3, 2));
        let second = frames(&[&[point(), end("", "b")][..], &batch("cpu", "c")].concat());
        assert_eq!((second.points_out, second.dropped_points), (2, 2));
        let (mut rest, mut ends) = (&out[..], 0);
        while !rest.is_empty() {
            let message = Response::decode_length_delimited(&mut rest).unwrap().message;
            ends += u64::from(matches!(message, Some(ResponseMessage::End(_))));
        }
        assert_eq!(ends, 2);
    }
}
