//! Write a Kapacitor UDF in Rust: a WebAssembly plugin for kapacitor-wasm.
//!
//! A plugin is a type with its options, a [`Stream`] or [`Batch`] implementation, and [`register!`].
//! This one is whole:
//!
//! ```
//! use kapacitor_guest::prelude::*;
//!
//! #[derive(Options)]
//! struct Double {
//!     field: String,
//! }
//!
//! impl Stream for Double {
//!     type Group = ();
//!
//!     fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
//!         let value = point.number(&self.field)?;
//!         out.send(point.with("doubled", 2.0 * value))
//!     }
//! }
//!
//! register!(Double);
//! ```
//!
//! Build it as a `cdylib` for `wasm32-unknown-unknown` or `wasm32-wasip1`. Compiled natively the same
//! crate runs in plain unit tests, see [`testing`].
//!
//! What stays as it was unless the plugin says otherwise: measurement, database, retention policy,
//! tags, dimensions and byName of a point, and name, tags and time of a batch. Kapacitor makes the
//! group of what comes out from them.

#![deny(unsafe_code)]
#![warn(missing_docs)]

// So that the derive's paths work in the crate's own tests.
extern crate self as kapacitor_guest;

mod error;
mod udf;

#[doc(hidden)]
pub mod batching;
#[doc(hidden)]
pub mod buffer;
mod edit;
mod groups;
mod output;
mod point;
mod points;

pub mod log;
pub mod options;
pub mod testing;

#[doc(hidden)]
pub mod abi;
mod calls;
#[doc(hidden)]
pub mod runtime;
mod wire;

pub use edit::Edited;
pub use error::{Error, Result};
pub use groups::Groups;
pub use kapacitor_guest_derive::Options;
pub use options::{Flag, Options};
pub use output::{BatchLike, Edge, Emit, NewBatch, NewPoint, OpenBatch, Output, OwnedValue};
pub use point::{Point, Value};
pub use points::{Iter, Points};
pub use udf::{Batch, Snapshot, Stream};

/// All that most plugins need.
pub mod prelude {
    pub use crate::{
        Batch, Edge, Error, Flag, Groups, NewBatch, NewPoint, Options, Output, OwnedValue, Point, Points,
        Result, Snapshot, Stream, Value, log, register,
    };
}

#[cfg(test)]
mod tests;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/plugins.md")]
struct PluginsPage;
