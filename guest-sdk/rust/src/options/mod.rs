//! The options of a plugin: those that it declares, and those that a task gives.

use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::wire::{self, Fields};

mod metric_kind;
mod metrics;
mod names;
mod scalars;
mod shared;
mod types;
mod value;

#[doc(hidden)]
pub use metric_kind::{MetricCell, MetricKind};
use metrics::DescribedMetric;
pub use metrics::{Counter, Gauge};
pub use names::{FieldName, TagName};
pub use shared::Shared;
pub use types::{Flag, Occurrence, OptionType, Scalar};
pub use value::{OptionValue, ValueType};

/// The options of a plugin, as a struct. Derive it:
///
/// ```
/// use kapacitor_guest::prelude::*;
///
/// #[derive(Options)]
/// struct Settings {
///     /// `.field('usage')`, which must be given.
///     field: String,
///     /// `.size(10)`
///     size: usize,
///     /// `.scale(1.5)`, which may be omitted.
///     #[option(default = 3.0)]
///     scale: f64,
///     /// `.as('mean')`; `as` is a keyword of Rust.
///     r#as: Option<String>,
///     /// `.agg('min').agg('max')`
///     agg: Vec<String>,
///     /// `.every(5m)`
///     #[option(name = "every")]
///     interval: Option<std::time::Duration>,
///     /// `.verbose()`
///     verbose: Flag,
/// }
/// ```
///
/// The type of a field decides which values the TICKscript must give:
///
/// | type | value |
/// |---|---|
/// | `String`, `f64`, `bool` | one value of that type |
/// | `f32` | a double in the range of the type |
/// | `Duration` | a duration such as `5m`, which must not be negative |
/// | `i64`, `i32`, `i16`, `i8`, `u64`, `u32`, `u16`, `u8`, `usize` | an int in the range of the type |
/// | `NonZeroU64`, `NonZeroU32`, `NonZeroUsize` | an int in the range of the type, from 1 |
/// | [`FieldName`], [`TagName`] | a string that InfluxDB can store as the name of a field or tag |
/// | `(A, B)`, and tuples of 3 or 4 | several values in one occurrence: `.range(0.0, 1.0)` |
/// | `Option<T>` | a `T`, or nothing |
/// | `Vec<T>` | any number of `T`, each in an occurrence of its own |
/// | `BTreeMap<K, V>` | any number of occurrences with a key and a value, and no key twice |
/// | [`Flag`] | an option without values |
/// | [`Shared<T>`] | no option, but state that all groups share |
/// | [`Counter`], [`Gauge`] | no option, but a number that operators see in the host's metrics |
/// | a type of your own | see [`OptionType`] |
///
/// Kapacitor gives an option a fixed number of values, so there is no option with any number of them in one
/// occurrence. A default, `#[option(default = ...)]`, may be any expression of the type, such as `(0.0, 1.0)` or
/// `Duration::from_secs(60)`.
///
/// Wrong options end the task with an error that names each of them and the type that was expected.
pub trait Options: Sized {
    /// Declares the options.
    fn describe(options: &mut Described);

    /// Reads the options; `None` if there is a problem, which was recorded in `given`.
    fn read(given: &mut Given<'_>) -> Option<Self>;
}

/// The options that a plugin declares.
#[derive(Debug, Default)]
pub struct Described {
    options: Vec<(&'static str, &'static [ValueType])>,
    metrics: Vec<DescribedMetric>,
}

impl Described {
    /// Declares an option that is read as a `T`.
    pub fn add<T: OptionType>(&mut self, name: &'static str) {
        self.add_documented::<T>(name, "");
    }

    /// The same with a description, which the host shows beside a metric.
    pub fn add_documented<T: OptionType>(&mut self, name: &'static str, help: &'static str) {
        if T::IS_OPTION {
            self.options.push((name, T::TYPES));
        }
        if let Some(kind) = T::METRIC {
            self.metrics.push(DescribedMetric { kind, name, help });
        }
    }

