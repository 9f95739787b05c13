//! Points and batches as they are in recordings, and the formats that they are read from and written to.
//!
//! This crate knows nothing of plugins or of the host.

#![forbid(unsafe_code)]

pub mod input;
pub mod line_protocol;
mod model;

pub use model::{Batch, Point, Record, Source, Value};
