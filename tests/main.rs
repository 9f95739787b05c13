//! The integration tests: the real binary, spoken to as Kapacitor speaks to it.
//!
//! Build the plugins first: `cargo verify` does, and then runs all tests.

/// Starts hosts, and checks what they say.
mod support;

/// Sockets from systemd.
mod activation;
/// The states that the host keeps itself.
mod checkpoints;
/// The command line and `udf.toml`.
mod cli;
/// What the fuzz targets start from.
mod fuzz_seeds;
/// Guests that attack.
mod hostile;
/// A real kapacitord with a real InfluxDB.
mod kapacitor;
/// Plugins that can't keep up, and limits of the host.
mod overload;
/// The plugins of the repository, and the four combinations of edges.
mod plugins;
/// Random programs, interrupted by snapshots.
mod programs;
/// Plugins that fail.
mod recovery;
/// Which plugin a task gets, and with which options.
mod routing;
/// One connection: requests, order, ends, bad input.
mod session;
/// State that is saved and given back.
mod snapshots;
/// Many sessions at once, at random.
mod soak;
/// The command `state`.
mod state;
/// stdin and stdout instead of a socket.
mod stdio;
/// New versions of plugins while tasks run.
mod swap;
