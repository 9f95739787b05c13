//! What each task does now, and what all tasks of its node have done, for whoever asks.
//!
//! A session writes its [`SessionMeter`] after each piece of work, with stores that cost no more than a few
//! nanoseconds. The [`Board`] keeps those of all sessions, and what was counted of those that have ended. It knows
//! nothing of HTTP or of a format.

mod board;
mod history;
mod meter;
mod metric_sums;
mod totals;

pub use board::{Board, NodeReading, Refusal};
pub use history::{NOTE_RATES, Rate};
pub use meter::SessionMeter;
pub use metric_sums::MetricReading;
pub use totals::Snapshotted;
