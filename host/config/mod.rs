//! The configuration file `udf.toml`.
//!
//! It never reads any other file.

mod changes;
mod edges;
mod error;
mod http;
mod layered;
mod limits;
mod mistake;
mod policy;
mod read;
mod registry;
mod udf_toml;

pub use changes::{Applies, Change};
pub use edges::{Edges, edge_name};
pub use error::ConfigError;
pub use http::ListenAddress;
pub use limits::{HostLimits, Limits};
pub(crate) use policy::PartialPolicy;
pub use policy::{CheckpointPolicy, EdgeCheck, OnFull, OnMismatch, OnTrap, OnUpdate, Policy, Unwanted};
pub use registry::{PluginSource, Registry, Signatures};
pub use udf_toml::{Config, FunctionConfig, LogLevel, is_identifier};
