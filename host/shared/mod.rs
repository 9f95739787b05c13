//! What all sessions of the process share: the functions, the plugins, the limits of all sandboxes together.

mod current;
mod reload;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;
use tracing::{debug, error, warn};

use self::current::Served;
pub use self::current::{Current, Functions};
pub use self::reload::Reload;
use crate::config::{Change, CheckpointPolicy, Config};
use crate::gather_clock::GatherClock;
use crate::metrics::Board;
use crate::plugin;
use crate::plugin::{CodeStore, Compiler, HandoverFolder, Library, Loader, Observer, Plugin, Plugins};
use crate::routing::{AnnouncedInfo, Function};
use crate::sandbox::{Budget, Engine, cores};
use crate::state::{Checkpoints, Disk, FolderLock, FolderLockError, Retention, RunningHost, SkippedRecords};
use crate::tap::Taps;

/// How this process runs, which `udf.toml` does not say.
#[derive(Clone, Debug, Default)]
pub struct Mode {
    /// Whether it serves, and may make folders and files in `state-dir`. Otherwise it only looks.
    pub writable: bool,
    /// Whether it serves one session only, so that other processes serve the same tasks.
    pub one_session: bool,
    /// The program that compiles plugins in a process of its own; `None` compiles in this process.
    pub compiler: Option<PathBuf>,
    /// The file that its configuration was read from, if any.
    pub config_file: Option<PathBuf>,
}

/// Maximum number of tasks that one line of the log names.
const MOST_NAMED: usize = 20;

/// What all sessions share.
pub struct Shared {
    served: Arc<Served>,
    library: Arc<Library>,
    announced: Arc<AnnouncedInfo>,
    budget: Arc<Budget>,
    board: Arc<Board>,
    taps: Arc<Taps>,
    gather_clock: Arc<GatherClock>,
    /// Whether each function has its socket, or why not.
    sockets: Mutex<BTreeMap<String, Result<(), String>>>,
    config_file: Option<PathBuf>,
    /// The last time that `udf.toml` was read again.
    last_reload: Mutex<Option<Arc<Reload>>>,
    skipped: Arc<SkippedRecords>,
    checkpoints: Arc<Checkpoints>,
    disk: Arc<Disk>,
    /// Whether the sessions are to end. Each session holds a receiver until it has ended and its state is
    /// written, so [`Shared::stop`] waits until this has no receiver left.
    stopping: watch::Sender<bool>,
    /// The folder through which wasmtime gets machine code.
    _handover: HandoverFolder,
    /// Keeps other hosts from the state folder.
    _lock: Option<FolderLock>,
    /// Threads for guests that compute for longer than a tick. The other threads, which serve the
    /// connections, stay free whatever guests do.
    compute: Compute,
}

impl Shared {
    /// Without any plugin loaded: see [`Shared::load_plugins`]. A session that needs one waits.
    ///
    /// # Errors
    ///
    /// When the folder of the plugins can't be read, a route is wrong, or the machine can't run guests
    /// at all.
    pub fn new(config: Config, mode: &Mode) -> Result<Self> {
        let mut config = config;
        let lock = if mode.writable { lock_state_folder(&mut config, mode.one_session)? } else { None };
        let files = plugin::list(&config.plugins_dir)?.plugins;
        let pulled = plugin::pulled_or_refused(&config);
        let names: BTreeSet<String> = files.into_keys().chain(pulled.keys().cloned()).collect();
        let config = Arc::new(config);
        let current = Current::new(Arc::clone(&config), names.iter())?;
        let limits = current.limits();
        let compute = Builder::new_multi_thread()
            .worker_threads(cores())
            .thread_name("guest")
            // Each turn of a guest may take a tick, so what is new looks for its turn at each.
            .global_queue_interval(1)
            .enable_all()
            .build()
            .context("the threads for guests can't start")?;
        let (store, problem) = CodeStore::open(&config.state_dir, mode.writable);
        if let Some(problem) = problem.filter(|_| mode.writable) {
            warn!(err = problem, "machine code is not kept for the next start");
        }
        let stack = config.default_limits().stack;
        let compiler = Compiler::new(mode.compiler.clone(), config.host, stack, store);
        let compiler =
            compiler.map_err(anyhow::Error::from).context("wasmtime can't start on this machine")?;
        let handover = HandoverFolder::new(&config.state_dir)
            .context("machine code needs a folder for a moment: let this user write to /tmp")?;
        let engine = Arc::new(Engine::new(stack, Some(handover.path()))?);
        let disk = Arc::new(Disk::default());
        let retention = Self::retention(&config);
        let checkpoints =
            Arc::new(Checkpoints::new(&config.state_dir, mode.one_session, retention, Arc::clone(&disk)));
        if mode.writable {
            checkpoints.clean();
        }
        let announced = Arc::new(AnnouncedInfo::new(&config.state_dir, mode.writable, Arc::clone(&disk)));
        let served = Arc::new(Served::new(current));
        let observer = Box::new(Announcer { served: Arc::clone(&served), announced: Arc::clone(&announced) });
        let library = Library::new(
            &config.plugins_dir,
            pulled,
            names,
            Loader { engine, limits, compiler },
            compute.handle().clone(),
            observer,
        );
        let budget = Budget::new(config.host);
        if mode.writable {
            budget.follow_system().context("the thread that counts memory mappings can't start")?;
        }
        let gather_clock = Arc::new(GatherClock::new(config.sessions.gather.0));
        Ok(Self {
            library: Arc::new(library),
            announced,
            budget,
            board: Arc::new(Board::new(config.http.tasks)),
            taps: Arc::default(),
            gather_clock,
            sockets: Mutex::default(),
            config_file: mode.config_file.clone(),
            last_reload: Mutex::default(),
            skipped: Arc::new(SkippedRecords::new(&config.state_dir, Arc::clone(&disk))),
            checkpoints,
            disk,
            stopping: watch::Sender::new(false),
            served,
            _handover: handover,
            _lock: lock,
            compute: Compute(Some(compute)),
        })
    }

