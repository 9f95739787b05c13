//! What several of the plugins in `plugins/` share.

mod checks;
mod extent;
mod fields;
mod verdict;

pub use checks::{above_zero, at_least_zero, rule, share};
pub use extent::extent;
pub use fields::{FieldNames, PerField};
pub use verdict::{Direction, MAX_SCORE, Verdict, deviations};
