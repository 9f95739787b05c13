//! The tests of the guest SDK as a whole. Tests of a single file are in that file.

/// Numbers of all sizes, and exact arithmetic.
mod numbers;
/// Runs plugins natively through the calls of the guest interface, and reads their results with prost.
mod support;

/// Batches: collecting, sending, and failing inside of one.
mod batches;
/// Reading, editing and writing points, compared with prost.
mod codec;
/// Errors of the compiler for mistakes in `derive(Options)`.
mod derive_errors;
/// Messages of errors, and skips.
mod errors;
/// Groups that are given up.
mod groups;
/// The test harness: failures, logs, and what it leaves out.
mod harness;
/// Names that a plugin's crate may define.
mod hygiene;
/// Macros for the log.
mod logs;
/// Counters and gauges of a plugin's own.
mod metrics;
/// Mean and variance, compared with exact arithmetic.
mod moments;
/// Options with several values, and types of values.
mod option_values;
/// Options: reading them, and the errors for wrong ones.
mod options;
/// The public API, compared with a committed listing.
mod public_api;
/// Quantiles, compared with their definitions.
mod quantiles;
/// Versions and licenses in the files of the repository.
mod repository;
/// Groups that fall silent.
mod silence;
/// States in the format of serde, and states that groups share.
mod state;
/// Moving averages, compared with exact arithmetic.
mod statistics;
/// Streams: groups, edits, and points that are sent as they came.
mod streams;
/// Targets that the SDK refuses to compile for.
mod targets;
/// Windows and seasons, compared with models.
mod windows;
