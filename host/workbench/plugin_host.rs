//! A host of one plugin, in this process.

use std::mem;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::config::{CheckpointPolicy, Config, OnFull, OnMismatch, PartialPolicy, Policy};
use crate::faults::keep_task;
use crate::plugin::Plugin;
use crate::protocol::client::Client;
use crate::routing::Function;
use crate::session::{Link, Session};
use crate::shared::{Mode, Shared};
use crate::task::Trial;
use crate::units::Span;

/// A time that no run reaches.
const NEVER: Span = Span(Duration::from_secs(365 * 24 * 3600));

/// Time beyond the drain deadline in which a session ends.
const GRACE: Duration = Duration::from_secs(1);

/// What a plugin is run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To see what it does with a recording: its state is in a temporary folder, and no point is lost, however long
    /// that takes and however often the plugin fails.
    Trial,
    /// To serve as long as its input goes on: the policies and the times of the configuration hold, and the state is
    /// kept in the state folder.
    Service,
}

/// Which plugin is run, and under which conditions.
pub struct HostSpec {
    /// The plugin: a `.wasm` file, or the name of a plugin in the configured folder.
    pub plugin: PathBuf,
    /// Name of the function that the plugin is called as; its limits and policies are those of `udf.toml`.
    pub function: Option<String>,
    /// The configuration.
    pub config: Config,
    /// The program that compiles the plugin in a process of its own.
    pub compiler: Option<PathBuf>,
    /// What it is run for.
    pub purpose: Purpose,
}

/// A host that serves one plugin.
pub struct PluginHost {
    runtime: Runtime,
    shared: Arc<Shared>,
    function: Arc<Function>,
    plugin: Arc<Plugin>,
    /// The folder of the state of a trial, which is empty at first.
    _state: Option<TempDir>,
}

impl PluginHost {
    /// Loads the plugin.
    ///
    /// # Errors
    ///
    /// When the plugin is refused, or the machine can't run guests.
    pub fn start(spec: HostSpec) -> Result<Self> {
        let HostSpec { plugin, function, mut config, compiler, purpose } = spec;
        let (folder, name) = located(&plugin, &config)?;
        let file = folder.join(format!("{name}.wasm"));
        config.plugins_dir = folder;
        let state = match purpose {
            Purpose::Trial => Some(set_up_trial(&mut config)?),
            Purpose::Service => {
                // There is no Kapacitor to keep snapshots, and data of any time is what the plugin is to see.
                config.state.checkpoints = CheckpointPolicy::Always;
                None
            }
        };
        let function = function.unwrap_or_else(|| match purpose {
            Purpose::Trial => "plugin".to_owned(),
            Purpose::Service => name.clone(),
        });
        let entry = config.functions.entry(function.clone()).or_default();
        *entry = mem::take(entry).of_plugin(&name);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("session")
            .enable_all()
            .build()
            .context("the threads for sessions can't start")?;
        let mode = Mode { writable: true, one_session: true, compiler, config_file: None };
        let shared = Arc::new(Shared::new(config, &mode)?);
        shared.load_plugins(|plugin| plugin == name)?;
        let plugin = match shared.plugins().get(&name) {
            Some(Ok(plugin)) => Arc::clone(plugin),
            Some(Err(error)) => bail!("{error}"),
            None => bail!("{}: there is no such plugin", file.display()),
        };
        let function = shared.function(&function)?;
        if purpose == Purpose::Service {
            let retaining = Arc::clone(&shared);
            runtime.spawn(keep_task(move || Arc::clone(&retaining).give_up_old()));
        }
        Ok(Self { runtime, shared, function, plugin, _state: state })
    }

    /// The plugin.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// What happens when the plugin fails.
    pub fn policy(&self) -> &Policy {
        &self.function.policy
    }

    /// The interval between two reads of input that comes quickly, see `sessions.gather`.
    pub fn gather(&self) -> Duration {
        self.shared.config().sessions.gather.0
    }

    /// Has all sessions end, and waits until their states are written, but not for much longer than
    /// `sessions.drain-deadline`.
    pub fn stop(self) {
        let most = self.shared.drain_deadline() + GRACE;
        self.runtime.block_on(async {
            // What is not written then is told below.
            let _ = timeout(most, self.shared.stop()).await;
        });
        self.shared.report_unwritten();
        self.runtime.shutdown_timeout(GRACE);
    }

    /// Opens a session, as Kapacitor does.
    ///
    /// # Errors
    ///
    /// When the system has no socket for it.
    pub fn connect(&self, trial: Trial) -> Result<Client> {
        let (ours, theirs) = UnixStream::pair().context("a socket is needed, and can't be made")?;
        theirs.set_nonblocking(true)?;
        let theirs = {
            let _inside = self.runtime.enter();
            tokio::net::UnixStream::from_std(theirs)?
        };
        let session = Session::on_trial(
            Arc::clone(&self.shared),
            Arc::clone(&self.function),
            Link::socket(theirs),
            trial,
        );
        self.runtime.spawn(session.run());
        Ok(Client::over_socket(ours)?)
    }
}

/// Has the configuration be that of a trial; returns the folder of the state.
fn set_up_trial(config: &mut Config) -> Result<TempDir> {
    let state = tempfile::Builder::new()
        .prefix("kapacitor-wasm-")
        .tempdir()
        .context("a temporary folder is needed, and can't be made")?;
    state.path().clone_into(&mut config.state_dir);
    config.state.checkpoints = CheckpointPolicy::Never;
    // A snapshot is that of all input before it, however long that takes.
    config.sessions.snapshot_deadline = NEVER;
    config.sessions.drain_deadline = NEVER;
    // Lines are for who tries the plugin, and the ledger bounds them.
    config.lift_log_limit();
    config.override_policy(PartialPolicy {
        on_full: Some(OnFull::Block),
        failures_per_minute: Some(u32::MAX),
        // A state that is refused is to be seen.
        on_mismatch: Some(OnMismatch::Fail),
        ..PartialPolicy::default()
    });
    Ok(state)
}

/// The folder and the name of a plugin.
fn located(plugin: &Path, config: &Config) -> Result<(PathBuf, String)> {
    let is_file = plugin.components().count() > 1 || plugin.extension().is_some_and(|e| e == "wasm");
    if !is_file {
        let name = plugin.to_string_lossy().into_owned();
        let file = config.plugins_dir.join(format!("{name}.wasm"));
        if !file.exists() {
            bail!(
                "there is no plugin `{name}` in {}: give the path of a .wasm file, or set --plugins-dir",
                config.plugins_dir.display()
            );
        }
        return Ok((config.plugins_dir.clone(), name));
    }
    let problem = |what: &str| anyhow!("{}: {what}", plugin.display());
    if plugin.extension().is_none_or(|extension| extension != "wasm") {
        return Err(problem("a plugin is a file whose name ends with .wasm"));
    }
    if !plugin.exists() {
        return Err(problem("there is no such file"));
    }
    let name = plugin.file_stem().and_then(|stem| stem.to_str());
    let name = name.ok_or_else(|| problem("its name is not UTF-8"))?.to_owned();
    let folder = match plugin.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    Ok((folder, name))
}
