//! Kapacitor's protocol: its messages, how they are framed, and how they are encoded.
//!
//! The modules `frame` and `wire` read bytes in place and decode as little as they
//! can.

mod batch_cursor;
pub mod client;
mod data;
pub(crate) mod field;
pub(crate) mod frame;
mod messages;
mod run;
#[doc(hidden)]
pub mod wire;

pub(crate) use batch_cursor::BatchCursor;
pub use messages::*;
pub(crate) use run::Run;
