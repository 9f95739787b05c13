//! The least and the greatest number.

use crate::statistics::sliding::Aggregate;

/// The least and the greatest of at least one number. Both are NaN if one of the numbers is.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Extremes {
    min: f64,
    max: f64,
}

impl Extremes {
    /// The least number.
    pub fn min(&self) -> f64 {
        self.min
    }

    /// The greatest number.
    pub fn max(&self) -> f64 {
        self.max
    }
}

impl Aggregate for Extremes {
    fn one(value: f64) -> Self {
        Self { min: value, max: value }
    }

    fn merge(&self, later: &Self) -> Self {
        if self.min.is_nan() || later.min.is_nan() {
            return Self::one(f64::NAN);
        }
        Self { min: self.min.min(later.min), max: self.max.max(later.max) }
    }
}
