//! What several of the plugins in `plugins/` share.

pub mod distributions;
mod extent;
mod fields;

pub use extent::extent;
pub use fields::{FieldNames, PerField};
