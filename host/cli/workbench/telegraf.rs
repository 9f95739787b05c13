//! `telegraf`: a plugin as a processor of Telegraf.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result, bail};
use tokio::runtime::Builder;
use tracing::{error, info, warn};

use super::pipes::{take_stdio, wait_until_read};
use crate::cli::exit::{DONE, FAILED, unusable};
use crate::cli::settings::{CONFIG, CONFIG_ENV, OWN};
use crate::cli::signals::{Asked, Received, Signals};
use crate::cli::threads::ensure_threads;
use crate::config::{Config, LogLevel};
use crate::faults::log_panics;
use crate::folder::check_writable;
use crate::logging::{self, LineFormat, on_one_line};
use crate::workbench::{Call, CallSpec, HostSpec, PluginHost, Processor, Purpose};

/// Name of the command.
pub const NAME: &str = "telegraf";

/// Which plugin is called how, and where its state is.
#[derive(clap::Args, Clone)]
pub struct Options {
    /// Plugin: a .wasm file, or the name of a plugin in the folder of plugins [default: the function of the call].
    #[arg(value_name = "PLUGIN")]
    plugin: Option<PathBuf>,
    #[command(flatten)]
    call: CallSpec,
    /// Key of the state, which goes on where the last process with the same key has ended [default: made from the
    /// call].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Configuration file.
    #[arg(short, long, value_name = "FILE", default_value = CONFIG, env = CONFIG_ENV)]
    config: PathBuf,
    /// Folder of the plugins; overrides `plugins-dir` of the file.
    #[arg(long, value_name = "DIR")]
    plugins_dir: Option<PathBuf>,
    /// Folder of the state; overrides `state-dir` of the file.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Minimum log level; overrides `log-level` of the file.
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<LogLevel>,
}

impl Options {
    fn load(&self) -> Result<Config> {
        let mut config = Config::from_file(&self.config)?;
        if let Some(dir) = &self.plugins_dir {
            config.plugins_dir.clone_from(dir);
        }
        if let Some(dir) = &self.state_dir {
            config.state_dir.clone_from(dir);
        }
        if let Some(level) = self.log_level {
            config.log_level = level;
        }
        Ok(config)
    }
}

/// Puts points through the plugin from stdin to stdout, until stdin ends.
pub fn telegraf(options: &Options) -> ExitCode {
    let code = match run(options) {
        Ok(()) => DONE,
        Err(error) => {
            tell(&format!("{error:#}"));
            FAILED
        }
    };
    wait_until_read(io::stderr().as_fd());
    code
}

/// Tells Telegraf's log in one sentence what is wrong with the command line.
pub fn refuse(answer: &clap::Error) -> ExitCode {
    let text = answer.to_string();
    let said = text.lines().take_while(|line| !line.starts_with("Usage:")).map(str::trim);
    let said = said.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    tell(said.trim_start_matches("error: "));
    wait_until_read(io::stderr().as_fd());
    unusable()
}

fn tell(problem: &str) {
    // Nobody may be reading.
    let _ = writeln!(io::stderr(), "E! {}", on_one_line(&problem.replace('\n', " ")));
}

fn run(options: &Options) -> Result<()> {
    ensure_threads()?;
    ignore_signals()?;
    let config = options.load()?;
    let _log = logging::start(config.log_level, LineFormat::Telegraf);
    log_panics(logging::THREAD);
    let (stdin, stdout) = take_stdio()?;
    let call = options.call.read()?;
    let (plugin, function) = plugin_of(options.plugin.as_deref(), &call, &config)?;
    let name = plugin.file_stem().unwrap_or(plugin.as_os_str()).to_string_lossy().into_owned();
    let task = options.name.clone().unwrap_or_else(|| call.key(&name));
    for left_out in &call.left_out {
        warn!(what = left_out.as_str(), "a part of the script has no effect");
    }
    if let Err(e) = check_writable(&config.state_dir) {
        error!(err = e.to_string(), "state-dir can't be used: the state is not kept");
    }
    let spec = HostSpec { plugin, function, config, compiler: Some(OWN.into()), purpose: Purpose::Service };
    let host = PluginHost::start(spec)?;
    info!(
        version = env!("CARGO_PKG_VERSION"),
        plugin = host.plugin().version(),
        name = task.as_str(),
        "ready"
    );
    let output = stdout.try_clone().context("stdout can't be used")?;
    let processed = Processor { host: &host, call: &call, task: &task }.run(stdin, Box::new(output));
    host.stop();
    stdout.wait_until_read();
    processed
}

/// The plugin, and the function as which it is called.
fn plugin_of(plugin: Option<&Path>, call: &Call, config: &Config) -> Result<(PathBuf, Option<String>)> {
    let function = call.function.clone();
    if let Some(plugin) = plugin {
        return Ok((plugin.to_owned(), function));
    }
    let Some(name) = &function else {
        bail!(
            "no plugin is named: give --call \"@plugin().option('value')\", --tick FILE, or the plugin and its --option NAME=VALUE"
        );
    };
    let plugin = match config.functions.get(name) {
        None => name.clone(),
        Some(configured) => match &configured.plugin {
            Some(plugin) if configured.route.is_empty() => plugin.clone(),
            None if configured.route.is_empty() && configured.plugin_option.is_none() => name.clone(),
            _ => bail!("the function `{name}` has several plugins: name the one to run before --call"),
        },
    };
    Ok((plugin.into(), function))
}

/// Has no signal end this process: one to Telegraf's process group, as a Ctrl-C in its terminal, comes before Telegraf has
/// written its last points. The end of stdin ends this process.
fn ignore_signals() -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build().context("signals can't be taken")?;
    let mut signals = Signals::take(&runtime)?;
    let ignore = async move {
        loop {
            let Received { name: signal, asked, first } = signals.next().await;
            match asked {
                _ if !first => {}
                Asked::Nothing => info!(signal, "signal ignored"),
                Asked::Stop | Asked::Reload => {
                    info!(signal, "signal ignored: this process ends with its stdin");
                }
            }
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || runtime.block_on(ignore))
        .context("a thread is needed, and can't be started")?;
    Ok(())
}
