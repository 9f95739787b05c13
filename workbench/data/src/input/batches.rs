//! Kapacitor's recordings of batches: a batch in each line, as JSON. One that was edited may go over several lines.
//!
//! Source: `WriteBatchForRecording` and `replayBatchFromChan` in `replay.go`, and `bufferedBatchMessage` in
//! `edge/messages.go` of Kapacitor 1.5.9. As in Kapacitor, all numbers are doubles; a point without tags has those of its
//! batch; a batch without points is left out; and a batch ends with its last point if that is later than it says.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::format::{Decoder, Problem};
use super::quotes::Quotes;
use super::times::parse_date;
use crate::model::{Batch, Point, Record, Source, Value};

/// Maximum length in bytes of a batch as JSON.
const MAX_BATCH: usize = 32 * 1024 * 1024;

/// Maximum number of points in a batch.
const MAX_POINTS: usize = 250_000;

/// A batch in each line.
pub(super) struct BatchRecording {
    source: Arc<Source>,
}

impl BatchRecording {
    pub(super) fn new() -> Self {
        Self { source: Arc::default() }
    }
}

impl Decoder for BatchRecording {
    fn quotes(&self) -> Quotes {
        Quotes::Json
    }

    fn max_line(&self) -> usize {
        MAX_BATCH
    }

    fn line(&mut self, text: &str) -> Result<Option<Record>, Problem> {
        if text.trim_ascii().is_empty() {
            return Ok(None);
        }
        let recorded: RecordedBatch<'_> = serde_json::from_str(text)
            .map_err(|error| Problem::Syntax(format!("it is no batch of Kapacitor: {error}")))?;
        let RecordedBatch { name, tmax, byname, tags, points } = recorded;
        let tags = tags.unwrap_or_default();
        let point = |RecordedPoint { fields, tags: own, time }| Point {
            source: Arc::clone(&self.source),
            measurement: name.clone(),
            tags: own.filter(|own| !own.is_empty()).unwrap_or_else(|| tags.clone()).into_iter().collect(),
            fields,
            time,
        };
        let points: Vec<_> = points.0.into_iter().map(point).collect();
        let Some(last) = points.last() else { return Ok(None) };
        // It is in the year 1 if Kapacitor does not know it.
        let tmax = tmax.and_then(|tmax| parse_date(&tmax)).map_or(last.time, |tmax| tmax.max(last.time));
        Ok(Some(Record::Batch(Batch { name, tags, by_name: byname, tmax, points })))
    }
}

#[derive(Deserialize)]
struct RecordedBatch<'a> {
    #[serde(default)]
    name: String,
    #[serde(borrow)]
    tmax: Option<Cow<'a, str>>,
    #[serde(default)]
    byname: bool,
    tags: Option<BTreeMap<String, String>>,
    #[serde(default)]
    points: RecordedPoints,
}

#[derive(Default)]
struct RecordedPoints(Vec<RecordedPoint>);

struct RecordedPoint {
    fields: BTreeMap<String, Value>,
    tags: Option<BTreeMap<String, String>>,
    time: i64,
}

#[derive(Deserialize)]
struct PointJson<'a> {
    fields: Option<BTreeMap<String, Option<ValueJson>>>,
    tags: Option<BTreeMap<String, String>>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ValueJson {
    Number(f64),
    Bool(bool),
    Text(String),
}

impl From<ValueJson> for Value {
    fn from(value: ValueJson) -> Self {
        match value {
            ValueJson::Number(value) => Self::Double(value),
            ValueJson::Bool(value) => Self::Bool(value),
            ValueJson::Text(value) => Self::String(value),
        }
    }
}

impl<'de> Deserialize<'de> for RecordedPoints {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PointsVisitor)
    }
}

/// Counts the points while they are read, since they take far more memory than their JSON.
struct PointsVisitor;

impl<'de> Visitor<'de> for PointsVisitor {
    type Value = RecordedPoints;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of points")
    }

    fn visit_unit<E: Error>(self) -> Result<RecordedPoints, E> {
        Ok(RecordedPoints::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<RecordedPoints, A::Error> {
        let mut points = Vec::new();
        while let Some(PointJson { fields, tags, time }) = list.next_element()? {
            if points.len() == MAX_POINTS {
                return Err(A::Error::custom(format_args!("it has more than {MAX_POINTS} points")));
            }
            let Some(time) = parse_date(&time) else {
                return Err(A::Error::custom(format_args!("{time:?} is no time, or out of range")));
            };
            let fields = fields.unwrap_or_default().into_iter();
            let fields: BTreeMap<_, _> =
                fields.filter_map(|(key, value)| Some((key, value?.into()))).collect();
            if !fields.is_empty() {
                points.push(RecordedPoint { fields, tags, time });
            }
        }
        Ok(RecordedPoints(points))
    }
}
