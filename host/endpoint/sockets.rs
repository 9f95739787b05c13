//! The sockets of all functions: those of the start, and of functions that come while the host runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use thiserror::Error;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::rights::{User, rights};
use super::socket::{Socket, check_folder, check_group, permit, socket_path};
use super::systemd::InheritedSockets;
use crate::config::Config;
use crate::faults::caught;
use crate::shared::{Current, Shared};

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
    /// The path of each socket that is open, by function; `None` if it is systemd's.
    open: BTreeMap<String, Option<PathBuf>>,
    /// What the log says already of functions without a socket.
    reported: BTreeMap<String, String>,
    changes: watch::Receiver<Current>,
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

    /// Makes the sockets of functions that come later, and gives all sockets the mode and group of a `udf.toml` that
    /// was read again; for as long as the host runs.
    pub async fn follow(mut self) {
        while self.changes.changed().await.is_ok() {
            // A fault concerns this change only.
            let _ = caught(|| self.adapt());
        }
    }

    /// Adapts to what is served now.
    fn adapt(&mut self) {
        let config = self.changes.borrow_and_update().config.clone();
        for path in self.open.values().flatten() {
            if let Err(e) = permit(path, &config) {
                warn!(err = format!("{e:#}"), "socket keeps its mode and group");
            }
        }
        let (opened, failed) = self.open_missing();
        self.report(&failed);
        for function in opened {
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
                    self.open.insert(name.clone(), socket.own_path());
                    opened.push(name.clone());
                    tokio::spawn(socket.serve(Arc::clone(&self.shared), name.clone()));
                }
                Err(reason) => failed.push(NoSocket { function: name.clone(), reason }),
            }
        }
        (opened, failed)
    }

    /// The socket of a function: systemd's, or one that is made.
    fn socket(&mut self, config: &Config, function: &str) -> Result<Socket> {
        let path = socket_path(config, function);
        if let Some(listener) = self.inherited.take(&path) {
            return Socket::from_systemd(path, listener);
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
