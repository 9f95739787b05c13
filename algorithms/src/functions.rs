//! The option `fn` of plugins that sum up numbers: which functions they compute.

use kapacitor_guest::options::{OptionType, OptionValue, Scalar, ValueType};
use kapacitor_guest::prelude::*;
use kapacitor_guest::statistics::Extremes;

use crate::{Deviations, Total};

/// The functions that a task asks for: `.fn('mean').fn('p95')`, each once.
///
/// | name | |
/// |---|---|
/// | `count` | the number of numbers, an int |
/// | `sum`, `mean` | |
/// | `stddev` | the standard deviation of a sample, with n - 1 in the place of n; none of a single number |
/// | `min`, `max`, `spread` | the least number, the greatest, and their difference |
/// | `median` | the middle number, or the mean of both |
/// | `p` and a number from 0 to 100: `p95`, `p99.9` | a percentile, see [`Percentiles`] |
///
/// A result that is beyond [`f64::MAX`] is absent.
#[derive(Clone, Debug)]
pub struct Functions {
    functions: Vec<(String, Function)>,
    /// Which [`Part`]s they need.
    needs: [bool; 4],
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Function {
    Count,
    Sum,
    Mean,
    StdDev,
    Min,
    Max,
    Spread,
    Median,
    /// From 0 to 100.
    Percentile(f64),
}

/// What functions are computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Of `count`, `sum` and `mean`.
    Total,
    /// Of `stddev`.
    Deviations,
    /// Of `min`, `max` and `spread`.
    Extremes,
    /// The numbers in order, of percentiles.
    Sorted,
}

/// The numbers that functions are computed of, as far as they need them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers<'a> {
    /// See [`Part::Total`].
    pub total: Total,
    /// See [`Part::Deviations`].
    pub deviations: Deviations,
    /// See [`Part::Extremes`]; `None` without numbers.
    pub extremes: Option<Extremes>,
    /// See [`Part::Sorted`].
    pub sorted: &'a [f64],
}

/// How a percentile is defined: the option `percentile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Percentiles {
    /// `'linear'`: interpolated between two numbers, as NumPy, R and spreadsheets do it. Definition 7 of R. J. Hyndman and
    /// Y. Fan, *Sample quantiles in statistical packages*, The American Statistician 50, 1996.
    Linear,
    /// `'influxql'`: one of the n numbers, the one at the rank p n / 100, rounded, as `PERCENTILE()` of InfluxDB 1
    /// and `|percentile()` of Kapacitor do it. None if that is 0.
    InfluxQl,
}

impl Functions {
    /// Whether one of the functions is computed from this.
    #[inline]
    pub fn need(&self, part: Part) -> bool {
        self.needs[part as usize]
    }

    /// The names and results of the functions, in the order of the options; those are left out that don't exist for
    /// these numbers.
    pub fn results<'a>(
        &'a self,
        numbers: Numbers<'_>,
        percentiles: Percentiles,
    ) -> impl Iterator<Item = (&'a str, Value<'static>)> {
        self.functions.iter().filter_map(move |(name, function)| {
            let value = match function {
                Function::Count => return Some((name.as_str(), numbers.total.count().into())),
                Function::Sum => numbers.total.sum(),
                Function::Mean => numbers.total.mean()?,
                Function::StdDev => numbers.deviations.sample_std_dev()?,
                Function::Min => numbers.extremes?.min(),
                Function::Max => numbers.extremes?.max(),
                Function::Spread => numbers.extremes.map(|extremes| extremes.max() - extremes.min())?,
                Function::Median => Percentiles::Linear.of(numbers.sorted, 50.0)?,
                Function::Percentile(percent) => percentiles.of(numbers.sorted, *percent)?,
            };
            value.is_finite().then(|| (name.as_str(), value.into()))
        })
    }

    /// The functions with these names.
    fn named(names: &[impl AsRef<str>]) -> std::result::Result<Self, String> {
        let (mut functions, mut needs) = (Vec::<(String, Function)>::new(), [false; 4]);
        for name in names.iter().map(AsRef::as_ref) {
            let function = Function::named(name).ok_or_else(|| {
                let known = "`count`, `sum`, `mean`, `stddev`, `min`, `max`, `spread`, `median`";
                format!("must be {known} or a percentile from `p0` to `p100`, got `{name}`")
            })?;
            if functions.iter().any(|(other, _)| other == name) {
                return Err(format!("`{name}` is given twice"));
            }
            needs[function.part() as usize] = true;
            functions.push((name.to_owned(), function));
        }
        Ok(Self { functions, needs })
    }
}

/// Those of Telegraf's plugin `basicstats`, but for the variance.
impl Default for Functions {
    fn default() -> Self {
        Self::named(&["count", "min", "max", "mean", "stddev"]).expect("each is known, once")
    }
}

impl OptionType for Functions {
    const TYPES: &'static [ValueType] = &[String::TYPE];

