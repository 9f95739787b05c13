//! The plugins of the process: loaded or refused, with the files that they came from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::admission::Plugin;
use super::admission_error::{AdmissionError, AdmissionErrorKind};
use super::compile::{Compiler, Stage};
use super::plugin_file::{self, Listing, PluginFile, PluginPath, READ_DEADLINE, SeenFile};
use super::pulled::Pulled;
use super::stamp::FileStamp;
use crate::config::{HostLimits, Limits};
use crate::faults::{Fault, caught_task};
use crate::logging::shown;
use crate::sandbox::Engine;

/// Interval before the first plugin is compiled, in which the files of all plugins are read.
const GATHER: Duration = Duration::from_millis(100);

/// The plugins by name: admitted, or refused with the reason.
pub type Plugins = BTreeMap<String, Result<Arc<Plugin>, Arc<AdmissionError>>>;

/// An observer of the plugins that a [`Library`] takes in.
pub trait Observer: Send + Sync {
    /// The plugin `name` can be used from now on, or has another version than before.
    fn plugin_changed(&self, name: &str, plugin: &Plugin);

    /// The plugin `name` can be used from now on, whose file was put into the folder, or mended, while the host runs.
    fn plugin_appeared(&self, name: &str);
}

/// All plugins of the process.
pub struct Library {
    folder: PathBuf,
    /// The plugins that come from registries.
    pulled: RwLock<Arc<Pulled>>,
    plugins: RwLock<Arc<Plugins>>,
    /// Names of the plugins that are still being loaded.
    loading: watch::Sender<BTreeSet<String>>,
    /// Number of plugins that were taken in so far.
    generation: AtomicU64,
    /// The files that were loaded or refused, as they were then.
    seen: Mutex<BTreeMap<String, SeenFile>>,
    /// Why a file could not be read or compiled at the last try, by the plugin's name, if it is tried again.
    failing: Mutex<BTreeMap<String, String>>,
    /// Names of the plugins whose files are being looked at, while the host runs.
    updating: watch::Sender<BTreeSet<String>>,
    loader: RwLock<Loader>,
    runtime: Handle,
    observer: Box<dyn Observer>,
}

/// All that loading a plugin takes.
#[derive(Clone)]
pub struct Loader {
    /// The engine that the plugins belong to.
    pub engine: Arc<Engine>,
    /// Limits under which plugins are admitted.
    pub limits: Limits,
    /// Compiles the plugins.
    pub compiler: Compiler,
}

impl Library {
    /// The library of the plugins in `folder`, and of those that were `pulled`. None is loaded yet, and a caller that
    /// asks for one of `files` waits for [`Library::load`]. Plugins are loaded on `runtime`.
    pub fn new(
        folder: &Path,
        pulled: Pulled,
        files: BTreeSet<String>,
        loader: Loader,
        runtime: Handle,
        observer: Box<dyn Observer>,
    ) -> Self {
        Self {
            folder: folder.to_owned(),
            pulled: RwLock::new(Arc::new(pulled)),
            plugins: RwLock::default(),
            loading: watch::Sender::new(files),
            generation: AtomicU64::new(0),
            seen: Mutex::default(),
            failing: Mutex::default(),
            updating: watch::Sender::default(),
            loader: RwLock::new(loader),
            runtime,
            observer,
        }
    }

    /// Loads the plugins that are `wanted`: first those whose machine code is stored, and then the small ones. Ends
    /// early when `stopped` does.
    ///
    /// # Errors
    ///
    /// When the folder can't be read.
    pub fn load(&self, wanted: impl Fn(&str) -> bool, stopped: impl Future<Output = ()>) -> Result<()> {
        let _loading = Loading(self);
        let Listing { plugins, others } = self.list()?;
        for other in others {
            warn!(err = other, "not a plugin");
        }
        for (name, reason) in self.not_pulled() {
            if wanted(&name) {
                self.insert(&name, Err(report_not_pulled(&name, reason)));
            }
        }
        let files = plugins.into_iter().filter(|(name, _)| wanted(name));
        self.runtime.block_on(async {
            tokio::select! {
                loaded = self.load_all(files) => loaded,
                () = stopped => Ok(()),
            }
        })
    }

    async fn load_all(&self, files: impl Iterator<Item = (String, PluginPath)>) -> Result<()> {
        let loader = self.loader();
        // Nothing is compiled until the small files have had the time to come before the large ones.
        let first = loader.compiler.enter(Stage::First, 0).await;
        tokio::spawn(async move {
            tokio::time::sleep(GATHER).await;
            drop(first);
        });
        let mut tasks = JoinSet::new();
        for (name, path) in files {
            let loader = loader.clone();
            tasks.spawn(async move { (loader.try_file(&name, &path, None).await, name, path) });
        }
        while let Some(loaded) = tasks.join_next().await {
            let (Tried { seen, loaded }, name, path) = loaded.context("a plugin could not be loaded")?;
            self.note(&name, seen);
            if let Some(loaded) = loaded {
                self.insert(&name, report(&name, loaded, path.path));
            }
        }
        Ok(())
    }

