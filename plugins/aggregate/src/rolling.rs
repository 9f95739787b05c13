//! The window of a field.

use algorithms::{Deviations, Functions, Numbers, Part, Total};
use kapacitor_guest::statistics::{Extent, Extremes, Quantiles, Sliding};

/// What the functions need of the numbers of a window. Nothing is ever subtracted, so that what has left leaves no
/// rounding error behind.
#[derive(Debug, Default)]
pub struct Rolling {
    totals: Sliding<Total>,
    deviations: Sliding<Deviations>,
    extremes: Sliding<Extremes>,
    sorted: Quantiles,
}

impl Rolling {
    /// Adds a number, with its time in nanoseconds since 1970; returns whether it was taken. What no function needs
    /// stays empty, and all else takes the same numbers.
    pub fn push(&mut self, time: i64, value: f64, extent: Extent, functions: &Functions) -> bool {
        let mut is_taken = false;
        if functions.need(Part::Total) {
            is_taken |= self.totals.push(time, value, extent);
        }
        if functions.need(Part::Deviations) {
            is_taken |= self.deviations.push(time, value, extent);
        }
        if functions.need(Part::Extremes) {
            is_taken |= self.extremes.push(time, value, extent);
        }
        if functions.need(Part::Sorted) {
            is_taken |= self.sorted.push(time, value, extent);
        }
        is_taken
    }

    /// The numbers of the window, for [`Functions::results`].
    pub fn numbers(&self) -> Numbers<'_> {
        Numbers {
            total: self.totals.aggregate().unwrap_or_default(),
            deviations: self.deviations.aggregate().unwrap_or_default(),
            extremes: self.extremes.aggregate(),
            sorted: self.sorted.sorted(),
        }
    }
}
