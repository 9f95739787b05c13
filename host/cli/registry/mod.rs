//! `push`, `lock`, `pull`, `verify` and `new-key`: plugins in registries.

mod lock;
mod new_key;
mod pull;
mod push;
mod verify;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use kapacitor_wasm_registry::{Access, Credentials, Store};

pub use self::lock::lock;
pub use self::new_key::{NewKeyOptions, new_key};
pub use self::pull::{PullOptions, pull};
pub use self::push::{PushOptions, push};
pub use self::verify::verify;
use super::settings::{CONFIG, CONFIG_ENV};
use crate::config::{Config, Registry};

/// Which plugins, and where things are.
#[derive(Args)]
pub struct Options {
    /// Names of the plugins, as in `[plugins.NAME]`; all of them if there is none.
    plugins: Vec<String>,
    /// Configuration file.
    #[arg(short, long, value_name = "FILE", default_value = CONFIG, env = CONFIG_ENV)]
    config: PathBuf,
    /// Folder of what was pulled; overrides `registry.store-dir` of the file.
    #[arg(long, value_name = "DIR")]
    store_dir: Option<PathBuf>,
}

impl Options {
    /// Reads the file, and puts the flag over it.
    fn load(&self) -> Result<Config> {
        let mut config = Config::from_file(&self.config)?;
        if let Some(folder) = &self.store_dir {
            config.registry.store_dir = Some(folder.clone());
        }
        Ok(config)
    }

    /// The names of the plugins that are meant.
    ///
    /// # Errors
    ///
    /// When `udf.toml` has none of this name.
    fn names(&self, config: &Config) -> Result<Vec<String>> {
        let known = || config.plugins.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let file = self.config.display();
        if config.plugins.is_empty() {
            bail!("{file} names no plugin from a registry: add [plugins.NAME] with its source");
        }
        if let Some(name) = self.plugins.iter().find(|name| !config.plugins.contains_key(*name)) {
            bail!("{file} has no [plugins.{name}]; there are: {}", known());
        }
        let named = |name: &&String| self.plugins.is_empty() || self.plugins.contains(name);
        Ok(config.plugins.keys().filter(named).cloned().collect())
    }
}

/// How registries are spoken to.
fn access(registry: &Registry) -> Access {
    Access {
        plain_http: registry.plain_http.clone(),
        token_hosts: registry.token_hosts.clone(),
        timeout: registry.timeout.0,
        credentials: Credentials::of_docker(),
    }
}

/// The store of this configuration.
fn store(config: &Config) -> Store {
    Store::new(&config.store_dir())
}
