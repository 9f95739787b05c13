//! Sockets from systemd, which creates them before the host starts and keeps them while it does not run.
//!
//! Kapacitor can then connect at any time: it waits for an answer, and never finds a socket missing.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use listenfd::ListenFd;
use tracing::warn;

/// The sockets that systemd has passed to this process and that no function has taken yet.
#[derive(Default)]
pub struct InheritedSockets(Vec<UnixListener>);

impl InheritedSockets {
    /// Takes them over, so that no child process inherits them.
    ///
    /// To be called before there are threads or open files, since it changes the environment and relies on the
    /// numbers of file descriptors.
    ///
    /// # Errors
    ///
    /// When systemd passes anything other than unix sockets.
    pub fn from_env() -> Result<Self> {
        let mut fds = ListenFd::from_env();
        let sockets = (0..fds.len()).filter_map(|index| fds.take_unix_listener(index).transpose());
        sockets.collect::<Result<_, _>>().map(Self).context(
            "systemd passes what Kapacitor can't connect to: use kapacitor-wasm.socket as `kapacitor-wasm config --systemd` prints it",
        )
    }

    /// Whether there are any left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the socket at `path`. Systemd passes the sockets in any order, under names that the unit may choose;
    /// Kapacitor connects to the path.
    pub fn take(&mut self, path: &Path) -> Option<UnixListener> {
        let wanted = resolved(path)?;
        let index = self.0.iter().position(|socket| {
            path_of(socket).is_some_and(|path| resolved(&path).as_ref() == Some(&wanted))
        })?;
        Some(self.0.swap_remove(index))
    }

    /// Closes the sockets that are left, with a warning for each.
    pub fn close(self) {
        for socket in self.0 {
            let path =
                path_of(&socket).map_or("(without a path)".to_owned(), |path| path.display().to_string());
            warn!(
                socket = path,
                "systemd passes a socket of no function, it is closed: take it out of kapacitor-wasm.socket, or print that again with `kapacitor-wasm config --systemd`"
            );
        }
    }
}

/// The path that a socket was bound to.
fn path_of(socket: &UnixListener) -> Option<PathBuf> {
    socket.local_addr().ok()?.as_pathname().map(Path::to_owned)
}

/// The path of a socket with the links on the way to it followed, as /var/run is one to /run.
fn resolved(path: &Path) -> Option<PathBuf> {
    let folder = std::path::absolute(path).ok()?;
    Some(fs::canonicalize(folder.parent()?).ok()?.join(path.file_name()?))
}