    fn loader(&self) -> Loader {
        self.loader.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Loads plugins under these limits from now on: those of a sandbox, and those of loading. A plugin that was
    /// refused under other limits is loaded anew.
    pub fn set_limits(&self, limits: Limits, host: HostLimits) {
        let changed = {
            let mut loader = self.loader.write().unwrap_or_else(PoisonError::into_inner);
            let changed = loader.limits != limits || loader.compiler.limits != host;
            loader.limits = limits;
            loader.compiler.limits = host;
            changed
        };
        if changed {
            // The watcher then finds the files as if they were new.
            let plugins = self.plugins();
            self.seen().retain(|name, _| !matches!(plugins.get(name), Some(Err(_))));
        }
    }

    /// What is in the folder beside plugins and looks like one: why it is none, a sentence each.
    ///
    /// # Errors
    ///
    /// When the folder can't be read.
    pub fn others(&self) -> Result<Vec<String>> {
        Ok(self.list()?.others)
    }

    fn insert(&self, name: &str, plugin: Result<Plugin, AdmissionError>) {
        let plugin = plugin.map(Arc::new).map_err(Arc::new);
        let mut plugins = self.plugins.write().unwrap_or_else(PoisonError::into_inner);
        Arc::make_mut(&mut plugins).insert(name.to_owned(), plugin.clone());
        drop(plugins);
        self.generation.fetch_add(1, Relaxed);
        self.loading.send_modify(|loading| {
            loading.remove(name);
        });
        if let Ok(plugin) = plugin {
            self.observer.plugin_changed(name, &plugin);
        }
    }

    /// Waits until none of the plugins `names` is being loaded.
    pub async fn wait_until_loaded(&self, names: &[&str]) {
        let loaded = |loading: &BTreeSet<String>| !names.iter().any(|name| loading.contains(*name));
        // This library owns the other end, so waiting can't fail.
        let _ = self.loading.subscribe().wait_for(loaded).await;
    }

    /// The plugins that there are now.
    pub fn plugins(&self) -> Arc<Plugins> {
        Arc::clone(&self.plugins.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether all plugins that there were at the start have been tried.
    pub fn is_loaded(&self) -> bool {
        self.loading.borrow().is_empty()
    }

    /// Number that grows whenever a plugin is taken in: a session compares it to learn of new versions.
    pub fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    /// Loads the plugin `name`, if it was put into the folder since the host started, or changed since
    /// it was refused.
    pub async fn look_for(self: &Arc<Self>, name: &str) {
        self.wait_until_loaded(&[name]).await;
        self.wait_until_updated(name).await;
        if matches!(self.plugins().get(name), Some(Ok(_))) {
            return;
        }
        // The name may be a TICKscript's: it chooses among the files, and never makes a path.
        let (library, wanted) = (Arc::clone(self), name.to_owned());
        let found = self.runtime.spawn_blocking(move || {
            let file = library.list().ok()?.plugins.remove(&wanted)?;
            Some((FileStamp::of(&file.path)?, file))
        });
        let Ok(Some((stamp, file))) = found.await else { return };
        let seen = self.seen().get(name).copied();
        if seen.is_none_or(|seen| seen.may_differ(&stamp)) {
            self.begin_update(name, file);
        }
        self.wait_until_updated(name).await;
    }

    /// Waits until the file of the plugin `name` is not being looked at.
    async fn wait_until_updated(&self, name: &str) {
        // This library owns the other end, so waiting can't fail.
        let _ = self.updating.subscribe().wait_for(|updating| !updating.contains(name)).await;
    }

    /// Begins to read the file of the plugin `name`, and to load it if its contents are new. Does nothing while the
    /// file is being looked at.
    pub(super) fn begin_update(self: &Arc<Self>, name: &str, file: PluginPath) {
        if !self.updating.send_if_modified(|updating| updating.insert(name.to_owned())) {
            return;
        }
        let (library, name) = (Arc::clone(self), name.to_owned());
        let task = async move {
            // The name is removed whatever happens.
            let _updating = Updating { library: &library, name: &name };
            library.update(&name, file).await;
        };
        self.runtime.spawn(task);
    }

    async fn update(&self, name: &str, file: PluginPath) {
        let known = self.seen().get(name).and_then(|seen| seen.sha256);
        let Tried { seen, loaded } = self.loader().try_file(name, &file, known).await;
        self.note(name, seen);
        let Some(loaded) = loaded else { return };
        let passing = loaded.as_ref().err().filter(|kind| kind.is_passing()).map(ToString::to_string);
        let lasts = passing.is_none();
        // A try that fails as the one before is not told again.
        if self.set_failing(name, passing) || lasts {
            self.replace(name, report(name, loaded, file.path));
        }
    }

    /// Remembers why the file of the plugin `name` is tried again, if it is; true if that is new.
    fn set_failing(&self, name: &str, failure: Option<String>) -> bool {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match failure {
            Some(failure) => failing.insert(name.to_owned(), failure.clone()) != Some(failure),
            None => failing.remove(name).is_some(),
        }
    }

    /// Remembers a file that was loaded or refused.
    fn note(&self, name: &str, seen: Option<SeenFile>) {
        if let Some(seen) = seen {
            self.seen().insert(name.to_owned(), seen);
        }
    }

    /// Takes in a file that has changed. A file that was refused leaves the loaded version in place.
    pub(super) fn replace(&self, name: &str, loaded: Result<Plugin, AdmissionError>) {
        let plugins = self.plugins();
        let before = plugins.get(name).and_then(|plugin| plugin.as_ref().ok());
        match (before, loaded) {
            (Some(before), Ok(new)) if before.sha256 == new.sha256 => {}
            (Some(before), Ok(new)) => {
                let (from, to) = (before.version(), new.version());
                let edges = new.edges().to_string();
                self.insert(name, Ok(new));
                info!(plugin = name, from, to, edges, "plugin has a new version");
            }
            (Some(before), Err(_)) => {
                let version = before.version();
                warn!(plugin = name, version, "the version that was loaded before goes on");
            }
            (None, loaded) => {
                let usable = loaded.is_ok();
                self.insert(name, loaded);
                if usable {
                    self.observer.plugin_appeared(name);
                }
            }
        }
    }

    /// Refuses the plugin `name` from now on, since its file was deleted. Tasks that run it go on.
    pub(super) fn remove(&self, name: &str) {
        self.seen().remove(name);
        self.set_failing(name, None);
        let path = self.folder.join(format!("{name}.wasm"));
        if matches!(self.plugins().get(name), Some(Ok(_))) {
            warn!(
                plugin = name,
                "plugin file deleted: what runs goes on, new tasks are refused until it is back"
            );
        }
        self.insert(name, Err(AdmissionError { path, kind: AdmissionErrorKind::Deleted }));
    }

    /// The files that were loaded or refused, as they were then.
    pub(super) fn seen(&self) -> MutexGuard<'_, BTreeMap<String, SeenFile>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files that there are now: those in the folder, and those that were pulled.
    ///
    /// # Errors
    ///
    /// When the folder can't be read.
    pub(super) fn list(&self) -> Result<Listing> {
        let mut listing = list(&self.folder)?;
        for (name, pulled) in self.pulled().iter() {
            if let Some(file) = listing.plugins.remove(name) {
                let file = shown(&file.path);
                listing.others.push(format!(
                    "{file}: is not used, since [plugins.{name}] of udf.toml names another source: delete one of them"
                ));
            }
            if let Ok(file) = pulled {
                listing.plugins.insert(name.clone(), file.clone());
            }
        }
        Ok(listing)
    }

    /// The plugins that come from registries.
    pub(super) fn pulled(&self) -> Arc<Pulled> {
        Arc::clone(&self.pulled.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Those of them that are not there, and why.
    fn not_pulled(&self) -> Vec<(String, String)> {
        let pulled = self.pulled();
        let missing = pulled.iter().filter_map(|(name, pulled)| Some((name.clone(), pulled.clone().err()?)));
        missing.collect()
    }

    /// Takes these plugins from registries from now on. A version that is not there leaves the loaded one in place.
    pub fn set_pulled(&self, pulled: Pulled) {
        *self.pulled.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pulled);
        for (name, reason) in self.not_pulled() {
            self.seen().remove(&name);
            self.replace(&name, Err(report_not_pulled(&name, reason)));
        }
    }

    /// The runtime that plugins are loaded on.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

/// Marks a plugin whose file is being looked at, until this is dropped.
struct Updating<'a> {
    library: &'a Library,
    name: &'a str,
}

impl Drop for Updating<'_> {
    fn drop(&mut self) {
        self.library.updating.send_modify(|updating| {
            updating.remove(self.name);
        });
    }
}

/// The files in `folder`.
///
/// # Errors
///
/// When the folder can't be read: what to set.
pub fn list(folder: &Path) -> Result<Listing> {
    plugin_file::list(folder).with_context(|| {
        format!("the plugins folder {} can't be read: set plugins-dir or --plugins-dir", folder.display())
    })
}

/// The loading of the plugins. When it ends, in whatever way, nobody waits for them any longer.
struct Loading<'a>(&'a Library);

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        self.0.loading.send_replace(BTreeSet::new());
    }
}

