//! `serve` and `stdio`.

use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kapacitor_wasm::config::Config;
use kapacitor_wasm::endpoint::{self, Socket};
use kapacitor_wasm::host::Host;
use kapacitor_wasm::session::Session;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

/// Serves all functions on sockets until SIGINT or SIGTERM.
pub fn sockets(config: Config) -> Result<ExitCode> {
    let runtime = runtime()?;
    let folder = config.socket_dir.clone();
    fs::create_dir_all(&folder).with_context(|| {
        format!("{}: the folder can't be made: set socket-dir or --socket-dir", folder.display())
    })?;
    let host = Arc::new(Host::load(config)?);
    if host.functions.is_empty() {
        bail!(
            "{}: no .wasm file there, so there is nothing to serve: put a plugin into it, or set plugins-dir",
            host.config.plugins_dir.display()
        );
    }
    runtime.block_on(async {
        let mut sockets = Vec::new();
        for function in host.functions.values() {
            sockets.push((Socket::bind(&host.config, &function.name)?, Arc::clone(function)));
        }
        let count = sockets.len().to_string();
        let serving: Vec<_> = sockets
            .into_iter()
            .map(|(socket, function)| tokio::spawn(socket.serve(Arc::clone(&host), function)))
            .collect();
        info!(functions = count, socket_dir = folder.display().to_string(), "ready");
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        info!("stopping");
        for socket in serving {
            socket.abort();
            let _ = socket.await;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(ExitCode::SUCCESS)
}

/// Serves one function on stdin and stdout until stdin ends.
pub fn stdio(config: Config, function: &str) -> Result<ExitCode> {
    let runtime = runtime()?;
    // Kapacitor's first request may wait for the plugin to be loaded, but nothing that is printed
    // meanwhile may get into its stream.
    let (reader, writer, _signals) = runtime.block_on(async {
        let (reader, writer) = endpoint::take_stdio()?;
        // A Ctrl-C in kapacitord's terminal reaches its children too; the end of stdin ends this one.
        let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
        Ok::<_, anyhow::Error>((reader, writer, signals))
    })?;
    let host = Arc::new(Host::load_for(config, function)?);
    let function = Arc::clone(&host.functions[function]);
    for (name, plugin) in &host.plugins {
        if let Err(refusal) = plugin {
            warn!(plugin = name.as_str(), err = refusal.to_string(), "tasks of this plugin will not start");
        }
    }
    runtime.block_on(Session::new(host, function, reader, writer).run());
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> Result<Runtime> {
    Builder::new_multi_thread()
        .thread_name("session")
        .enable_all()
        .build()
        .context("the threads for sessions can't start")
}
