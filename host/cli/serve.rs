//! `serve` and `stdio`.

use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sd_notify::NotifyState;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::exit::DONE;
use super::reload::Reloader;
use super::running::Describer;
use super::settings::Settings;
use super::signals::{Asked, Received, Signals};
use super::threads::ensure_threads;
use crate::endpoint;
use crate::endpoint::{InheritedSockets, Sockets};
use crate::faults::keep_task;
use crate::folder::check_writable;
use crate::http;
use crate::plugin;
use crate::routing::Function;
use crate::sandbox::{check_data, raise_descriptors};
use crate::session::{self, Session};
use crate::shared::{Mode, Shared};

/// Sessions end at their drain-deadline, and then so much later.
const GRACE: Duration = Duration::from_secs(1);

/// Time after a signal to stop within which another one is the same: `timeout`, for one, sends each signal twice.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// Serves all functions on sockets until a signal says to stop.
pub fn sockets(settings: Settings, inherited: InheritedSockets) -> Result<ExitCode> {
    ensure_threads()?;
    let runtime = runtime()?;
    let mut signals = Signals::take(&runtime)?;
    let (config, mode, log) = settings.start_logging()?;
    if let Err(e) = raise_descriptors() {
        warn!(err = e.to_string(), "the number of open files can't be raised to the hard limit");
    }
    let shared = Arc::new(Shared::new(config, &mode)?);
    ensure_functions(&shared)?;
    let host = Host { shared, runtime: Some(runtime) };
    let sockets = host.enter(|| Sockets::open(&host.shared, inherited))?;
    let _http = http::Server::start(&host.shared)?;
    // What systemd starts after the host, as Kapacitor, finds all sockets there. It can wait for the
    // answers by itself.
    if let Err(e) = sd_notify::notify(&[NotifyState::Ready]) {
        warn!(err = e.to_string(), "systemd was not told that the sockets are there, and may wait for it");
    }
    let describer = Arc::new(Describer::new(settings.clone(), &host.shared));
    let reloader = Reloader::new(settings, &host.shared, log.level.clone(), &describer);
    let served = host.run(sockets, reloader, describer, &mut signals);
    let stopped = host.stop(&mut signals);
    served.and(stopped)
}

/// All functions, each served on its socket in the background until this is dropped.
struct Host {
    shared: Arc<Shared>,
    /// There until it is dropped.
    runtime: Option<Runtime>,
}

