//! Series keys: a measurement with its tags, whose length InfluxDB limits.
//!
//! Kapacitor writes a point of a batch with the measurement of the batch and the tags of the point.

use std::collections::BTreeMap;

use super::entries::Entry;
use crate::protocol::field::{end, point};
use crate::protocol::wire::{self, Fields};

/// Maximum length in bytes of a measurement with its tags, as InfluxDB stores them.
const MAX_SERIES: usize = 65_535;

/// Size in bytes of a message whose measurement and tags fit in any case: no byte takes more than two in a line.
const SERIES_FITS: usize = MAX_SERIES / 2;

/// Size in bytes of a point and of an End which fit in any case together. A point that passes the fast path is no
/// larger.
const HALF_FITS: usize = SERIES_FITS / 2;

/// Whether the measurement and tags of a message of this length may be longer than InfluxDB takes.
#[inline]
pub(super) fn may_exceed_series(message: usize) -> bool {
    message > SERIES_FITS
}

/// Whether a point or an End of this length may have too long tags, or too long a measurement, for its batch.
#[inline]
pub(super) fn may_exceed_in_batch(message: usize) -> bool {
    message > HALF_FITS
}

/// Parts of a point or of an End. Of several with one name the last one counts, as for every decoder.
#[derive(Default)]
pub(super) struct Parts<'a> {
    pub(super) measurement: &'a [u8],
    pub(super) tags: BTreeMap<&'a [u8], &'a [u8]>,
    pub(super) time: i64,
}

impl<'a> Parts<'a> {
    /// The parts of `message`, whose fields have these numbers.
    pub(super) fn of(message: &'a [u8], name: u32, tags: u32, time: Option<u32>) -> Self {
        let (mut parts, mut fields) = (Self::default(), Fields::new(message));
        while let Ok(Some(field)) = fields.next() {
            if field.number == name {
                parts.measurement = field.value;
            } else if field.number == tags {
                let Entry { key, value } = Entry::of(field);
                parts.tags.insert(key, value);
            } else if Some(field.number) == time {
                parts.time = wire::varint(field.value).map_or(0, |(time, _)| time as i64);
            }
        }
        parts
    }
}

/// Why InfluxDB can't store a measurement with these tags.
pub(super) fn problem_of_series(parts: &Parts<'_>) -> Option<String> {
    problem_of_length(length_in_line(parts.measurement, b", ") + length_of_tags(&parts.tags))
}

fn length_of_tags(tags: &BTreeMap<&[u8], &[u8]>) -> usize {
    // Kapacitor writes no tag with an empty value.
    let tags = tags.iter().filter(|(_, value)| !value.is_empty());
    tags.map(|(key, value)| 2 + length_in_line(key, b",= ") + length_in_line(value, b",= ")).sum()
}

/// Length of a text in which these bytes are escaped.
fn length_in_line(text: &[u8], escaped: &[u8]) -> usize {
    text.len() + text.iter().filter(|byte| escaped.contains(byte)).count()
}

fn problem_of_length(length: usize) -> Option<String> {
    (length > MAX_SERIES)
        .then(|| format!("a measurement with tags of {length} bytes, of at most {MAX_SERIES}"))
}

/// Length of the measurement in this End, as InfluxDB stores it.
pub(super) fn length_of_measurement(message: &[u8]) -> usize {
    length_in_line(Parts::of(message, end::NAME, end::TAGS, None).measurement, b", ")
}

/// Why InfluxDB can't store a point in a batch whose measurement has this length: Kapacitor writes it with the
/// measurement of the batch and the tags of the point.
pub(super) fn problem_of_point_in_batch(measurement: usize, message: &[u8]) -> Option<String> {
    if measurement + 2 * message.len() <= MAX_SERIES {
        return None;
    }
    let parts = Parts::of(message, point::NAME, point::TAGS, None);
    problem_of_length(measurement + length_of_tags(&parts.tags))
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use crate::config::{Limits, Policy, Unwanted};
    use crate::guard::{Guard, Verdict, Violation};
    use crate::protocol::{BeginBatch, EdgeType, EndBatch, Point, Response, ResponseMessage, put_response};

    fn guard(unwritable: Unwanted) -> Guard {
        Guard::new(EdgeType::Batch, &Limits::default(), &Policy { unwritable, ..Policy::default() })
    }

    fn frames(messages: &[ResponseMessage]) -> Vec<u8> {
        let mut frames = Vec::new();
        messages.iter().for_each(|message| put_response(message.clone(), &mut frames));
        frames
    }

    fn messages(mut frames: &[u8]) -> Vec<ResponseMessage> {
        let mut messages = Vec::new();
        while !frames.is_empty() {
            messages.extend(Response::decode_length_delimited(&mut frames).unwrap().message);
        }
        messages
    }

    fn pass(
        unwritable: Unwanted,
        batch: &[ResponseMessage],
    ) -> Result<(Verdict, Vec<ResponseMessage>), Violation> {
        let mut out = Vec::new();
        let verdict = guard(unwritable).pass(&frames(batch), &mut out)?;
        Ok((verdict, messages(&out)))
    }

    fn begin(size: i64) -> ResponseMessage {
        ResponseMessage::Begin(BeginBatch { size, ..BeginBatch::default() })
    }

    fn point(tag: usize) -> ResponseMessage {
        let tags = [("host".to_owned(), "x".repeat(tag))].into();
        ResponseMessage::Point(Point { tags, fields_int: [("n".to_owned(), 3)].into(), ..Point::default() })
    }

    fn end(name: usize) -> ResponseMessage {
        ResponseMessage::End(EndBatch { name: "n".repeat(name), tmax: 5, ..EndBatch::default() })
    }

    #[test]
    fn points_that_are_too_long_with_the_measurement_of_their_batch_are_left_out() {
        // A comma, `host` and an equals sign take six more of InfluxDB's 65,535 bytes.
        for (name, fits, exceeds) in [(3, 65_526, 65_527), (40_000, 25_529, 25_530), (65_528, 1, 2)] {
            let batch = [begin(3), point(fits), point(exceeds), point(1), end(name)];
            let left = [begin(2), point(fits), point(1), end(name)];
            let (verdict, passed) = pass(Unwanted::Drop, &batch).unwrap();
            assert_eq!(passed, left, "{name}");
            let expected = Verdict { points: 2, points_out: 2, dropped_points: 1, ..Verdict::default() };
            assert_eq!(verdict, expected);
            assert_eq!(pass(Unwanted::Pass, &batch).unwrap().1, batch);
            assert_eq!(pass(Unwanted::Fail, &left).unwrap().1, left);
            let failed = pass(Unwanted::Fail, &batch).unwrap_err().to_string();
            assert!(failed.contains("a measurement with tags of 65536 bytes, of at most 65535"), "{failed}");
        }
    }

    #[test]
    fn points_of_earlier_calls_are_left_out_when_the_end_comes() {
        let (mut guard, mut out) = (guard(Unwanted::Drop), Vec::new());
        let good = [begin(1), point(1), end(3)];
        let calls =
            [[&good[..], &[begin(3), point(2)]].concat(), vec![point(1)], vec![point(2), end(65_528)]];
        let verdicts = calls.map(|call| {
            let Verdict { points, points_out, dropped_points, .. } =
                guard.pass(&frames(&call), &mut out).unwrap();
            (points, points_out, dropped_points)
        });
        assert_eq!(verdicts, [(2, 1, 0), (1, 0, 0), (0, 1, 2)]);
        assert_eq!(messages(&out), [&good[..], &[begin(1), point(1), end(65_528)]].concat());
    }
}
