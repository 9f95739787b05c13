//! InfluxDB's line protocol, read and written by the rules of InfluxDB 1.x, which are Kapacitor's as well.

mod parse;
mod write;

pub use parse::{Line, SyntaxError, parse};
pub(crate) use write::TIMES;
pub use write::{Unwritable, write};