    /// Appends a line for each metric: its kind, its name and its description.
    pub(crate) fn encode_metrics(&self, out: &mut Buffer) {
        for DescribedMetric { kind, name, help } in &self.metrics {
            for part in [kind.name(), " ", name, " ", help, "\n"] {
                out.append(part.as_bytes());
            }
        }
    }

    /// Checks the metrics as the host does when it loads the plugin.
    ///
    /// # Errors
    ///
    /// The first mistake.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn check_metrics(&self) -> Result<()> {
        metrics::check_metrics(&self.metrics)
    }

    /// Appends the options to an `InfoResponse`, whose field 3 is a map from names to `OptionInfo`.
    pub(crate) fn encode(&self, out: &mut Buffer) {
        for (name, types) in &self.options {
            let types: Vec<u8> = types.iter().map(|ty| *ty as u8).collect();
            let (mut info, mut entry) = (Buffer::new(), Buffer::new());
            if !types.is_empty() {
                wire::put_bytes(1, &types, &mut info);
            }
            wire::put_bytes(1, name.as_bytes(), &mut entry);
            wire::put_bytes(2, &info, &mut entry);
            wire::put_bytes(3, &entry, out);
        }
    }
}

/// The options that a task gives, and the problems that were found in them.
#[derive(Debug)]
pub struct Given<'a> {
    options: Vec<(&'a str, Vec<OptionValue<'a>>)>,
    problems: Vec<String>,
    /// The values of the metrics, in the order in which they were read.
    metrics: Vec<MetricCell>,
}

impl<'a> Given<'a> {
    /// Reads the options of an InitRequest.
    pub(crate) fn decode(request: &'a [u8]) -> Self {
        let options = Fields(request)
            .filter(|field| field.number == 1)
            .map(|option| {
                let mut name = "";
                let mut values = Vec::new();
                for field in Fields(option.bytes) {
                    match field.number {
                        1 => name = wire::text(field.bytes),
                        2 => values.push(OptionValue::decode(field.bytes)),
                        _ => {}
                    }
                }
                (name, values)
            })
            .collect();
        Self { options, problems: Vec::new(), metrics: Vec::new() }
    }

    /// The value of an option; `None` if there is a problem, which is recorded.
    pub fn take<T: OptionType>(&mut self, name: &str) -> Option<T> {
        let occurrences: Vec<&[OptionValue<'_>]> =
            self.options.iter().filter(|(given, _)| *given == name).map(|(_, values)| &values[..]).collect();
        match T::read(&occurrences) {
            Ok(value) => Some(self.noted(value)),
            Err(problem) => {
                self.problems.push(format!("option `{name}`: {problem}"));
                None
            }
        }
    }

    /// The value of an option, or `default()` if the task does not give it; `None` if there is a problem,
    /// which is recorded.
    pub fn take_or<T: OptionType>(&mut self, name: &str, default: impl FnOnce() -> T) -> Option<T> {
        if self.options.iter().any(|(given, _)| *given == name) {
            self.take(name)
        } else {
            Some(self.noted(default()))
        }
    }

    /// Notes where the value of a metric is.
    fn noted<T: OptionType>(&mut self, value: T) -> T {
        self.metrics.extend(value.metric_cell());
        value
    }

    /// Takes the values of the metrics, in the order in which they were read.
    pub(crate) fn take_metrics(&mut self) -> Vec<MetricCell> {
        std::mem::take(&mut self.metrics)
    }

    /// Records a problem for each option that is given and not declared.
    pub(crate) fn refuse_unknown(&mut self, declared: &Described) {
        for (name, _) in &self.options {
            if !declared.options.iter().any(|(known, _)| known == name) {
                self.problems.push(format!("there is no option `{name}`"));
            }
        }
    }

    /// Records a problem.
    pub fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// The result of [`Options::read`], or all problems as one error.
    pub(crate) fn finish<T>(self, read: Option<T>) -> Result<T> {
        match read {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(Error::new(self.problems.join("; "))),
        }
    }
}
