//! `serve` and `stdio`.

use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::config::Config;
use crate::endpoint;
use crate::endpoint::InheritedSockets;
use crate::endpoint::{Socket, socket_path};
use crate::plugin;
use crate::routing::Function;
use crate::sandbox::raise_descriptors;
use crate::session::{self, Session};
use crate::shared::{Mode, Shared};
use anyhow::{Context, Result, bail};
use sd_notify::NotifyState;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use super::exit::DONE;

/// Sessions end at their drain-deadline, and then so much later.
const GRACE: Duration = Duration::from_secs(1);

/// Serves all functions on sockets until SIGINT or SIGTERM.
pub fn sockets(config: Config, mode: &Mode, inherited: InheritedSockets) -> Result<ExitCode> {
    if let Err(e) = raise_descriptors() {
        warn!(err = e.to_string(), "the number of open files can't be raised to the hard limit");
    }
    let serving = Serving::start(config, mode, inherited)?;
    // What systemd starts after the host, as Kapacitor, finds all sockets there. It can wait for the
    // answers by itself.
    if let Err(e) = sd_notify::notify(&[NotifyState::Ready]) {
        warn!(err = e.to_string(), "systemd was not told that the sockets are there, and may wait for it");
    }
    let stop = serving.stop_signals()?;
    let shared = &serving.shared;
    shared.load_plugins(|_| true)?;
    serving.follow_files();
    let (sandboxes, limit) = shared.budget().room();
    info!(sandboxes = sandboxes.to_string(), limit, "number of sandboxes that fit");
    let functions = shared.functions.len().to_string();
    info!(functions, socket_dir = shared.config.socket_dir.display().to_string(), "ready");
    serving.wait(stop);
    info!("stopping");
    serving.stop();
    Ok(DONE)
}

/// All functions, each served on its socket in the background until this is dropped.
struct Serving {
    shared: Arc<Shared>,
    /// There until it is dropped.
    runtime: Option<Runtime>,
}

impl Serving {
    /// Makes the sockets, or takes them from those that systemd has passed. Kapacitor can connect when
    /// this returns, and waits for an answer until the plugins are loaded.
    fn start(config: Config, mode: &Mode, mut inherited: InheritedSockets) -> Result<Self> {
        let runtime = runtime()?;
        let folder = &config.socket_dir;
        fs::create_dir_all(folder).with_context(|| {
            format!("{}: the folder can't be made: set socket-dir or --socket-dir", folder.display())
        })?;
        let shared = Arc::new(Shared::new(config, mode)?);
        ensure_functions(&shared)?;
        // The sockets belong to the runtime's event loop.
        let entered = runtime.enter();
        let activated = !inherited.is_empty();
        let sockets: Vec<_> = shared
            .functions
            .values()
            .map(|function| {
                Ok((socket(&shared.config, function, &mut inherited, activated)?, Arc::clone(function)))
            })
            .collect::<Result<_>>()?;
        inherited.close();
        for (socket, function) in sockets {
            tokio::spawn(socket.serve(Arc::clone(&shared), function));
        }
        drop(entered);
        Ok(Self { shared, runtime: Some(runtime) })
    }

    /// Loads plugins whose files change from now on.
    fn follow_files(&self) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(plugin::watch(Arc::clone(self.shared.library())));
        }
    }

    /// SIGINT and SIGTERM, which end nothing by themselves from here on.
    fn stop_signals(&self) -> Result<[Signal; 2]> {
        let _entered = self.runtime.as_ref().map(Runtime::enter);
        Ok([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?])
    }

    /// Waits for one of the signals.
    fn wait(&self, [mut interrupt, mut terminate]: [Signal; 2]) {
        if let Some(runtime) = &self.runtime {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
        }
    }

    /// Lets the sessions come to their end, for as long as they may take for that.
    fn stop(mut self) {
        if let Some(runtime) = self.runtime.take() {
            // To finish what was read on a busy machine, to wait for the last call, and to keep the state.
            let most =
                (session::DRAIN_LAST_RESORT + 2) * self.shared.config.sessions.drain_deadline.0 + GRACE;
            let stopped = runtime.block_on(async { tokio::time::timeout(most, self.shared.stop()).await });
            if stopped.is_err() {
                warn!("some sessions did not end in time, the last of their state may not be kept");
            }
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // The sockets go away with the runtime's tasks.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

/// The socket of a function: systemd's, or one that is made.
fn socket(
    config: &Config,
    function: &Function,
    inherited: &mut InheritedSockets,
    activated: bool,
) -> Result<Socket> {
    let (name, path) = (function.name.as_str(), socket_path(config, &function.name));
    if let Some(listener) = inherited.take(&path) {
        return Socket::from_systemd(path, listener);
    }
    if activated {
        warn!(
            function = name,
            "systemd has no socket of this function, the host's own goes away with it: print kapacitor-wasm.socket again with `kapacitor-wasm config --systemd`"
        );
    }
    Socket::bind(config, name)
}

/// Fails where there is nothing to serve.
///
/// # Errors
///
/// Says which folder is empty.
pub fn ensure_functions(shared: &Shared) -> Result<()> {
    if shared.functions.is_empty() {
        bail!(
            "{}: no .wasm file there, so there is nothing to serve: put a plugin into it, or set plugins-dir",
            shared.config.plugins_dir.display()
        );
    }
    Ok(())
}

/// Serves one function on stdin and stdout until stdin ends.
pub fn stdio(config: Config, mode: &Mode, function: &str) -> Result<ExitCode> {
    let runtime = runtime()?;
    // Nothing that is printed from here on may get into Kapacitor's stream.
    let (reader, writer, _signals) = runtime.block_on(async {
        let (reader, writer) = endpoint::take_stdio()?;
        // A Ctrl-C in kapacitord's terminal reaches its children too; the end of stdin ends this one.
        let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
        Ok::<_, anyhow::Error>((reader, writer, signals))
    })?;
    let shared = Arc::new(Shared::new(config, mode)?);
    let function = shared.function(function)?;
    // Kapacitor is told of life while its plugin is loaded.
    let (loading, loaded) = (Arc::clone(&shared), Arc::clone(&function));
    thread::Builder::new().name("load".to_owned()).spawn(move || {
        if let Err(e) = loading.load_for(&loaded) {
            error!(function = loaded.name.as_str(), err = format!("{e:#}"), "plugins can't be loaded");
        }
    })?;
    let most = shared.config.sessions.drain_deadline.0 + GRACE;
    runtime.block_on(async {
        Session::new(Arc::clone(&shared), function, reader, writer).run().await;
        // The state may still be being written.
        let _ = tokio::time::timeout(most, shared.stop()).await;
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(DONE)
}

fn runtime() -> Result<Runtime> {
    Builder::new_multi_thread()
        .thread_name("session")
        .enable_all()
        .build()
        .context("the threads for sessions can't start")
}
