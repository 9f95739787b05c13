//! Where things are: the configuration file and the flags that override it.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::config::{Config, LogLevel};
use crate::logging::{self, WorkerGuard};
use crate::shared::Mode;

/// The configuration file, unless told otherwise.
pub const CONFIG: &str = "/etc/kapacitor-wasm/udf.toml";

/// The variable that tells otherwise.
pub const CONFIG_ENV: &str = "KAPACITOR_WASM_CONFIG";

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
    pub fn start_logging(&self) -> Result<(Config, Mode, WorkerGuard)> {
        let config = self.load()?;
        let log = logging::start(config.log_level);
        Ok((config, Mode { writable: true, ..looking() }, log))
    }
}

/// This program, even when its file was replaced meanwhile.
const OWN: &str = "/proc/self/exe";

/// The mode of a process that only looks at plugins.
pub fn looking() -> Mode {
    Mode { compiler: Some(OWN.into()), ..Mode::default() }
}
