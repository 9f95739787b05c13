//! Write a Kapacitor UDF in Rust, as a WebAssembly plugin of kapacitor-wasm.
//!
//! A plugin is a type that holds its options, implements [`Stream`] or [`Batch`], and is passed to
//! [`register!`]. This one is complete:
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
//! Build it as a `cdylib` for `wasm32-unknown-unknown` or `wasm32-wasip1`. The same crate also compiles
//! natively, so that unit tests can run the plugin: see [`testing`].
//!
//! Everything that a plugin does not change stays as it came: measurement, database, retention policy,
//! tags, dimensions and byName of a point, and name, tags and time of a batch. Kapacitor makes the group
//! of a result from its tags, dimensions and byName.
//!
//! # Where to start
//!
//! | to | see |
//! |---|---|
//! | declare options | [`Options`] |
//! | read a point or a batch | [`Point`], [`Points`] |
//! | send results | [`Output`], [`Point::with`], [`NewPoint`], [`NewBatch`] |
//! | skip a point, or fail | [`Error`] |
//! | notice that a group has fallen silent | [`Stream::silent`] |
//! | keep state of all groups together | [`Shared`] |
//! | keep state across versions of the plugin | [`Snapshot`], or `SerdeSnapshot` with the feature `serde` |
//! | keep a window, a mean, quantiles, a season | [`statistics`] |
//! | write to the host's log | [`log`] |
//! | count something, or show a number, for operators | [`Counter`], [`Gauge`] |
//! | read a model or a table that was packed into the file | [`packed()`] |

#![deny(unsafe_code)]
#![warn(missing_docs)]

#[cfg(all(
    target_family = "wasm",
    any(
        not(target_arch = "wasm32"),
        not(any(target_os = "unknown", all(target_os = "wasi", target_env = "p1"))),
        target_feature = "atomics",
    ),
))]
compile_error!(
    "kapacitor-wasm runs core modules with one thread and a memory of 32 bits: build the plugin for \
     wasm32-unknown-unknown or wasm32-wasip1"
);

// From the bottom to the top: a file uses only files of its own group and of groups above its own, and no
// two files import each other.

mod buffer;
mod bytes;
mod numbers;
pub mod statistics;
mod value;
mod wire;

mod encode;
mod error;
mod fields;

mod batch_head;
mod edit;
mod emit;
mod ended;
mod new_batch;
mod new_point;
mod point;
mod points;
mod rewrite;

mod aging;
mod data_clock;
mod groups;
pub mod options;
mod output;
mod silence;
mod udf;

#[cfg(feature = "serde")]
mod serde_snapshot;

#[doc(hidden)]
pub mod abi;
mod calls;
pub mod log;
mod log_level;
#[cfg(any(doc, not(target_family = "wasm")))]
mod log_native;

mod batching;
mod crowding;
mod message;
mod packed;
mod plugin;
#[doc(hidden)]
pub mod runtime;
mod skips;
#[cfg(any(doc, not(target_family = "wasm")))]
pub mod testing;

pub use edit::Edited;
pub use emit::Emit;
pub use error::{Error, Result};
pub use groups::Groups;
pub use kapacitor_guest_derive::Options;
pub use new_batch::{BatchLike, NewBatch};
pub use new_point::NewPoint;
pub use options::{Counter, FieldName, Flag, Gauge, Options, Shared, TagName};
pub use output::{Edge, OpenBatch, Output};
pub use packed::packed;
pub use point::Point;
pub use points::{Points, PointsIter};
#[cfg(feature = "serde")]
pub use serde_snapshot::{SerdeSnapshot, StateReader, StateWriter};
pub use udf::{Batch, Snapshot, Stream};
pub use value::{FieldValue, OwnedValue, Value};

/// The items that most plugins need.
pub mod prelude {
    pub use crate::{
        __kapacitor_debug as debug, __kapacitor_error as error, __kapacitor_info as info,
        __kapacitor_warn as warn,
    };
    pub use crate::{
        Batch, Counter, Edge, Edited, Error, FieldName, Flag, Gauge, Groups, NewBatch, NewPoint, Options,
        Output, OwnedValue, Point, Points, Result, Shared, Snapshot, Stream, TagName, Value, log, register,
    };
    #[cfg(feature = "serde")]
    pub use crate::{SerdeSnapshot, StateReader, StateWriter};
}
