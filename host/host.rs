//! What all sessions of the process share: the engine, the plugins, the functions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::budget::Budget;
use crate::checkpoint::Checkpoints;
use crate::compile::{CodeFolder, Compiler, cores};
use crate::config::Config;
use crate::engine::Engine;
use crate::limits::Limits;
use crate::plugin::{self, Plugin, Problem, Refusal};
use crate::router::{Function, Plugins};
use crate::skipped::Skipped;
use crate::told::Told;
use crate::update::{Stamp, stamp};

/// The running host.
pub struct Host {
    /// What the operator said.
    pub config: Config,
    /// All functions by name.
    pub functions: BTreeMap<String, Arc<Function>>,
    /// All plugins that were found so far.
    plugins: RwLock<Arc<Plugins>>,
    /// Names of plugins that are still being loaded.
    loading: watch::Sender<BTreeSet<String>>,
    /// Counts the versions of plugins that were taken in.
    generation: AtomicU64,
    /// Held while a plugin is looked for; the files that were loaded or refused, as they were then.
    known: tokio::sync::Mutex<BTreeMap<String, Stamp>>,
    /// What Kapacitor was told of the functions.
    pub(crate) told: Told,
    loader: Loader,
    budget: Arc<Budget>,
    skipped: Arc<Skipped>,
    checkpoints: Arc<Checkpoints>,
    /// Whether the sessions are to end.
    stopping: watch::Sender<bool>,
    _code: CodeFolder,
    /// Threads for guests that compute for longer than a tick. The others, which serve the
    /// connections, stay free whatever guests do.
    compute: Compute,
}

/// What it takes to load a plugin.
#[derive(Clone)]
struct Loader {
    engine: Arc<Engine>,
    /// Limits under which plugins are admitted.
    limits: Limits,
    compiler: Compiler,
}

impl Host {
    /// A host that has not loaded its plugins yet: see [`Host::load_plugins`]. Who asks for one waits.
    ///
    /// # Errors
    ///
    /// When the folder of the plugins can't be read, a route is wrong, or the machine can't run guests
    /// at all.
    pub fn new(config: Config) -> Result<Self> {
        let files = files(&config)?;
        let functions = Function::all(&config, files.keys()).map_err(|e| anyhow!(e))?;
        let functions: BTreeMap<_, _> =
            functions.into_iter().map(|function| (function.name.clone(), Arc::new(function))).collect();
        // A plugin is admitted if any function lets it run.
        let limits = functions.values().fold(config.default_limits(), |limits, f| limits.or_more(&f.limits));
        let compute = Builder::new_multi_thread()
            .worker_threads(cores())
            .thread_name("guest")
            // Each turn of a guest may take a tick, so what is new looks for its turn at each.
            .global_queue_interval(1)
            .enable_all()
            .build()
            .context("the threads for guests can't start")?;
        let (code, problem) = CodeFolder::open(&config.state_dir, config.keep)
            .context("there is no folder for machine code")?;
        if let Some(problem) = problem.filter(|_| config.keep) {
            warn!(err = problem, "machine code is not kept for the next start");
        }
        let stack = config.default_limits().stack;
        let compiler = Compiler {
            program: config.compiler.clone(),
            limits: config.host,
            stack,
            folder: code.path().to_owned(),
        };
        let engine = Arc::new(Engine::new(stack, Some(code.path()))?);
        let checkpoints = Checkpoints::new(&config.state_dir, config.shared);
        if config.keep {
            checkpoints.clean();
        }
        Ok(Self {
            budget: Budget::new(config.host),
            skipped: Arc::new(Skipped::new(&config.state_dir)),
            checkpoints: Arc::new(checkpoints),
            stopping: watch::Sender::new(false),
            plugins: RwLock::default(),
            loading: watch::Sender::new(files.into_keys().collect()),
            generation: AtomicU64::new(0),
            known: tokio::sync::Mutex::default(),
            told: Told::new(&config.state_dir, config.keep),
            loader: Loader { engine, limits, compiler },
            config,
            functions,
            _code: code,
            compute: Compute(Some(compute)),
        })
    }

    /// A host that has loaded all its plugins; a refused one is kept with the reason.
    ///
    /// # Errors
    ///
    /// As [`Host::new`].
    pub fn load(config: Config) -> Result<Self> {
        let host = Self::new(config)?;
        host.load_plugins(|_| true)?;
        Ok(host)
    }

    /// The function `name`.
    ///
    /// # Errors
    ///
    /// When there is none of this name.
    pub fn function(&self, name: &str) -> Result<Arc<Function>> {
        self.functions.get(name).cloned().ok_or_else(|| {
            let names: Vec<&str> = self.functions.keys().map(String::as_str).collect();
            anyhow!("there is no function `{name}`; there are: {}", names.join(", "))
        })
    }

    /// Loads the plugins of one function only, if it names them.
    ///
    /// # Errors
    ///
    /// As [`Host::load_plugins`].
    pub fn load_for(&self, function: &Function) -> Result<()> {
        self.load_plugins(|plugin| {
            function.is_generic() || function.named_plugins().any(|name| name == plugin)
        })
    }

