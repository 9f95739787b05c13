//! Log lines as Kapacitor writes them, or as Telegraf takes them, and the labels that say which task a line is about.
//!
//! It never waits for stderr.

mod capture;
mod labels;
mod logfmt;
mod tenfold;
mod text;

pub(crate) use capture::{Line, capture};
pub use labels::Labels;
pub(crate) use labels::log_for;
pub(crate) use logfmt::{LevelHandle, LineFormat, Log, THREAD, put, start};
pub(crate) use tenfold::Tenfold;
pub(crate) use text::{cut, on_one_line, shown, visible};
