//! What several of the plugins in `plugins/` share.

mod extent;
mod fields;
#[cfg(feature = "forest")]
pub mod forest;

pub use extent::extent;
pub use fields::{FieldNames, PerField};
