//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use kapacitor_wasm::activation::Passed;
use kapacitor_wasm::config::{Config, LogLevel};
use kapacitor_wasm::logfmt::{self, WorkerGuard};

use crate::commands;

/// Something is wrong with what was asked for: a file, a plugin, a flag.
pub const FAILED: ExitCode = ExitCode::FAILURE;

/// Runs every UDF of a Kapacitor in one process, each task in a WebAssembly sandbox of its own.
#[derive(Parser)]
#[command(name = "kapacitor-wasm", version = VERSION, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The configuration file, unless told otherwise.
pub const CONFIG: &str = "/etc/kapacitor-wasm/udf.toml";

/// The variable that tells otherwise.
pub const CONFIG_ENV: &str = "KAPACITOR_WASM_CONFIG";

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (wasmtime 48 LTS, guest interface 1)");

#[derive(Subcommand)]
enum Command {
    /// Serve all functions, each on a socket of its own.
    Serve(Settings),
    /// Serve one function on stdin and stdout, as a child process of Kapacitor.
    Stdio {
        /// The function, as in `udf.toml` or the name of a plugin.
        function: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Load everything as `serve` would and print what it is; exit code 1 if something is wrong.
    Check(Settings),
    /// Print the lines for kapacitor.conf, or the socket unit for systemd.
    Config {
        /// For child processes of Kapacitor (`prog` and `args`) instead of sockets.
        #[arg(long)]
        stdio: bool,
        /// The unit kapacitor-wasm.socket: systemd makes the sockets, and keeps them while `serve` restarts.
        #[arg(long, conflicts_with = "stdio")]
        systemd: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Print what was skipped because a plugin failed at it, oldest first.
    Skipped(Settings),
    /// List, show, export, import, drop and compare the states of tasks.
    State(commands::state::Options),
    /// Play a recording to the plugins as Kapacitor would, and show what comes out.
    Demo(commands::demo::Options),
    #[command(hide = true)]
    Compile(commands::compile::Options),
}

/// Where things are; each flag overrides the file.
#[derive(Args, Clone)]
pub struct Settings {
    /// The configuration file.
    #[arg(
        long,
        value_name = "FILE",
        default_value = CONFIG,
        env = CONFIG_ENV
    )]
    pub config: PathBuf,
    /// Folder of the plugins.
    #[arg(long, value_name = "DIR")]
    pub plugins_dir: Option<PathBuf>,
    /// Folder of the sockets.
    #[arg(long, value_name = "DIR")]
    pub socket_dir: Option<PathBuf>,
    /// Least level that is logged.
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
}

impl Settings {
    /// Reads the file and puts the flags over it.
    pub fn load(&self) -> Result<Config> {
        let mut config = Config::from_file(&self.config)?;
        config.compiler = Some(OWN.into());
        if let Some(dir) = &self.plugins_dir {
            config.plugins_dir.clone_from(dir);
        }
        if let Some(dir) = &self.socket_dir {
            config.socket_dir.clone_from(dir);
        }
        if let Some(level) = self.log_level {
            config.log_level = level;
        }
        Ok(config)
    }

    fn start_logging(&self) -> Result<(Config, WorkerGuard)> {
        let mut config = self.load()?;
        config.keep = true;
        let log = logfmt::start(config.log_level);
        Ok((config, log))
    }
}

/// This program, also when its file was replaced meanwhile.
pub const OWN: &str = "/proc/self/exe";

/// Does what the command line says.
pub fn run() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::Serve(settings) => {
            let passed = Passed::from_env()?;
            let (config, _log) = settings.start_logging()?;
            commands::serve::sockets(config, passed)
        }
        Command::Stdio { function, settings } => {
            let (mut config, _log) = settings.start_logging()?;
            config.shared = true;
            commands::serve::stdio(config, &function)
        }
        Command::Check(settings) => commands::check::check(settings.load()?),
        Command::Config { systemd: true, settings, .. } => commands::systemd::config(settings.load()?),
        Command::Config { stdio, settings, .. } => commands::check::config(&settings, stdio),
        Command::Skipped(settings) => commands::skipped::skipped(&settings.load()?),
        Command::State(options) => commands::state::state(&options),
        Command::Demo(options) => commands::demo::demo(&options),
        Command::Compile(options) => commands::compile::compile(&options),
    }
}
