//! The integration tests: the real binary, which is spoken to as Kapacitor speaks to it.
//!
//! Each module has the name of the room of `host/` whose behaviour it tests, and of the behaviour. Build
//! the plugins first: `cargo verify` does, and then runs all tests.

/// Starts hosts, and reads their logs.
mod support;

/// `check --diff`: what a reload would change.
mod check_diff;
/// The commands, their exit codes and their output.
mod cli;
/// `udf.toml`, and flags that override it.
mod config;
/// `doctor`: a healthy installation, and each way in which one is broken.
mod doctor;
/// The lines of the log, against docs/logs.md.
mod log_table;
/// The format of the log, and text of guests in it.
mod logging;

/// Unix sockets that the host makes: mode, group, stale files.
mod endpoint_socket;
/// stdin and stdout instead of a socket.
mod endpoint_stdio;
/// Sockets from systemd.
mod endpoint_systemd;

/// One connection: requests, their order, keepalives, ends and malformed input.
mod session;
/// Fences: how far a task has come.
mod session_fence;
/// Messages that follow each other quickly, and are read and answered together.
mod session_gather;
/// Full queues, slow plugins and slow readers.
mod session_overload;

/// The plugin and the options that a task gets.
mod routing;

/// Files that are no plugins, and plugins over the limits of the host.
mod plugin_admission;
/// Compilation: its limits, and the cache of machine code.
mod plugin_compile;
/// New, changed and deleted files while tasks run.
mod plugin_updates;
/// The plugins of the repository, and the four combinations of edges.
mod plugins;
/// Plugins from registries.
mod registry;

/// Attacks on the promises of SECURITY.md.
mod attacks;
/// Hostile guests, each beside a task that must lose nothing.
mod guard_attacks;
/// Limits of a sandbox, of a call and of all sandboxes together.
mod sandbox_limits;

/// Plugins that fail: points that are skipped, and policies.
mod recovery;

/// Checkpoints of the host, and the choice between them and Kapacitor's snapshots.
mod state_checkpoints;
/// The command `state`.
mod state_command;
/// State that belongs to the client.
mod state_of_client;
/// Random programs that are interrupted by snapshots.
mod state_programs;
/// Snapshots that Kapacitor stores and gives back.
mod state_snapshots;

/// `bench`: a plugin measured on data.
mod workbench_bench;
/// `test`: cases of plugins, and their proofs.
mod workbench_cases;
/// Projects that `new` makes.
mod workbench_new;
/// `pack`: data in a plugin's file.
mod workbench_pack;
/// `replay`: recordings in all formats, summaries and reports.
mod workbench_replay;
/// A plugin between stdin and stdout, as in Telegraf.
mod workbench_telegraf;

/// Metrics, health and readiness over HTTP.
mod http;
/// `status` and `top` on a real terminal.
mod terminal;

/// Seeds of the fuzz targets.
mod fuzz_seeds;
/// Tasks in a real kapacitord with a real InfluxDB.
mod kapacitor;
/// Many random sessions at once.
mod soak;
/// Processors in a real Telegraf.
mod telegraf;