    fn read(occurrences: &[&[OptionValue<'_>]]) -> std::result::Result<Self, String> {
        let names: Vec<String> = OptionType::read(occurrences)?;
        Self::named(&names)
    }
}

impl Function {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "count" => Self::Count,
            "sum" => Self::Sum,
            "mean" => Self::Mean,
            "stddev" => Self::StdDev,
            "min" => Self::Min,
            "max" => Self::Max,
            "spread" => Self::Spread,
            "median" => Self::Median,
            _ => {
                // No signs, exponents or words, which numbers in Rust may have.
                let number = name.strip_prefix('p')?;
                let is_plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
                let percent: f64 = number.parse().ok().filter(|_| is_plain)?;
                (percent <= 100.0).then_some(Self::Percentile(percent))?
            }
        })
    }

    fn part(self) -> Part {
        match self {
            Self::Count | Self::Sum | Self::Mean => Part::Total,
            Self::StdDev => Part::Deviations,
            Self::Min | Self::Max | Self::Spread => Part::Extremes,
            Self::Median | Self::Percentile(_) => Part::Sorted,
        }
    }
}

impl Percentiles {
    /// The percentile of numbers in order, from 0 to 100; `None` if there is none.
    ///
    /// ```
    /// use algorithms::Percentiles;
    ///
    /// assert_eq!(Percentiles::Linear.of(&[1.0, 2.0, 3.0, 4.0], 90.0), Some(3.7));
    /// assert_eq!(Percentiles::InfluxQl.of(&[1.0, 2.0, 3.0, 4.0], 90.0), Some(4.0));
    /// ```
    pub fn of(self, sorted: &[f64], percent: f64) -> Option<f64> {
        let last = sorted.len().checked_sub(1)?;
        if self == Self::InfluxQl {
            // In the order of InfluxDB, since each operation rounds.
            let rank = (sorted.len() as f64 * percent / 100.0 + 0.5).floor() as usize;
            return sorted.get(rank.checked_sub(1)?).copied();
        }
        let rank = last as f64 * (percent / 100.0);
        let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
        let (share, difference) = (rank.fract(), high - low);
        // The difference of numbers of both signs may be beyond `f64::MAX`.
        Some(if difference.is_finite() {
            low + share * difference
        } else {
            low * (1.0 - share) + high * share
        })
    }
}

impl Scalar for Percentiles {
    const TYPE: ValueType = ValueType::String;

    fn convert(value: &OptionValue<'_>) -> Option<std::result::Result<Self, String>> {
        match value {
            OptionValue::String("linear") => Some(Ok(Self::Linear)),
            OptionValue::String("influxql") => Some(Ok(Self::InfluxQl)),
            OptionValue::String(other) => Some(Err(format!("must be `linear` or `influxql`, got `{other}`"))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use kapacitor_guest::statistics::Aggregate;

    use super::*;

    #[test]
    fn names_of_percentiles_are_plain_numbers() {
        assert_eq!(Function::named("p99.9"), Some(Function::Percentile(99.9)));
        assert_eq!(Function::named("p0"), Some(Function::Percentile(0.0)));
        for name in ["p", "p.", "p-1", "p+5", "p1e1", "pinf", "pnan", "p100.1", "95", "Mean", ""] {
            assert_eq!(Function::named(name), None, "{name}");
        }
    }

    #[test]
    fn functions_are_given_once() {
        let problem = |names: &[&'static str]| Functions::named(names).unwrap_err();
        assert_eq!(problem(&["p95", "mean", "p95"]), "`p95` is given twice");
        assert!(problem(&["avg"]).ends_with("or a percentile from `p0` to `p100`, got `avg`"));
    }

    #[test]
    fn percentiles_are_those_of_their_definitions() {
        // 25 % of two numbers is the half of one, which InfluxQL rounds up.
        for (percent, linear, influxql) in
            [(0.0, 1.0, None), (24.0, 1.24, None), (25.0, 1.25, Some(1.0)), (75.0, 1.75, Some(2.0))]
        {
            assert_eq!(Percentiles::Linear.of(&[1.0, 2.0], percent), Some(linear));
            assert_eq!(Percentiles::InfluxQl.of(&[1.0, 2.0], percent), influxql);
        }
        // 57 % of 50 are 28.5, but 0.57 * 50 is less in doubles.
        let fifty: Vec<f64> = (1..=50).map(f64::from).collect();
        assert_eq!(Percentiles::InfluxQl.of(&fifty, 57.0), Some(29.0));
        for definition in [Percentiles::Linear, Percentiles::InfluxQl] {
            assert_eq!(definition.of(&[], 50.0), None);
            assert_eq!(definition.of(&[7.0], 100.0), Some(7.0));
        }
        assert_eq!(Percentiles::Linear.of(&[f64::MIN, f64::MAX], 50.0), Some(0.0));
    }

    #[test]
    fn results_beyond_the_largest_number_are_absent() {
        let functions = Functions::named(&["sum", "mean", "spread", "count"]).unwrap();
        let mut total = Total::default();
        [f64::MAX, f64::MAX].into_iter().for_each(|value| total.push(value));
        let extremes = Some(Extremes::one(f64::MAX).merge(&Extremes::one(f64::MIN)));
        let numbers = Numbers { total, extremes, ..Numbers::default() };
        let results: Vec<_> = functions.results(numbers, Percentiles::Linear).collect();
        assert_eq!(results, [("mean", Value::Double(f64::MAX)), ("count", Value::Int(2))]);
    }

    #[test]
    fn nothing_has_a_count_and_a_sum() {
        let names = ["count", "sum", "mean", "stddev", "min", "max", "spread", "median", "p95"];
        let functions = Functions::named(&names).unwrap();
        let results: Vec<_> = functions.results(Numbers::default(), Percentiles::Linear).collect();
        assert_eq!(results, [("count", Value::Int(0)), ("sum", Value::Double(0.0))]);
    }
}
