//! The sockets of all functions: those of the start, and of functions that come while the host runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::rights::{User, rights};
use super::socket::{OwnFile, Socket, check_folder, check_group, permit, socket_path};
use super::systemd::InheritedSockets;
use crate::config::Config;
use crate::faults::caught;
use crate::shared::{Current, Shared};

/// Interval at which the files of the sockets are looked for.
const LOOK: Duration = Duration::from_secs(5);

/// Why a function has no socket. All others are served.
#[derive(Debug, Error)]
#[error("function `{function}` has no socket: {reason:#}")]
pub struct NoSocket {
    /// The function.
    pub function: String,
    /// What is wrong and what to do.
    pub reason: anyhow::Error,
}

/// The sockets of all functions.
pub struct Sockets {
    shared: Arc<Shared>,
    inherited: InheritedSockets,
    /// Whether systemd has passed sockets.
    activated: bool,
    /// Each socket that is open, by function.
    open: BTreeMap<String, OpenSocket>,
    /// What the log says already of functions without a socket.
    reported: BTreeMap<String, String>,
    changes: watch::Receiver<Current>,
}

/// A socket that is served in the background.
struct OpenSocket {
    /// Its file; `None` if it is systemd's.
    file: Option<OwnFile>,
    serving: JoinHandle<()>,
}

impl OpenSocket {
    /// Whether Kapacitor can't find it, since its file was deleted or replaced.
    fn is_lost(&self) -> bool {
        self.file.as_ref().is_some_and(|file| !file.is_there())
    }
}

impl Sockets {
    /// Makes a socket for each function, or takes the one that systemd has passed. Call it within a runtime, whose
    /// event loop serves them.
    ///
    /// # Errors
    ///
    /// When the folder or the group is wrong, or not one socket can be made.
    pub fn open(shared: &Arc<Shared>, inherited: InheritedSockets) -> Result<Self> {
        let config = shared.config();
        let folder = &config.socket_dir;
        if let Err(e) = fs::create_dir_all(folder) {
            check_folder(&config)?;
            return Err(e).with_context(|| {
                format!("{}: the folder can't be made: set socket-dir or --socket-dir", folder.display())
            });
        }
        check_group(&config)?;
        let mut sockets = Self {
            activated: !inherited.is_empty(),
            inherited,
            open: BTreeMap::new(),
            reported: BTreeMap::new(),
            changes: shared.changes(),
            shared: Arc::clone(shared),
        };
        let (_, mut failed) = sockets.open_missing();
        if sockets.open.is_empty() && !failed.is_empty() {
            check_folder(&config)?;
            return Err(failed.swap_remove(0).reason);
        }
        sockets.report(&failed);
        std::mem::take(&mut sockets.inherited).close();
        Ok(sockets)
    }

    /// Whether the function has a socket.
    pub fn has(&self, function: &str) -> bool {
        self.open.contains_key(function)
    }

    /// Owners, groups and modes of all sockets, such as `kapacitor:kapacitor 0660`.
    pub fn rights(&self) -> String {
        let config = self.shared.config();
        let rights = self.open.keys().filter_map(|function| rights(&socket_path(&config, function)));
        let rights: BTreeSet<String> = rights.collect();
        rights.into_iter().collect::<Vec<_>>().join(", ")
    }

    /// Warns where the user that Kapacitor runs as can't connect: Kapacitor would wait for the socket in silence.
    pub fn report_kept_out(&self) {
        let Some(user) = User::kapacitor() else { return };
        let config = self.shared.config();
        let by: BTreeSet<PathBuf> =
            self.open.keys().filter_map(|name| user.kept_out_by(&socket_path(&config, name))).collect();
        for path in by {
            warn!(
                path = path.display().to_string(),
                rights = rights(&path).unwrap_or_default(),
                "user `kapacitor` can't connect through this, and Kapacitor would wait in silence: see socket-group and socket-mode"
            );
        }
    }