/// A plugin and the time that it took to load it, or why it is refused.
type Loaded = Result<(Plugin, Duration), AdmissionErrorKind>;

/// The result of trying a file.
struct Tried {
    /// The file as it was then, unless it is to be tried again.
    seen: Option<SeenFile>,
    /// `None` if its bytes are those that were loaded or refused before.
    loaded: Option<Loaded>,
}

impl Loader {
    /// Reads a file. Its stamp is from before that, so that a change meanwhile is noticed.
    async fn read(&self, file: &PluginPath) -> (Result<PluginFile, AdmissionErrorKind>, Option<FileStamp>) {
        let stamp = self.stamp(&file.path).await;
        (PluginFile::read(file, self.compiler.limits.module).await, stamp)
    }

    async fn stamp(&self, path: &Path) -> Option<FileStamp> {
        let path = path.to_owned();
        let stamp = tokio::task::spawn_blocking(move || FileStamp::of(&path));
        tokio::time::timeout(READ_DEADLINE.0, stamp).await.ok()?.ok()?
    }

    /// Reads a file, and loads it unless its bytes have the SHA-256 `known`.
    async fn try_file(&self, name: &str, file: &PluginPath, known: Option<[u8; 32]>) -> Tried {
        let (seen, loaded) = match caught_task(self.load(name, file, known)).await {
            Ok(tried) => tried,
            // Only this file is refused, and not tried again before it changes.
            Err(Fault) => {
                let seen = self.stamp(&file.path).await.map(|stamp| SeenFile::new(stamp, None));
                (seen, Some(Err(AdmissionErrorKind::Invalid("the host failed on it".to_owned()))))
            }
        };
        // A file that could not be read or compiled for a passing reason counts as never seen.
        let passing = matches!(&loaded, Some(Err(kind)) if kind.is_passing());
        Tried { seen: seen.filter(|_| !passing), loaded }
    }

