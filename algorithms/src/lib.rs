//! What several of the plugins in `plugins/` share.

mod centered;
mod checks;
mod extent;
mod fields;
mod random;
mod random_cut_forest;
mod verdict;

pub use centered::centered;
pub use checks::{above_zero, at_least_zero, rule, share};
pub use extent::extent;
pub use fields::{FieldNames, PerField};
pub use random::Random;
pub use random_cut_forest::{ForestShape, RandomCutForest};
pub use verdict::{Direction, MAX_SCORE, Verdict, deviations};
