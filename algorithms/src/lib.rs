//! What several of the plugins in `plugins/` share.

pub mod distributions;
mod extent;
mod fields;
mod median;
mod significance;
mod values;

pub use extent::extent;
pub use fields::{FieldNames, PerField};
pub use median::median;
pub use significance::{Side, check_alpha};
pub use values::{no_numbers, numbers_of, values_of};