impl Host {
    /// The runtime that serves the connections.
    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("until this is dropped")
    }

    /// Does `work` where the runtime's event loop is known.
    fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        let _entered = self.runtime().enter();
        work()
    }

    /// Loads the plugins, and serves until a signal says to stop.
    ///
    /// # Errors
    ///
    /// When the folder of the plugins can't be read, or the host fails at loading them.
    fn run(
        &self,
        sockets: Sockets,
        mut reloader: Reloader,
        describer: Arc<Describer>,
        signals: &mut Signals,
    ) -> Result<()> {
        self.runtime().block_on(async {
            self.check_state_dir();
            tokio::spawn(keep_task(move || Arc::clone(&describer).follow()));
            let loading = Arc::clone(&self.shared);
            let mut loading = tokio::task::spawn_blocking(move || loading.load_plugins(|_| true));
            let mut sockets = Some(sockets);
            // One that waits is enough: it reads the file as it is then.
            let (reload, mut reloads) = mpsc::channel::<()>(1);
            tokio::spawn(async move {
                while reloads.recv().await.is_some() {
                    reloader = reloader.reload().await;
                }
            });
            loop {
                let received = tokio::select! {
                    loaded = &mut loading, if sockets.is_some() => {
                        loaded.context("plugins can't be loaded")??;
                        if let Some(sockets) = sockets.take() {
                            self.report_ready(&sockets);
                            tokio::spawn(sockets.follow());
                            let library = Arc::clone(self.shared.library());
                            tokio::spawn(keep_task(move || plugin::watch(Arc::clone(&library))));
                            let shared = Arc::clone(&self.shared);
                            tokio::spawn(keep_task(move || Arc::clone(&shared).give_up_old()));
                        }
                        continue;
                    }
                    received = signals.next() => received,
                };
                let Received { name: signal, asked, first } = received;
                match asked {
                    Asked::Stop => {
                        info!(signal, "stopping");
                        return Ok(());
                    }
                    Asked::Reload => drop(reload.try_send(())),
                    Asked::Nothing if first => info!(signal, "signal ignored"),
                    Asked::Nothing => {}
                }
            }
        })
    }

    /// Says if the folder of the state can't be used. The disk may hang, which delays nothing here.
    fn check_state_dir(&self) {
        let config = self.shared.config();
        tokio::task::spawn_blocking(move || {
            if let Err(e) = check_writable(&config.state_dir) {
                error!(
                    err = e.to_string(),
                    "state-dir can't be used: the state of tasks and skipped points are not kept"
                );
            }
        });
    }

    fn report_ready(&self, sockets: &Sockets) {
        let (sandboxes, limit) = self.shared.budget().room();
        let memory = self.shared.budget().memory_limit().bytes().to_string();
        info!(sandboxes = sandboxes.to_string(), limit, memory, "number of sandboxes that fit");
        let (plugins, functions) = (self.shared.plugins(), self.shared.functions());
        let works = |function: &Function| function.is_served(&plugins) && sockets.has(&function.name);
        let working = functions.values().filter(|function| works(function)).count();
        info!(
            version = env!("CARGO_PKG_VERSION"),
            build = env!("BUILD"),
            functions = working.to_string(),
            refused = (functions.len() - working).to_string(),
            socket_dir = self.shared.config().socket_dir.display().to_string(),
            sockets = sockets.rights(),
            "ready"
        );
        sockets.report_kept_out();
        if plugins.is_empty() {
            let folder = self.shared.config().plugins_dir.display().to_string();
            error!(folder, "no .wasm file there, so no task can start: put a plugin into it");
        }
    }

    /// Lets the sessions come to their end, for as long as they may take for that, or until a second signal to stop.
    ///
    /// # Errors
    ///
    /// When that came.
    fn stop(mut self, signals: &mut Signals) -> Result<ExitCode> {
        let Some(runtime) = self.runtime.take() else { return Ok(DONE) };
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
        // To finish what was read on a busy machine, to wait for the last call, and to keep the state.
        let most = (session::DRAIN_LAST_RESORT + 2) * self.shared.drain_deadline() + GRACE;
        let second = runtime.block_on(async {
            tokio::select! {
                stopped = tokio::time::timeout(most, self.shared.stop()) => {
                    if stopped.is_err() {
                        warn!("some sessions did not end in time, the last of their state may not be kept");
                    }
                    None
                }
                signal = second_stop(signals) => Some(signal),
            }
        });
        self.shared.report_unwritten();
        // The sockets go away with the runtime's tasks.
        runtime.shutdown_timeout(Duration::from_secs(1));
        match second {
            None => Ok(DONE),
            Some(signal) => {
                bail!(
                    "{signal} came while the host was stopping, so it has ended at once: the last state of some tasks may not be kept"
                )
            }
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The sockets go away with the runtime's tasks.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

/// Waits for a signal to stop that was not sent together with the one before; returns its name.
async fn second_stop(signals: &mut Signals) -> String {
    let begin = Instant::now();
    loop {
        let Received { name, asked, .. } = signals.next().await;
        if asked == Asked::Stop && begin.elapsed() >= SAME_SIGNAL {
            return name;
        }
    }
}

/// Fails where there is nothing to serve.
///
/// # Errors
///
/// Says which folder is empty.
pub fn ensure_functions(shared: &Shared) -> Result<()> {
    if shared.functions().is_empty() {
        bail!(
            "{}: no .wasm file there, so there is nothing to serve: put a plugin into it, or set plugins-dir",
            shared.config().plugins_dir.display()
        );
    }
    Ok(())
}

/// Serves one function on stdin and stdout until stdin ends.
pub fn stdio(settings: &Settings, function: &str) -> Result<ExitCode> {
    ensure_threads()?;
    // With more threads, each message would wake two of them: the one that waits for the pipes, and this one.
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the event loop of the session can't start")?;
    let mut signals = Signals::take(&runtime)?;
    let (config, mode, _log) = settings.start_logging()?;
    let mode = Mode { one_session: true, ..mode };
    // Nothing that is printed from here on may get into Kapacitor's stream.
    let link = runtime.block_on(async { endpoint::take_stdio() })?;
    // A signal to Kapacitor's process group, as a Ctrl-C in its terminal, reaches its children too; the end of
    // stdin ends this one.
    runtime.spawn(async move {
        loop {
            let Received { name: signal, asked, first } = signals.next().await;
            match asked {
                Asked::Reload if first => {
                    info!(signal, "signal ignored: each process of `stdio` reads udf.toml when it starts");
                }
                Asked::Stop if first => info!(signal, "signal ignored: this process ends with its stdin"),
                Asked::Nothing if first => info!(signal, "signal ignored"),
                _ => {}
            }
        }
    });
    let shared = Arc::new(Shared::new(config, &mode)?);
    let function = shared.function(function)?;
    // Kapacitor is told of life while its plugin is loaded.
    let (loading, loaded) = (Arc::clone(&shared), Arc::clone(&function));
    thread::Builder::new().name("load".to_owned()).spawn(move || {
        if let Err(e) = loading.load_for(&loaded) {
            error!(function = loaded.name.as_str(), err = format!("{e:#}"), "plugins can't be loaded");
        }
    })?;
    let most = shared.config().sessions.drain_deadline.0 + GRACE;
    let retaining = Arc::clone(&shared);
    runtime.spawn(keep_task(move || Arc::clone(&retaining).give_up_old()));
    runtime.block_on(async {
        Session::new(Arc::clone(&shared), function, link).run().await;
        // The state may still be being written.
        let _ = tokio::time::timeout(most, shared.stop()).await;
        shared.report_unwritten();
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(DONE)
}

fn runtime() -> Result<Runtime> {
    check_data().context("too little to serve anything")?;
    Builder::new_multi_thread()
        .thread_name("session")
        .enable_all()
        .build()
        .context("the threads for sessions can't start")
}
