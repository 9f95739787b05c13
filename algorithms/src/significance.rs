//! The options `alpha` and `side` of statistical tests.

use kapacitor_guest::options::{OptionValue, Scalar, ValueType};
use kapacitor_guest::prelude::*;

/// Checks the level of significance of a test: the probability of an alarm without a reason.
///
/// ```
/// assert!(algorithms::check_alpha(0.05).is_ok());
/// let error = algorithms::check_alpha(1.0).unwrap_err();
/// assert_eq!(error.to_string(), "option `alpha`: must be a number above 0 and below 1");
/// ```
///
/// # Errors
///
/// The sentence that the task ends with, unless the level is between 0 and 1.
pub fn check_alpha(alpha: f64) -> Result<()> {
    if alpha > 0.0 && alpha < 1.0 {
        Ok(())
    } else {
        Err(Error::new("option `alpha`: must be a number above 0 and below 1"))
    }
}

/// Which values a test takes for unusual: `.side('high')`.
///
/// ```
/// use algorithms::Side;
///
/// assert_eq!([Side::Both, Side::High, Side::Low].map(|side| side.distance(-2.0)), [2.0, -2.0, 2.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Those that are far from the others, `both`.
    Both,
    /// Those that are far above the others, `high`.
    High,
    /// Those that are far below the others, `low`.
    Low,
}

impl Side {
    /// How far a value is to this side, if `deviation` is the value less the mean; less than 0 for the other side.
    #[inline]
    pub fn distance(self, deviation: f64) -> f64 {
        match self {
            Self::Both => deviation.abs(),
            Self::High => deviation,
            Self::Low => -deviation,
        }
    }

    /// How many sides there are.
    pub fn count(self) -> f64 {
        if self == Self::Both { 2.0 } else { 1.0 }
    }
}

impl Scalar for Side {
    const TYPE: ValueType = ValueType::String;

    fn convert(value: &OptionValue<'_>) -> Option<std::result::Result<Self, String>> {
        let OptionValue::String(word) = value else { return None };
        Some(match *word {
            "both" => Ok(Self::Both),
            "high" => Ok(Self::High),
            "low" => Ok(Self::Low),
            other => Err(format!("must be 'both', 'high' or 'low', got '{other}'")),
        })
    }
}
