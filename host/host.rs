//! What all sessions of the process share: the engine, the plugins, the functions.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use tokio::runtime::{Builder, Runtime};
use tracing::{error, info};

use crate::budget::Budget;
use crate::config::Config;
use crate::engine::Engine;
use crate::limits::Limits;
use crate::plugin::{self, Plugin, Refusal};
use crate::router::{Function, Plugins};
use crate::skipped::Skipped;

/// The running host.
pub struct Host {
    /// What the operator said.
    pub config: Config,
    /// All functions by name.
    pub functions: BTreeMap<String, Arc<Function>>,
    /// All plugins that were found so far.
    plugins: RwLock<Arc<Plugins>>,
    /// Held while a plugin is looked for.
    looking: tokio::sync::Mutex<()>,
    /// Limits under which plugins are admitted.
    limits: Limits,
    engine: Arc<Engine>,
    budget: Arc<Budget>,
    skipped: Arc<Skipped>,
    /// Threads for guests that compute for longer than a tick. The others, which serve the
    /// connections, stay free whatever guests do.
    compute: Compute,
}

impl Host {
    /// Loads the plugins of the folder; a refused one is kept with the reason.
    ///
    /// # Errors
    ///
    /// When the folder can't be read, or the machine can't run guests at all.
    pub fn load(config: Config) -> Result<Self> {
        Self::load_if(config, |_| true)
    }

    /// Like [`Host::load`], with the plugins of one function only, if it names them.
    ///
    /// # Errors
    ///
    /// As [`Host::load`], and when there is no such function.
    pub fn load_for(config: Config, function: &str) -> Result<Self> {
        let functions = Self::functions(&config)?;
        let Some(own) = functions.get(function) else {
            let names: Vec<_> = functions.into_keys().collect();
            return Err(anyhow!("there is no function `{function}`; there are: {}", names.join(", ")));
        };
        Self::load_if(config, |plugin| own.is_generic() || own.named_plugins().any(|name| name == plugin))
    }

    /// The functions that there are, without loading a plugin.
    ///
    /// # Errors
    ///
    /// When the plugins folder can't be read, or a route is wrong.
    pub fn functions(config: &Config) -> Result<BTreeMap<String, Arc<Function>>> {
        let functions = Function::all(config, files(config)?.keys()).map_err(|e| anyhow!(e))?;
        Ok(functions.into_iter().map(|function| (function.name.clone(), Arc::new(function))).collect())
    }

    fn load_if(config: Config, wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let functions = Self::functions(&config)?;
        // A plugin is admitted if any function lets it run.
        let limits = functions.values().fold(config.default_limits(), |limits, f| limits.or_more(&f.limits));
        let compute = Builder::new_multi_thread()
            .worker_threads(thread::available_parallelism().map_or(1, usize::from))
            .thread_name("guest")
            .enable_time()
            .build()
            .context("the threads for guests can't start")?;
        let engine = Arc::new(Engine::new(&config.default_limits())?);
        let mut plugins = Plugins::new();
        for (name, path) in files(&config)? {
            if !wanted(&name) {
                continue;
            }
            let start = Instant::now();
            let plugin = compute.block_on(Plugin::admit(&engine, &path, &limits, &config.host));
            report(&name, &plugin, start);
            plugins.insert(name, plugin.map(Arc::new).map_err(Arc::new));
        }
        for function in functions.values() {
            let missing = function.named_plugins().find(|name| wanted(name) && !plugins.contains_key(*name));
            if let Some(plugin) = missing {
                let name = function.name.as_str();
                error!(
                    function = name,
                    plugin, "there is no such plugin, tasks of this function will not start"
                );
            }
        }
        Ok(Self {
            budget: Budget::new(config.host),
            skipped: Arc::new(Skipped::new(&config.state_dir)),
            config,
            functions,
            plugins: RwLock::new(Arc::new(plugins)),
            looking: tokio::sync::Mutex::new(()),
            limits,
            engine,
            compute: Compute(Some(compute)),
        })
    }

    /// The threads for guests that compute for longer than a tick.
    pub fn compute(&self) -> &tokio::runtime::Handle {
        self.compute.0.as_ref().expect("until the host is dropped").handle()
    }

    /// What all sandboxes use together.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// What was skipped.
    pub fn skipped(&self) -> &Arc<Skipped> {
        &self.skipped
    }

    /// The plugins that there are now.
    pub fn plugins(&self) -> Arc<Plugins> {
        Arc::clone(&self.plugins.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Loads the plugin `name`, if it was put into the folder since the host started, or was refused
    /// before.
    pub async fn look_for(&self, name: &str) {
        let _one_at_a_time = self.looking.lock().await;
        let known = self.plugins();
        // The name may be a TICKscript's: it chooses among the files, and never makes a path.
        let path = files(&self.config).ok().and_then(|files| files.get(name).cloned());
        let (Some(path), None | Some(Err(_))) = (path, known.get(name)) else { return };
        let (engine, limits, start) = (Arc::clone(&self.engine), self.limits, Instant::now());
        let host = self.config.host;
        let admitted =
            self.compute().spawn(async move { Plugin::admit(&engine, &path, &limits, &host).await });
        if let Ok(plugin) = admitted.await {
            report(name, &plugin, start);
            let mut plugins = Plugins::clone(&known);
            plugins.insert(name.to_owned(), plugin.map(Arc::new).map_err(Arc::new));
            *self.plugins.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(plugins);
        }
    }
}

/// A runtime that may be dropped anywhere: it does not wait for guests.
struct Compute(Option<Runtime>);

impl Drop for Compute {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn files(config: &Config) -> Result<BTreeMap<String, std::path::PathBuf>> {
    plugin::files_in(&config.plugins_dir).with_context(|| {
        let folder = config.plugins_dir.display();
        format!("the plugins folder {folder} can't be read: set plugins-dir or --plugins-dir")
    })
}

fn report(name: &str, plugin: &Result<Plugin, Refusal>, start: Instant) {
    match plugin {
        Ok(plugin) => {
            let took = humantime::format_duration(round(start.elapsed())).to_string();
            let edges = plugin.edges().to_string();
            info!(plugin = name, edges, took, "plugin loaded");
        }
        Err(refusal) => error!(plugin = name, err = refusal.to_string(), "plugin refused"),
    }
}

/// Whole milliseconds.
fn round(time: std::time::Duration) -> std::time::Duration {
    std::time::Duration::from_millis(time.as_millis() as u64)
}
