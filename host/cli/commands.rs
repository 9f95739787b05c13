//! The command line as clap reads it, and which function does what it says.

use std::process::ExitCode;
use std::sync::LazyLock;

use anyhow::Result;
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use super::settings::Settings;
use super::{
    check, check_diff, compile, completions, doctor, exit, flink, man, pack, registry, serve, skipped, state,
    status, systemd, tap, top, workbench,
};
use crate::endpoint::InheritedSockets;
use crate::plugin::ABI;

/// Runs every UDF of a Kapacitor in one process, each task in a WebAssembly sandbox of its own.
#[derive(Parser)]
#[command(name = "kapacitor-wasm", version = VERSION.as_str(), about, after_help = exit::HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Version of the program, and of both sides of its sandboxes.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let (version, wasmtime) = (env!("CARGO_PKG_VERSION"), env!("WASMTIME_VERSION"));
    format!("{version} (build {}, wasmtime {wasmtime}, guest interface {ABI})", env!("BUILD"))
});

#[derive(Subcommand)]
enum Command {
    /// Serve all functions, each on a socket of its own.
    Serve(Settings),
    /// Serve one function on stdin and stdout, as a child process of Kapacitor.
    Stdio {
        /// Function to serve: its name in `udf.toml`, or the name of a plugin.
        function: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Validate the configuration and the plugins, and print all functions; or say what a reload would change.
    Check {
        #[command(flatten)]
        diff: check_diff::Options,
        #[command(flatten)]
        settings: Settings,
    },
    /// Check the whole installation, with Kapacitor and the system, and say what to do.
    Doctor(doctor::Options),
    /// Print the lines for kapacitor.conf, the socket unit for systemd, or the `udf.toml` for Apache Flink.
    Config {
        /// Print `prog` and `args` for child processes of Kapacitor instead of sockets.
        #[arg(long)]
        stdio: bool,
        /// Print the unit kapacitor-wasm.socket: systemd creates the sockets, and keeps them while `serve` restarts.
        #[arg(long, conflicts_with = "stdio")]
        systemd: bool,
        /// Print the `udf.toml` of a host beside a task manager of Apache Flink; reads no configuration file.
        #[arg(long, conflicts_with_all = ["stdio", "systemd"])]
        flink: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Print how the host that runs is, and what its tasks do.
    Status(status::Options),
    /// Show live what the tasks of the host that runs do.
    Top(top::Options),
    /// Show the points of a task as line protocol, while they go by.
    Tap(tap::Options),
    /// List the points that were skipped because a plugin failed.
    Skipped(Settings),
    /// Play a recording to a plugin as Kapacitor would, and show what comes out.
    Replay(Box<workbench::ReplayOptions>),
    /// Run the cases of a plugin, also interrupted and with failures.
    Test(Box<workbench::TestOptions>),
    /// Measure a plugin on data, beside another version of it.
    Bench(Box<workbench::BenchOptions>),
    /// Make a project of a plugin, with cases, a recording and a TICKscript.
    New(workbench::NewOptions),
    /// Pack data, such as a trained model, into a plugin that takes them.
    Pack(pack::Options),
    /// Put a plugin into a registry, and sign it.
    Push(registry::PushOptions),
    /// Look up which version the tag of each plugin from a registry leads to, and write the lock file.
    Lock(registry::Options),
    /// Fetch the plugins of the lock file from their registries.
    Pull(registry::PullOptions),
    /// Check the plugins that were pulled: digests and signatures.
    Verify(registry::Options),
    /// Make a pair of keys for the signatures of plugins.
    NewKey(registry::NewKeyOptions),
    /// Run a plugin as a processor of Telegraf: points come in on stdin and go out on stdout, as line protocol.
    Telegraf(Box<workbench::TelegrafOptions>),
    /// List, show, export, import, drop and compare the states of tasks.
    State(state::Options),
    /// Print a script with which a shell completes the commands and flags.
    Completions {
        /// Shell that reads the script.
        shell: Shell,
    },
    /// Write the man pages.
    #[command(hide = true)]
    Man(man::Options),
    /// Compile the module on stdin.
    #[command(hide = true)]
    Compile(compile::Options),
}

/// Does what the command line says.
pub fn run() -> Result<ExitCode> {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => {
            let is_telegraf =
                std::env::args_os().nth(1).is_some_and(|command| command == workbench::TELEGRAF);
            if is_telegraf && answer.use_stderr() {
                return Ok(workbench::refuse_for_telegraf(&answer));
            }
            // As clap does it: nobody may be reading.
            let _ = answer.print();
            return Ok(exit::of_clap(&answer));
        }
    };
    match cli.command {
        Command::Serve(settings) => {
            let inherited = InheritedSockets::from_env()?;
            serve::sockets(settings, inherited)
        }
        Command::Stdio { function, settings } => serve::stdio(&settings, &function),
        Command::Check { diff, settings } if diff.diff => check_diff::check_diff(&diff, &settings),
        Command::Check { settings, .. } => check::check(settings.load()?),
        Command::Doctor(options) => doctor::doctor(options),
        Command::Config { flink: true, settings, .. } => flink::config(&settings),
        Command::Config { systemd: true, settings, .. } => systemd::config(settings.load()?),
        Command::Config { stdio, settings, .. } => check::config(&settings, stdio),
        Command::Status(options) => status::status(&options),
        Command::Top(options) => top::top(&options),
        Command::Tap(options) => tap::tap(&options),
        Command::Skipped(settings) => skipped::skipped(&settings.load()?),
        Command::Replay(options) => workbench::replay(&options),
        Command::Test(options) => workbench::test(&options),
        Command::Bench(options) => workbench::bench(&options),
        Command::New(options) => workbench::new(&options),
        Command::Pack(options) => pack::pack(&options),
        Command::Push(options) => registry::push(&options),
        Command::Lock(options) => registry::lock(&options),
        Command::Pull(options) => registry::pull(&options),
        Command::Verify(options) => registry::verify(&options),
        Command::NewKey(options) => registry::new_key(&options),
        Command::Telegraf(options) => Ok(workbench::telegraf(&options)),
        Command::State(options) => state::state(&options),
        Command::Completions { shell } => completions::completions(&Cli::command(), shell),
        Command::Man(options) => man::man(Cli::command(), &options),
        Command::Compile(options) => compile::compile(&options),
    }
}