    fn retention(config: &Config) -> Retention {
        Retention { keep: config.state.keep, set_aside: config.state.set_aside }
    }

    /// With all plugins loaded; a refused one is in the library with the reason.
    ///
    /// # Errors
    ///
    /// As [`Shared::new`].
    pub fn load(config: Config, mode: &Mode) -> Result<Self> {
        let shared = Self::new(config, mode)?;
        shared.load_plugins(|_| true)?;
        Ok(shared)
    }

    /// `udf.toml` as it was read last.
    pub fn config(&self) -> Arc<Config> {
        self.served.current().config
    }

    /// All functions.
    pub fn functions(&self) -> Arc<Functions> {
        self.served.current().functions
    }

    /// Serves `config` in place of the one that was read before; returns the keys that differ. What runs keeps what it
    /// began with.
    ///
    /// # Errors
    ///
    /// When a route is wrong, or the lock file of plugins from registries; then nothing has changed.
    pub fn reload(&self, config: Config) -> Result<Vec<Change>> {
        let before = self.served.current();
        let (config, changes) = config.in_place_of(&before.config);
        let pulled = plugin::pulled(&config)?;
        let host = config.host;
        let current = before.with_config(Arc::new(config), &self.plugins())?;
        self.checkpoints.set_retention(Self::retention(&current.config));
        self.budget.set_limits(host);
        self.gather_clock.set_interval(current.config.sessions.gather.0);
        self.library.set_limits(current.limits(), host);
        self.served.replace(current);
        self.note_reload(Ok(changes.clone()));
        self.library.set_pulled(pulled);
        Ok(changes)
    }

    /// Notes that `udf.toml` was read again; [`Shared::reload`] notes by itself that it is in force.
    pub fn note_reload(&self, outcome: Result<Vec<Change>, String>) {
        *self.last_reload.lock().unwrap_or_else(PoisonError::into_inner) = Some(Reload::now(outcome));
    }

