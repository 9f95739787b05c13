//! kapacitor-wasm: every UDF of a Kapacitor in one process, each task in a WebAssembly sandbox of its
//! own.
//!
//! The modules in the order of the data; `ARCHITECTURE.md` tells the way of a point through them.
//!
//! - [`config`], [`units`]: `udf.toml`.
//! - [`host`]: what all sessions share.
//! - [`endpoint`], [`activation`]: sockets, stdin and stdout.
//! - [`session`]: one connection of Kapacitor.
//! - [`frame`], [`wire`], [`protocol`], [`inbox`]: its input, cut into runs and requests.
//! - [`executor`]: does the work in order.
//! - [`router`], [`options`]: which plugin, with which options.
//! - [`plugin`], [`engine`]: a plugin, admitted and compiled.
//! - [`sandbox`], [`deadline`], [`guest_log`]: one running guest and its limits.
//! - [`image`], [`snapshot`], [`checkpoint`]: its state.
//! - [`guard`]: what may go to Kapacitor.
//! - [`kapacitor_db`]: the snapshots in Kapacitor's database.
//! - [`client`]: Kapacitor's side of the protocol, for the demo, the bench and the tests.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod config;
pub mod limits;
pub mod policy;
pub mod units;
pub mod who;

pub mod budget;
mod file;
pub mod host;
mod told;
mod update;

pub mod activation;
pub mod endpoint;

mod job;
pub mod session;
mod waiting;

pub mod frame;
pub mod inbox;
pub mod protocol;
pub mod wire;

pub mod executor;
pub mod journal;
mod recovery;
pub mod skipped;
pub mod task;

pub mod options;
pub mod router;

pub mod compile;
pub mod engine;
pub mod plugin;

pub mod deadline;
pub mod guest_log;
pub mod pace;
pub mod sandbox;
pub mod world;

pub mod checkpoint;
mod choice;
mod keeper;
mod settle;
mod state;
mod swap;

pub mod image;
pub mod snapshot;

pub mod guard;

pub mod kapacitor_db;

pub mod client;

pub mod logfmt;

#[cfg(fuzzing)]
pub mod fuzzing;
