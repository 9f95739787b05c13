//! The numbers by which a batch is compared with others.

use algorithms::median;
use kapacitor_guest::options::{OptionValue, Scalar, ValueType};
use kapacitor_guest::statistics::Moments;

/// A number that stands for all values of a field in a batch: `.feature('mean')`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Their mean.
    Mean,
    /// The standard deviation of the values as all there are, 0 of one value.
    StdDev,
    /// The least of them.
    Min,
    /// The greatest of them.
    Max,
}

impl Feature {
    /// The word by which it is known.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::StdDev => "stddev",
            Self::Min => "min",
            Self::Max => "max",
        }
    }

    /// The name of the result for a field.
    pub fn result(self, field: &str) -> String {
        [field, "_", self.name()].concat()
    }
}

impl Scalar for Feature {
    const TYPE: ValueType = ValueType::String;

    fn convert(value: &OptionValue<'_>) -> Option<Result<Self, String>> {
        let OptionValue::String(word) = value else { return None };
        let all = [Self::Mean, Self::StdDev, Self::Min, Self::Max];
        let found = all.into_iter().find(|feature| feature.name() == *word);
        Some(found.ok_or_else(|| format!("must be 'mean', 'stddev', 'min' or 'max', got '{word}'")))
    }
}

/// What the features of a field are made of.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    moments: Moments,
    min: f64,
    max: f64,
}

impl Summary {
    /// That of finite values; `None` if there are none.
    pub fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut all = Self { moments: Moments::default(), min: f64::INFINITY, max: f64::NEG_INFINITY };
        for value in values {
            all.moments.push(value);
            (all.min, all.max) = (all.min.min(value), all.max.max(value));
        }
        (all.moments.count() > 0).then_some(all)
    }

    /// A feature; `None` for a standard deviation that is no number, since its square is above [`f64::MAX`].
    pub fn feature(&self, feature: Feature) -> Option<f64> {
        let number = match feature {
            Feature::Mean => self.moments.mean(),
            Feature::StdDev => self.moments.population_std_dev(),
            Feature::Min => Some(self.min),
            Feature::Max => Some(self.max),
        };
        number.filter(|number| number.is_finite())
    }
}

/// The distance from the median beyond which all numbers count as equally far, in units of what is usual: sums of its
/// square are numbers.
const FURTHEST: f64 = 1e100;

/// Takes the numbers of one feature relative to their median, in units of their median absolute deviation: so
/// features of any unit have the same weight, and outliers do not change the units. If that is 0 because more than
/// half of the numbers are the same, the unit is the mean absolute deviation.
pub fn make_comparable(column: &mut [f64]) {
    if column.is_empty() {
        return;
    }
    // So that no difference is infinite.
    column.iter_mut().for_each(|number| *number /= 8.0);
    let center = median(&mut column.to_vec());
    column.iter_mut().for_each(|number| *number -= center);
    let mut distances: Vec<f64> = column.iter().map(|number| number.abs()).collect();
    let typical = median(&mut distances);
    let count = distances.len() as f64;
    let unit = if typical > 0.0 { typical } else { distances.iter().map(|distance| distance / count).sum() };
    if unit > 0.0 {
        column.iter_mut().for_each(|number| *number = (*number / unit).clamp(-FURTHEST, FURTHEST));
    }
}