    /// Loads the plugins that are `wanted`, as many at a time as there are cores.
    ///
    /// # Errors
    ///
    /// When the folder can't be read.
    pub fn load_plugins(&self, wanted: impl Fn(&str) -> bool) -> Result<()> {
        let mut files: Vec<_> = files(&self.config)?.into_iter().filter(|(name, _)| wanted(name)).collect();
        let mut load = |tasks: &mut JoinSet<_>| {
            if let Some((name, path)) = files.pop() {
                let (loader, stamp) = (self.loader.clone(), stamp(&path));
                tasks.spawn(async move { (loader.load(&name, &path).await, name, stamp) });
            }
        };
        let loaded = self.compute().block_on(async {
            let mut tasks = JoinSet::new();
            (0..cores()).for_each(|_| load(&mut tasks));
            while let Some(loaded) = tasks.join_next().await {
                let (plugin, name, stamp) = loaded.context("a plugin could not be loaded")?;
                if let Some(stamp) = stamp {
                    self.known.lock().await.insert(name.clone(), stamp);
                }
                self.insert(&name, plugin);
                load(&mut tasks);
            }
            anyhow::Ok(())
        });
        self.loading.send_replace(BTreeSet::new());
        loaded?;
        for function in self.functions.values() {
            let plugins = self.plugins();
            let missing = function.named_plugins().find(|name| wanted(name) && !plugins.contains_key(*name));
            if let Some(plugin) = missing {
                let name = function.name.as_str();
                error!(
                    function = name,
                    plugin, "there is no such plugin, tasks of this function will not start"
                );
            }
        }
        Ok(())
    }

    pub(crate) fn insert(&self, name: &str, plugin: Result<Plugin, Refusal>) {
        let plugin = plugin.map(Arc::new).map_err(Arc::new);
        let mut plugins = self.plugins.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut plugins).insert(name.to_owned(), plugin);
        drop(plugins);
        self.generation.fetch_add(1, Relaxed);
        self.loading.send_modify(|loading| {
            loading.remove(name);
        });
        self.compare_with_told(name);
    }

    /// Waits until none of the plugins `names` is being loaded.
    pub async fn settled(&self, names: &[&str]) {
        let settled = |loading: &BTreeSet<String>| !names.iter().any(|name| loading.contains(*name));
        // The other end is this host's own.
        let _ = self.loading.subscribe().wait_for(settled).await;
    }

    /// The threads for guests that compute for longer than a tick.
    pub fn compute(&self) -> &tokio::runtime::Handle {
        self.compute.0.as_ref().expect("until the host is dropped").handle()
    }

    /// What all sandboxes use together.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Has all sessions finish what they have read, keep their state and end. Returns when they have.
    pub async fn stop(&self) {
        self.stopping.send_replace(true);
        // Each session holds a receiver.
        self.stopping.closed().await;
    }

    /// Becomes true when the sessions are to end.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// The states that the host keeps itself.
    pub fn checkpoints(&self) -> &Arc<Checkpoints> {
        &self.checkpoints
    }

    /// What was skipped.
    pub fn skipped(&self) -> &Arc<Skipped> {
        &self.skipped
    }

    /// The plugins that there are now.
    pub fn plugins(&self) -> Arc<Plugins> {
        Arc::clone(&self.plugins.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Grows whenever a plugin is taken in, for whoever wants to know whether there is a new one.
    pub fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    /// Loads the plugin `name`, if it was put into the folder since the host started, or changed since
    /// it was refused.
    pub async fn look_for(&self, name: &str) {
        self.settled(&[name]).await;
        let mut known = self.known.lock().await;
        // The name may be a TICKscript's: it chooses among the files, and never makes a path.
        let path = self.files().ok().and_then(|files| files.get(name).cloned());
        let (Some(path), None | Some(Err(_))) = (path, self.plugins().get(name)) else { return };
        let Some(stamp) = stamp(&path) else { return };
        if known.insert(name.to_owned(), stamp) != Some(stamp) {
            let loaded = self.load_one(name, &path).await;
            self.insert(name, loaded);
        }
    }

    /// Loads one file.
    pub(crate) async fn load_one(&self, name: &str, path: &Path) -> Result<Plugin, Refusal> {
        let (loader, of, file) = (self.loader.clone(), name.to_owned(), path.to_owned());
        let loaded = self.compute().spawn(async move { loader.load(&of, &file).await });
        loaded.await.unwrap_or_else(|e| {
            // The task panicked; its message is on stderr.
            let problem = Problem::Read(std::io::Error::other(e));
            Err(Refusal { path: path.to_owned(), problem })
        })
    }

    /// The files that were loaded or refused, as they were then. Nobody else looks for plugins meanwhile.
    pub(crate) async fn known(&self) -> tokio::sync::MutexGuard<'_, BTreeMap<String, Stamp>> {
        self.known.lock().await
    }

    /// The plugin files that there are.
    pub(crate) fn files(&self) -> Result<BTreeMap<String, PathBuf>> {
        files(&self.config)
    }
}

impl Loader {
    async fn load(&self, name: &str, path: &Path) -> Result<Plugin, Refusal> {
        let start = Instant::now();
        let plugin = Plugin::admit(&self.engine, path, &self.limits, &self.compiler).await;
        report(name, &plugin, start);
        plugin
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

fn files(config: &Config) -> Result<BTreeMap<String, PathBuf>> {
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