    /// Makes the sockets of functions that come later, and those whose file was deleted, and gives all sockets the mode
    /// and group of a `udf.toml` that was read again; for as long as the host runs.
    pub async fn follow(mut self) {
        loop {
            let changed = match timeout(LOOK, self.changes.changed()).await {
                Ok(Ok(())) => true,
                Ok(Err(_)) => return,
                Err(_) => false,
            };
            let lost = self.close_lost().await;
            if changed || !lost.is_empty() {
                // A fault concerns this change only.
                let _ = caught(|| self.adapt(&lost));
            }
        }
    }

    /// Closes the sockets that Kapacitor can't find. Returns their functions.
    async fn close_lost(&mut self) -> Vec<String> {
        let lost: Vec<_> = self.open.extract_if(.., |_, socket| socket.is_lost()).collect();
        for (function, socket) in &lost {
            let path = socket.file.as_ref().map_or(String::new(), |file| file.path.display().to_string());
            warn!(function, socket = path, "socket's file was deleted or replaced, it is made again");
        }
        let mut functions = Vec::new();
        for (function, socket) in lost {
            socket.serving.abort();
            // It goes away before the next one is made.
            let _ = socket.serving.await;
            functions.push(function);
        }
        functions
    }

    /// Adapts to what is served now, after some sockets were `lost`.
    fn adapt(&mut self, lost: &[String]) {
        let config = self.changes.borrow_and_update().config.clone();
        for file in self.open.values().filter_map(|socket| socket.file.as_ref()) {
            if let Err(e) = permit(&file.path, &config) {
                warn!(err = format!("{e:#}"), "socket keeps its mode and group");
            }
        }
        let (opened, failed) = self.open_missing();
        self.report(&failed);
        for function in opened {
            if lost.contains(&function) {
                continue;
            }
            info!(
                function,
                socket = socket_path(&config, &function).display().to_string(),
                "function has a socket now: add it to kapacitor.conf, `kapacitor-wasm config` prints the lines, and restart Kapacitor"
            );
        }
    }

    /// Opens the sockets of all functions that have none; returns which ones now have one, and why others have none.
    fn open_missing(&mut self) -> (Vec<String>, Vec<NoSocket>) {
        let Current { config, functions, .. } = self.changes.borrow_and_update().clone();
        let (mut opened, mut failed) = (Vec::new(), Vec::new());
        for name in functions.keys() {
            if self.open.contains_key(name) {
                continue;
            }
            match self.socket(&config, name) {
                Ok(socket) => {
                    self.reported.remove(name);
                    let file = socket.own_file();
                    let serving = tokio::spawn(socket.serve(Arc::clone(&self.shared), name.clone()));
                    self.open.insert(name.clone(), OpenSocket { file, serving });
                    self.shared.note_socket(name, Ok(()));
                    opened.push(name.clone());
                }
                Err(reason) => {
                    self.shared.note_socket(name, Err(format!("{reason:#}")));
                    failed.push(NoSocket { function: name.clone(), reason });
                }
            }
        }
        (opened, failed)
    }

    /// The socket of a function: systemd's, or one that is made.
    fn socket(&mut self, config: &Config, function: &str) -> Result<Socket> {
        let path = socket_path(config, function);
        if let Some(listener) = self.inherited.take(&path) {
            return Socket::from_systemd(&path, listener);
        }
        let socket = Socket::bind(config, function)?;
        if self.activated {
            warn!(
                function,
                "systemd has no socket of this function, the host's own goes away with it: print kapacitor-wasm.socket again with `kapacitor-wasm config --systemd`"
            );
        }
        Ok(socket)
    }

    /// Logs why functions have no socket, each reason once.
    fn report(&mut self, failed: &[NoSocket]) {
        for NoSocket { function, reason } in failed {
            let reason = format!("{reason:#}");
            if self.reported.get(function) != Some(&reason) {
                error!(
                    function,
                    err = reason,
                    "function has no socket, all others are served: correct this and reload the host, or take the function out of kapacitor.conf, where Kapacitor would wait for it"
                );
                self.reported.insert(function.clone(), reason);
            }
        }
    }
}
