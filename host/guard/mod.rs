//! The guard: everything a guest wants to send to Kapacitor passes here, and nothing else does.
//!
//! Kapacitor trusts its UDFs. An End without a Begin, a batch size of -1 or a response without a
//! message ends kapacitord; a string that is not UTF-8 ends the task. The guard lets through what
//! Kapacitor can take, byte for byte, and refuses the rest with the reason.
//!
//! What passes:
//! - the responses Begin, Point and End, whole, with fields of the right wire type and valid UTF-8,
//!   and an Error as the last one;
//! - on a stream edge points only; on a batch edge Begin, points, End, in this order. Where
//!   `edge-check` is loose, both on both;
//! - at most one type for each field name of a point.
//!
//! The size of a batch is written by the guard. A batch goes out whole or not at all, so that a
//! plugin that fails in the middle of one leaves Kapacitor with none. If the policy says so, what InfluxDB
//! can't store is left out: NaN, infinite numbers, points without fields, and names such as one with a line break.
//!
//! Bytes go in and bytes come out: the guard knows neither guests nor sessions.

mod entries;
mod fast_path;
mod field_types;
mod frames;
mod full_check;
mod open_batch;
mod response;
mod series;
mod unwritable;
mod violation;
mod walk;

#[cfg(test)]
mod tests;

pub use violation::Violation;
pub use walk::{Guard, Verdict};
