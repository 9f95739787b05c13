//! What a metric is to the SDK: its kind, and where its value is.

use std::cell::Cell;
use std::rc::Rc;

/// The bits of the value of a metric, which the plugin and the SDK share.
pub type MetricCell = Rc<Cell<u64>>;

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Its value only grows.
    Counter,
    /// Its value is what it is now.
    Gauge,
}

impl MetricKind {
    /// Its name in the guest interface.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}
