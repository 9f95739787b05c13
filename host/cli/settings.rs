//! Where things are: the configuration file and the flags that override it.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::config::{Config, LogLevel};
use crate::faults::log_panics;
use crate::logging::{self, LineFormat, Log};
use crate::shared::Mode;

/// Configuration file, if neither the flag nor the variable names one.
pub const CONFIG: &str = "/etc/kapacitor-wasm/udf.toml";

/// Variable that names the configuration file.
pub const CONFIG_ENV: &str = "KAPACITOR_WASM_CONFIG";

/// Where things are; each flag overrides the file.
#[derive(Args, Clone)]
pub struct Settings {
    /// Configuration file.
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = CONFIG,
        env = CONFIG_ENV
    )]
    pub config: PathBuf,
    /// Folder of the plugins; overrides `plugins-dir` of the file.
    #[arg(long, value_name = "DIR")]
    pub plugins_dir: Option<PathBuf>,
    /// Folder of the sockets; overrides `socket-dir` of the file.
    #[arg(long, value_name = "DIR")]
    pub socket_dir: Option<PathBuf>,
    /// Minimum log level; overrides `log-level` of the file.
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
}

impl Settings {
    /// Reads the file and puts the flags over it.
    pub fn load(&self) -> Result<Config> {
        let mut config = Config::from_file(&self.config)?;
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

    /// Reads the configuration and starts logging, for a process that serves.
    pub fn start_logging(&self) -> Result<(Config, Mode, Log)> {
        let config = self.load()?;
        let log = logging::start(config.log_level, LineFormat::Kapacitor);
        log_panics(logging::THREAD);
        Ok((config, Mode { writable: true, config_file: Some(self.config.clone()), ..looking() }, log))
    }
}

/// This program, even when its file was replaced meanwhile.
pub const OWN: &str = "/proc/self/exe";

/// The mode of a process that only looks at plugins.
pub fn looking() -> Mode {
    Mode { compiler: Some(OWN.into()), ..Mode::default() }
}
