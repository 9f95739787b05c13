//! The configuration file `udf.toml`.
//!
//! It never reads any other file.

mod changes;
mod layered;
mod limits;
mod policy;
mod udf_toml;

pub use changes::{Applies, Change};
pub use limits::{HostLimits, Limits};
pub use policy::{CheckpointPolicy, EdgeCheck, OnFull, OnMismatch, OnTrap, OnUpdate, Policy, Unwanted};
pub use udf_toml::{Config, Edges, FunctionConfig, LogLevel, edge_name, is_identifier};
