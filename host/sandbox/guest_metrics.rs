//! The metrics of a plugin's own: what it says of them, and where in its memory their values are.
//!
//! A guest keeps the values in its own memory, so that they are part of its state: after a failure they are brought back
//! with it. The host only reads them, and a guest learns nothing from it.

use std::fmt;
use std::ops::Range;

/// Name of the gauge that is the number of groups.
pub const GROUPS: &str = "groups";

/// Size of a value in bytes.
const VALUE: usize = 8;

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows; its value is an unsigned integer.
    Counter,
    /// It goes up and down; its value is a double.
    Gauge,
}

impl MetricKind {
    /// Its name, in the guest interface and for operators.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// The value of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricValue {
    /// By how much a counter has grown.
    Counter(u64),
    /// What a gauge is now; it may be NaN or infinite.
    Gauge(f64),
}

impl fmt::Display for MetricValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counter(value) => value.fmt(f),
            Self::Gauge(value) => value.fmt(f),
        }
    }
}

/// What a plugin says of one of its metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricDescription {
    /// Its kind.
    pub kind: MetricKind,
    /// Its name, of lower-case letters, digits and `_`.
    pub name: String,
    /// What it is, on one line.
    pub help: String,
}

impl MetricDescription {
    /// Whether it is the number of groups.
    pub fn is_groups(&self) -> bool {
        self.kind == MetricKind::Gauge && self.name == GROUPS
    }
}

/// The metrics of a plugin.
#[derive(Debug, Default)]
pub struct MetricTable {
    /// What the plugin says of them, in the order of the values.
    pub metrics: Vec<MetricDescription>,
    /// The address of the values, which is the same in each instance.
    address: u32,
}

impl MetricTable {
    /// Metrics whose values are at this address.
    pub fn new(metrics: Vec<MetricDescription>, address: u32) -> Self {
        Self { metrics, address }
    }

    /// Where in a guest's memory the values are. It may be outside.
    pub fn range(&self) -> Range<usize> {
        let start = self.address as usize;
        start..start.saturating_add(self.metrics.len() * VALUE)
    }
}
