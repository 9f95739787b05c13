//! The plugins of the process: loaded or refused, with the files that they came from.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::runtime::Handle;
use tokio::sync::{MutexGuard, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::admission::{Plugin, files_in};
use super::admission_error::{AdmissionError, AdmissionErrorKind};
use super::compile::{Compiler, cores};
use super::stamp::FileStamp;
use crate::config::{HostLimits, Limits};
use crate::sandbox::Engine;

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
    plugins: RwLock<Arc<Plugins>>,
    /// Names of the plugins that are still being loaded.
    loading: watch::Sender<BTreeSet<String>>,
    /// Number of plugins that were taken in so far.
    generation: AtomicU64,
    /// The files that were loaded or refused, as they were then. Locked while a plugin is looked for.
    stamps: tokio::sync::Mutex<BTreeMap<String, FileStamp>>,
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
    /// The library of the plugins in `folder`. None is loaded yet, and a caller that asks for one of `files`
    /// waits for [`Library::load`]. Plugins are loaded on `runtime`.
    pub fn new(
        folder: &Path,
        files: BTreeSet<String>,
        loader: Loader,
        runtime: Handle,
        observer: Box<dyn Observer>,
    ) -> Self {
        Self {
            folder: folder.to_owned(),
            plugins: RwLock::default(),
            loading: watch::Sender::new(files),
            generation: AtomicU64::new(0),
            stamps: tokio::sync::Mutex::default(),
            loader: RwLock::new(loader),
            runtime,
            observer,
        }
    }

    /// Loads the plugins that are `wanted`, as many at a time as there are cores.
    ///
    /// # Errors
    ///
    /// When the folder can't be read.
    pub fn load(&self, wanted: impl Fn(&str) -> bool) -> Result<()> {
        let mut files: Vec<_> = self.files()?.into_iter().filter(|(name, _)| wanted(name)).collect();
        let mut load_next = |tasks: &mut JoinSet<_>| {
            if let Some((name, path)) = files.pop() {
                let (loader, stamp) = (self.loader(), FileStamp::of(&path));
                tasks.spawn(async move { (loader.load(&name, &path).await, name, stamp) });
            }
        };
        let loaded = self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            (0..cores()).for_each(|_| load_next(&mut tasks));
            while let Some(loaded) = tasks.join_next().await {
                let (plugin, name, stamp) = loaded.context("a plugin could not be loaded")?;
                if let Some(stamp) = stamp {
                    self.stamps.lock().await.insert(name.clone(), stamp);
                }
                self.insert(&name, plugin);
                load_next(&mut tasks);
            }
            anyhow::Ok(())
        });
        self.loading.send_replace(BTreeSet::new());
        loaded
    }

    fn loader(&self) -> Loader {
        self.loader.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Loads plugins under these limits from now on: those of a sandbox, and those of loading. A plugin that was
    /// refused under other limits is loaded anew.
    pub fn set_limits(self: &Arc<Self>, limits: Limits, host: HostLimits) {
        let changed = {
            let mut loader = self.loader.write().unwrap_or_else(PoisonError::into_inner);
            let changed = loader.limits != limits || loader.compiler.limits != host;
            loader.limits = limits;
            loader.compiler.limits = host;
            changed
        };
        if changed {
            let library = Arc::clone(self);
            // Not here, since a file may be being loaded. The watcher then finds the files as if they were new.
            self.runtime.spawn(async move {
                let mut stamps = library.stamps.lock().await;
                let plugins = library.plugins();
                stamps.retain(|name, _| !matches!(plugins.get(name), Some(Err(_))));
            });
        }
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

    /// Number that grows whenever a plugin is taken in: a session compares it to learn of new versions.
    pub fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    /// Loads the plugin `name`, if it was put into the folder since the host started, or changed since
    /// it was refused.
    pub async fn look_for(&self, name: &str) {
        self.wait_until_loaded(&[name]).await;
        let mut stamps = self.stamps.lock().await;
        // The name may be a TICKscript's: it chooses among the files, and never makes a path.
        let path = self.files().ok().and_then(|files| files.get(name).cloned());
        let (Some(path), None | Some(Err(_))) = (path, self.plugins().get(name)) else { return };
        let Some(stamp) = FileStamp::of(&path) else { return };
        if stamps.insert(name.to_owned(), stamp) != Some(stamp) {
            let loaded = self.load_one(name, &path).await;
            self.replace(name, loaded);
        }
    }

    /// Loads one file.
    pub(super) async fn load_one(&self, name: &str, path: &Path) -> Result<Plugin, AdmissionError> {
        let (loader, name, file) = (self.loader(), name.to_owned(), path.to_owned());
        let loaded = self.runtime.spawn(async move { loader.load(&name, &file).await });
        loaded.await.unwrap_or_else(|e| {
            // The task panicked; its message is on stderr.
            Err(AdmissionError { path: path.to_owned(), kind: AdmissionErrorKind::Read(io::Error::other(e)) })
        })
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
        let path = self.folder.join(format!("{name}.wasm"));
        if matches!(self.plugins().get(name), Some(Ok(_))) {
            warn!(
                plugin = name,
                "plugin file deleted: what runs goes on, new tasks are refused until it is back"
            );
        }
        self.insert(name, Err(AdmissionError { path, kind: AdmissionErrorKind::Deleted }));
    }

    /// The files that were loaded or refused, as they were then. Nobody else looks for plugins while the
    /// guard is held.
    pub(super) async fn stamps(&self) -> MutexGuard<'_, BTreeMap<String, FileStamp>> {
        self.stamps.lock().await
    }

    /// The plugin files that are in the folder now.
    ///
    /// # Errors
    ///
    /// When the folder can't be read.
    pub(super) fn files(&self) -> Result<BTreeMap<String, PathBuf>> {
        files(&self.folder)
    }

    /// The runtime that plugins are loaded on.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

/// The plugin files in `folder`, by name.
///
/// # Errors
///
/// When the folder can't be read: what to set.
pub fn files(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    files_in(folder).with_context(|| {
        format!("the plugins folder {} can't be read: set plugins-dir or --plugins-dir", folder.display())
    })
}

impl Loader {
    async fn load(&self, name: &str, path: &Path) -> Result<Plugin, AdmissionError> {
        let start = Instant::now();
        let plugin = Plugin::admit(&self.engine, path, &self.limits, &self.compiler).await;
        match &plugin {
            Ok(plugin) => {
                let took = Duration::from_millis(start.elapsed().as_millis() as u64);
                let took = humantime::format_duration(took).to_string();
                let edges = plugin.edges().to_string();
                info!(plugin = name, edges, took, "plugin loaded");
            }
            Err(refusal) => error!(plugin = name, err = refusal.to_string(), "plugin refused"),
        }
        plugin
    }
}
