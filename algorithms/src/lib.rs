//! What several of the plugins in `plugins/` share.

mod checks;
mod extent;
mod fields;
mod seconds;
mod verdict;
mod words;

pub use checks::{above_zero, at_least_zero, rule, share};
pub use extent::extent;
pub use fields::{FieldNames, PerField};
pub use seconds::seconds_between;
pub use verdict::{Direction, MAX_SCORE, Verdict, deviations};
pub use words::word;
