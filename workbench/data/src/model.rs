//! Points and batches.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `1.5`
    Double(f64),
    /// `1i`
    Int(i64),
    /// `1u`. Kapacitor has no such type.
    Unsigned(u64),
    /// `true`
    Bool(bool),
    /// `"text"`
    String(String),
}

/// Where a point was written to. Recordings without this information leave both empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Source {
    /// Database, such as `telegraf`.
    pub database: String,
    /// Retention policy, such as `autogen`.
    pub retention_policy: String,
}

/// One point.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Where it was written to; shared by the points of a file.
    pub source: Arc<Source>,
    /// Measurement, such as `cpu`.
    pub measurement: String,
    /// Tags by key. A value is never empty.
    pub tags: BTreeMap<String, String>,
    /// Fields by key; at least one.
    pub fields: BTreeMap<String, Value>,
    /// Nanoseconds since 1970 (UTC).
    pub time: i64,
}

/// One batch, as a batch query or a window makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Measurement.
    pub name: String,
    /// The tags of its group, by key.
    pub tags: BTreeMap<String, String>,
    /// Whether batches are grouped by measurement as well.
    pub by_name: bool,
    /// End of its time range in nanoseconds since 1970 (UTC).
    pub tmax: i64,
    /// Its points. Their measurement is that of the batch.
    pub points: Vec<Point>,
}

/// What a recording has one after the other.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A point of a stream.
    Point(Point),
    /// A batch.
    Batch(Batch),
}
