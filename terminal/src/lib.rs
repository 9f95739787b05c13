//! Shows on a terminal what a host tells of itself: once, as a table, or live.
//!
//! This crate knows nothing of the host but its [`Status`](kapacitor_wasm_status::Status).

#![forbid(unsafe_code)]

mod columns;
mod report;
mod text;
mod top;
mod units;

pub use report::report;
pub use top::{Ask, TopOptions, top};
