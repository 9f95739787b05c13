//! What several of the plugins in `plugins/` share.

pub mod distributions;
mod extent;
mod fields;
mod significance;

pub use extent::extent;
pub use fields::{FieldNames, PerField};
pub use significance::{Side, check_alpha};
