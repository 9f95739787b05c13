//! kapacitor-wasm: every UDF of a Kapacitor in one process, each task in a WebAssembly sandbox of its own.
//!
//! The folders are rooms, listed here from the highest layer to the lowest. A room may use the rooms
//! below it and never one above it; `cargo xtask rooms` checks that. `ARCHITECTURE.md` follows a point
//! through the rooms.
//!
//! # Layout
//!
//! - [`cli`]: the command line.
//! - `doctor`: checks an installation.
//! - `workbench`: a plugin on data, without a Kapacitor.
//! - `endpoint`: the unix sockets, or stdin and stdout, that Kapacitor connects to.
//! - `session`: one connection of Kapacitor: read, queue, dispatch, write.
//! - `shared`: what all sessions share.
//! - `tap`: a look at the points of a task while it runs.
//! - `task`: one UDF node of a task: calls, failures, recovery, counters.
//! - `routing`: which plugin a task runs, with which options.
//! - `plugin`: a `.wasm` file: admitted, compiled, registered, watched.
//! - `sandbox`: one running guest and its limits.
//! - `state`: the bytes of a snapshot, and the files in `state-dir`.
//! - `guard`: what may go to Kapacitor.
//! - `kapacitor_db`: the snapshots in Kapacitor's own database.
//! - `logging`: log lines.
//! - `config`: `udf.toml`.
//! - [`protocol`]: Kapacitor's messages, frames and wire format, and a client.
//! - `faults`: panics of the host, told in one line, and what goes on after them.
//! - `folder`: whether files can be made in a folder.
//! - `units`, `digest`, `udf_node`, `regular_file`: small types that all of them share.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod cli;

mod doctor;

mod workbench;

mod http;

mod endpoint;

mod session;

mod shared;

mod metrics;

mod tap;

mod routing;
mod task;

mod plugin;

mod sandbox;

mod state;

mod guard;
mod kapacitor_db;
mod logging;

mod config;

pub mod protocol;

mod digest;
mod faults;
mod folder;
mod gather_clock;
mod regular_file;
mod udf_node;
mod units;

#[doc(hidden)]
pub mod internals;