    /// Reads and loads a file, unless its bytes have the SHA-256 `known`. The file is read at each stage again.
    async fn load(
        &self,
        name: &str,
        path: &PluginPath,
        known: Option<[u8; 32]>,
    ) -> (Option<SeenFile>, Option<Loaded>) {
        let Self { engine, limits, compiler } = self;
        let (mut size, mut seen) = (0, None);
        for stage in Stage::ALL {
            let place = compiler.enter(stage, size).await;
            let start = Instant::now();
            let (file, stamp) = self.read(path).await;
            let sha256 = file.as_ref().ok().map(|file| file.sha256);
            seen = stamp.map(|stamp| SeenFile::new(stamp, sha256));
            let file = match file {
                Ok(file) if known == Some(file.sha256) => return (seen, None),
                Ok(file) => file,
                Err(kind) => return (seen, Some(Err(kind))),
            };
            size = file.bytes.len() as u64;
            match Plugin::admit(engine, name, file, limits, compiler, place).await {
                Ok(Some(plugin)) => return (seen, Some(Ok((plugin, start.elapsed())))),
                Ok(None) => {}
                Err(kind) => return (seen, Some(Err(kind))),
            }
        }
        (seen, Some(Err(AdmissionErrorKind::Compile(compiler.limits.compile_deadline))))
    }
}

/// Logs that the version of a plugin that is wanted from a registry is not there.
fn report_not_pulled(name: &str, reason: String) -> AdmissionError {
    error!(plugin = name, err = reason.as_str(), "plugin from a registry is not there");
    let path = PathBuf::from(format!("[plugins.{name}]"));
    AdmissionError { path, kind: AdmissionErrorKind::NotPulled(reason) }
}

/// Logs that the file at `path` was loaded or refused.
fn report(name: &str, loaded: Loaded, path: PathBuf) -> Result<Plugin, AdmissionError> {
    match loaded {
        Ok((mut plugin, took)) => {
            plugin.loaded_in = took;
            let took = Duration::from_millis(took.as_millis() as u64);
            let took = humantime::format_duration(took).to_string();
            let edges = plugin.edges().to_string();
            info!(plugin = name, edges, took, "plugin loaded");
            Ok(plugin)
        }
        Err(kind) => {
            let error = AdmissionError { path, kind };
            let err = error.to_string();
            if error.kind.is_passing() {
                error!(plugin = name, err, "plugin is not there yet, it is tried again");
            } else {
                error!(plugin = name, err, "plugin refused");
            }
            Err(error)
        }
    }
}