    /// The last time that `udf.toml` was read again, since the host has started.
    pub fn last_reload(&self) -> Option<Arc<Reload>> {
        self.last_reload.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The file that the configuration is read from, if any.
    pub fn config_file(&self) -> Option<&Path> {
        self.config_file.as_deref()
    }

    /// Maximum time that a session takes to finish, the longest since the host has started.
    pub fn drain_deadline(&self) -> Duration {
        self.served.current().drain_deadline.0
    }

    /// Sees each change of what is served.
    pub fn changes(&self) -> watch::Receiver<Current> {
        self.served.changes()
    }

    /// The function `name`.
    ///
    /// # Errors
    ///
    /// When there is none of this name.
    pub fn function(&self, name: &str) -> Result<Arc<Function>> {
        let functions = self.functions();
        functions.get(name).cloned().ok_or_else(|| {
            let names: Vec<&str> = functions.keys().map(String::as_str).collect();
            anyhow!("there is no function `{name}`; there are: {}", names.join(", "))
        })
    }

    /// Loads the plugins of one function only, if it names them.
    ///
    /// # Errors
    ///
    /// As [`Shared::load_plugins`].
    pub fn load_for(&self, function: &Function) -> Result<()> {
        self.load_plugins(|plugin| {
            function.is_generic() || function.named_plugins().any(|name| name == plugin)
        })
    }

    /// Loads the plugins that are `wanted`, or some of them if the sessions are to end before.
    ///
    /// # Errors
    ///
    /// When the folder can't be read.
    pub fn load_plugins(&self, wanted: impl Fn(&str) -> bool) -> Result<()> {
        let mut stopping = self.stopping();
        self.library.load(&wanted, async {
            // This owns the other end, so waiting can't fail.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        })?;
        if *stopping.borrow() {
            return Ok(());
        }
        let plugins = self.plugins();
        for function in self.functions().values() {
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

    /// All plugins.
    pub fn library(&self) -> &Arc<Library> {
        &self.library
    }

    /// The plugins that there are now.
    pub fn plugins(&self) -> Arc<Plugins> {
        self.library.plugins()
    }

    /// What Kapacitor was told of the functions.
    pub fn announced(&self) -> &AnnouncedInfo {
        &self.announced
    }

    /// The threads for guests that compute for longer than a tick.
    ///
    /// # Panics
    ///
    /// Never: they are there until this is dropped.
    pub fn compute(&self) -> &Handle {
        self.compute.0.as_ref().expect("until this is dropped").handle()
    }

    /// Notes whether the socket of a function is there, or why not.
    pub fn note_socket(&self, function: &str, socket: Result<(), String>) {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.insert(function.to_owned(), socket);
    }

    /// Whether the socket of each function is there, or why not; without those that were not tried yet.
    pub fn sockets(&self) -> BTreeMap<String, Result<(), String>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the tasks do.
    pub fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// Who looks at the points of tasks.
    pub fn taps(&self) -> &Arc<Taps> {
        &self.taps
    }

    /// Wakes the sessions that gather messages.
    pub fn gather_clock(&self) -> &Arc<GatherClock> {
        &self.gather_clock
    }

    /// The limits of all sandboxes together.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Has a thread write into the state folder what other processes may know of this host.
    pub fn describe(&self, host: RunningHost) {
        let state_dir = self.config().state_dir.clone();
        let written = self.disk.records.submit("description of this host", move || {
            if let Err(e) = host.write(&state_dir) {
                debug!(err = e.to_string(), "what runs is not described in state-dir");
            }
        });
        if let Err(e) = written {
            debug!(err = e.to_string(), "what runs is not described in state-dir");
        }
    }

    /// Has all sessions finish what they have read, save their state and end. Returns when they have, and all that
    /// they had to write is on the disk.
    pub async fn stop(&self) {
        self.stopping.send_replace(true);
        self.stopping.closed().await;
        self.checkpoints.retry_failed();
        self.disk.settled().await;
    }

    /// Deletes, from time to time and for ever, what the state folder has kept for longer than `state.keep`.
    pub async fn give_up_old(self: Arc<Self>) {
        loop {
            let retention = self.checkpoints.retention();
            tokio::time::sleep(retention.interval()).await;
            self.checkpoints.give_up_old();
            self.skipped.give_up_old(retention);
        }
    }

    /// Says what is not on the disk when the process ends.
    pub fn report_unwritten(&self) {
        let states = self.checkpoints.unwritten();
        if !states.is_empty() {
            let count = states.len().to_string();
            let mut tasks = states[..states.len().min(MOST_NAMED)].join(", ");
            if states.len() > MOST_NAMED {
                tasks.push_str(", ...");
            }
            error!(
                count,
                tasks,
                "the last states of these tasks were not written, state-dir does not take them: they are lost"
            );
        }
        let others = self.disk.unwritten();
        let others: Vec<_> = others.iter().filter(|what| !what.starts_with("checkpoint of")).collect();
        if !others.is_empty() {
            let count = others.len().to_string();
            warn!(count, first = others[0].as_str(), "other files of state-dir were not written");
        }
    }

    /// Becomes true when the sessions are to end. The process does not stop before this is dropped.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// The states that the host saves itself.
    pub fn checkpoints(&self) -> &Arc<Checkpoints> {
        &self.checkpoints
    }

    /// The points that were skipped.
    pub fn skipped(&self) -> &Arc<SkippedRecords> {
        &self.skipped
    }
}

/// Locks the state folder. A child process of Kapacitor beside a host goes on without checkpoints, since an error would
/// keep kapacitord from starting.
fn lock_state_folder(config: &mut Config, shared: bool) -> Result<Option<FolderLock>> {
    match FolderLock::take(&config.state_dir, shared) {
        Ok(lock) => Ok(Some(lock)),
        Err(e @ FolderLockError::Taken { .. }) if shared => {
            error!(err = e.to_string(), "no checkpoints are kept by this process");
            config.state.checkpoints = CheckpointPolicy::Never;
            Ok(None)
        }
        Err(e @ FolderLockError::Taken { .. }) => Err(e.into()),
        Err(e) => {
            warn!(err = e.to_string(), "state folder is not locked");
            Ok(None)
        }
    }
}

/// Reports the plugins that no longer are what Kapacitor was told.
struct Announcer {
    served: Arc<Served>,
    announced: Arc<AnnouncedInfo>,
}

impl Observer for Announcer {
    fn plugin_changed(&self, name: &str, plugin: &Plugin) {
        let functions = self.served.current().functions;
        for function in functions.values().filter(|function| !function.is_generic()) {
            if function.named_plugins().any(|named| named == name) {
                self.announced.compare(&function.name, plugin);
            }
        }
    }

    fn plugin_appeared(&self, name: &str) {
        self.served.add_plugin(name);
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
