//! What several of the plugins in `plugins/` share.

mod deviations;
mod extent;
mod fields;
mod functions;
mod steps;
mod total;

pub use deviations::Deviations;
pub use extent::extent;
pub use fields::{FieldNames, PerField};
pub use functions::{Functions, Numbers, Part, Percentiles};
pub use steps::{Number, Step, Steps};
pub use total::Total;
