//! What several of the plugins in `plugins/` share.

mod centered;
mod checks;
mod deviations;
pub mod distributions;
mod expected;
mod extent;
mod fields;
#[cfg(feature = "forest")]
pub mod forest;
mod functions;
mod groups;
mod median;
mod names;
mod random;
mod random_cut_forest;
mod seconds;
mod significance;
mod steps;
mod total;
mod usual_distance;
mod values;
mod verdict;
mod words;

pub use centered::centered;
pub use checks::{above_zero, at_least_zero, rule, share};
pub use deviations::Deviations;
pub use expected::{Comparison, Expected};
pub use extent::{check_period, extent, most_points};
pub use fields::{FieldNames, PerField, Place, finite};
pub use functions::{Functions, Numbers, Part, Percentiles};
pub use groups::max_groups;
pub use median::median;
pub use names::different_names;
pub use random::Random;
pub use random_cut_forest::{ForestShape, RandomCutForest};
pub use seconds::seconds_between;
pub use significance::{Side, check_alpha};
pub use steps::{Number, Step, Steps};
pub use total::Total;
pub use usual_distance::UsualDistance;
pub use values::{no_numbers, numbers_of, values_of};
pub use verdict::{Direction, MAX_SCORE, Verdict, deviations};
pub use words::word;
