//! Counters and gauges of a plugin's own.

use std::rc::Rc;

use crate::options::metric_kind::{MetricCell, MetricKind};
use crate::options::types::OptionType;
use crate::options::value::{OptionValue, ValueType};

/// A number that only grows, which operators see in the host's metrics. It is a field of the plugin beside its options,
/// and no option itself. Its name is that of the field, and its description is the first paragraph of the field's
/// documentation.
///
/// The host counts what a call has added if the call succeeds, and counts it once, also if the plugin is brought back and
/// gets the same points again. A name begins with a lower-case letter, and has lower-case letters, digits and `_`, 64 at
/// most. `groups` is taken: the SDK tells the number of groups by itself. A plugin can have 16 counters and gauges.
///
/// ```
/// use kapacitor_guest::prelude::*;
/// use kapacitor_guest::testing::{Harness, point};
///
/// #[derive(Options)]
/// struct Above {
///     field: String,
///     threshold: f64,
///     /// Points above the threshold.
///     above: Counter,
///     /// The largest value so far.
///     largest: Gauge,
/// }
///
/// impl Stream for Above {
///     type Group = ();
///
///     fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
///         let value = point.number(&self.field)?;
///         self.largest.set(value.max(self.largest.get()));
///         if value <= self.threshold {
///             return Ok(());
///         }
///         self.above.inc();
///         out.send(point)
///     }
/// }
///
/// register!(Above);
///
/// let mut above = Harness::<Above>::start([("field", "x".into()), ("threshold", 2.0.into())]).unwrap();
/// for x in [1.0, 3.0, 7.5] {
///     above.point(&point().field("x", x)).unwrap();
/// }
/// assert_eq!(above.metric("above"), 2.0);
/// assert_eq!(above.metric("largest"), 7.5);
/// ```
#[derive(Debug, Default)]
pub struct Counter(MetricCell);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `more`.
    pub fn add(&self, more: u64) {
        self.0.set(self.0.get().wrapping_add(more));
    }

    /// What was added so far. It is part of the plugin's state.
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// A number that goes up and down, which operators see in the host's metrics, such as a threshold that adapts. It is a
/// field of the plugin like a [`Counter`], and begins with 0.
///
/// The value is that of after the last call that has succeeded. While it is NaN or infinite, the metric is absent.
#[derive(Debug, Default)]
pub struct Gauge(MetricCell);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: impl Into<f64>) {
        self.0.set(value.into().to_bits());
    }

    /// Adds `change`, which may be negative.
    pub fn add(&self, change: impl Into<f64>) {
        self.set(self.get() + change.into());
    }

    /// The value.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.get())
    }
}

macro_rules! metrics {
    ($($metric:ident)*) => {$(
        impl OptionType for $metric {
            const TYPES: &'static [ValueType] = &[];
            const IS_OPTION: bool = false;
            const METRIC: Option<MetricKind> = Some(MetricKind::$metric);

            fn read(_: &[&[OptionValue<'_>]]) -> Result<Self, String> {
                Ok(Self::default())
            }

            fn metric_cell(&self) -> Option<MetricCell> {
                Some(Rc::clone(&self.0))
            }
        }
    )*};
}

metrics! { Counter Gauge }

/// A metric that a plugin declares.
#[derive(Debug)]
pub struct DescribedMetric {
    pub kind: MetricKind,
    pub name: &'static str,
    pub help: &'static str,
}

/// The number of metrics of its own that a plugin can have.
#[cfg(not(target_family = "wasm"))]
const MOST: usize = 16;

/// Maximum length of a name.
#[cfg(not(target_family = "wasm"))]
const LONGEST: usize = 64;

/// Checks what the host checks when it loads the plugin.
///
/// # Errors
///
/// The first mistake.
#[cfg(not(target_family = "wasm"))]
pub fn check_metrics(metrics: &[DescribedMetric]) -> crate::error::Result<()> {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.len() <= LONGEST
            && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
    };
    let problem = if metrics.len() > MOST {
        format!("the plugin has {} metrics of its own, more than {MOST}", metrics.len())
    } else if let Some(wrong) = metrics.iter().find(|metric| !is_name(metric.name)) {
        format!(
            "`{}` is no name of a metric: use a lower-case letter, and then lower-case letters, digits and `_`",
            wrong.name
        )
    } else if metrics.iter().any(|metric| metric.name == "groups") {
        "the metric `groups` is the SDK's own: choose another name".to_owned()
    } else {
        return Ok(());
    };
    Err(crate::error::Error::new(problem))
}
