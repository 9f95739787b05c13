//! A look at the points of a task while it runs, for `kapacitor-wasm tap`.
//!
//! Each session has a [`SessionTap`], which copies frames of its task to the [`Taps`] that are open on it. While none
//! is, it costs the session one relaxed load for each run. A session never waits for who reads: what does not fit into
//! the bounded buffer of a tap is left out, and counted. Frames stay bytes here; who reads them decodes them.

mod frames;
mod piece;
mod sampler;
mod session_tap;
mod taps;

pub use frames::{DataFrames, DataKind};
pub use piece::{Direction, Piece, Source, What};
pub use sampler::Fate;
pub use session_tap::SessionTap;
pub use taps::{MOST_WAITING, OpenTap, TapSpec, Taps};
