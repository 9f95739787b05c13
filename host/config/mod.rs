//! `udf.toml`: what the operator writes.
//!
//! Uses `protocol` for the names of Kapacitor's edges. It never looks at a file other than `udf.toml`.

mod layered;
mod limits;
mod policy;
mod udf_toml;

pub use limits::{HostLimits, Limits};
pub use policy::{CheckpointPolicy, EdgeCheck, OnFull, OnMismatch, OnTrap, OnUpdate, Policy, Unwanted};
pub use udf_toml::{Config, Edges, FunctionConfig, LogLevel, edge_name, is_identifier};
