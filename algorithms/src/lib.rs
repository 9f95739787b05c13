//! What several of the plugins in `plugins/` share.

mod checks;
mod expected;
mod extent;
mod fields;
mod median;
mod verdict;

pub use checks::{above_zero, at_least_zero, rule, share};
pub use expected::{Comparison, Expected};
pub use extent::extent;
pub use fields::{FieldNames, PerField};
pub use median::median;
pub use verdict::{Direction, MAX_SCORE, Verdict, deviations};
