//! A unix socket as an endpoint.

use std::fs;
use std::future;
use std::io;
use std::mem;
use std::os::unix::fs::{FileTypeExt, MetadataExt as _, PermissionsExt};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::net::UnixListener;
use tokio::sync::watch;
use tracing::warn;

use crate::config::Config;
use crate::faults::keep_task;
use crate::folder::check_writable;
use crate::protocol::put_error;
use crate::session;
use crate::session::{Link, Session};
use crate::shared::Shared;

/// Maximum length of the path of a unix socket in bytes, on Linux.
const MAX_SOCKET_PATH: usize = 107;

/// Interval after which a connection is accepted again, where the system has refused it.
const RETRY: Duration = Duration::from_millis(100);

/// Minimum interval between two warnings of connections that were not accepted.
const QUIET: Duration = Duration::from_secs(10);

/// A socket that Kapacitor can connect to.
pub struct Socket {
    listener: UnixListener,
    /// Whether systemd owns the file of the socket. Otherwise the file is deleted with this.
    owned_by_systemd: bool,
    /// The file, unless systemd owns it.
    own: Option<SocketFile>,
}

/// The path of the socket of a function.
pub fn socket_path(config: &Config, function: &str) -> PathBuf {
    config.socket_dir.join(format!("{function}.sock"))
}

/// The path of a function's socket, if a socket can have it.
fn checked_path(config: &Config, function: &str) -> Result<PathBuf> {
    let path = socket_path(config, function);
    check_length(&path, "choose a shorter socket-dir, or a shorter name for the plugin")?;
    Ok(path)
}

fn check_length(path: &Path, advice: &str) -> Result<()> {
    if path.as_os_str().len() > MAX_SOCKET_PATH {
        let shown = path.display();
        bail!("{shown}: the path of a socket has at most {MAX_SOCKET_PATH} bytes: {advice}");
    }
    Ok(())
}

/// Checks the path of a function's socket, without creating it.
///
/// # Errors
///
/// As [`Socket::bind`].
pub fn check(config: &Config, function: &str) -> Result<()> {
    found_at(&checked_path(config, function)?).map(|_| ())
}

/// Whether a process serves the socket of a function now.
pub fn is_served(config: &Config, function: &str) -> bool {
    matches!(found_at(&socket_path(config, function)), Ok(Found::Served))
}

/// Checks that sockets can be made in the folder of all sockets, or that it can be made.
///
/// # Errors
///
/// What is wrong with it, and what to do.
pub fn check_folder(config: &Config) -> Result<()> {
    check_writable(&config.socket_dir).context("socket-dir")
}

/// Checks the group of all sockets.
///
/// # Errors
///
/// When this machine does not have it.
pub fn check_group(config: &Config) -> Result<()> {
    config.socket_group.as_deref().map_or(Ok(()), |group| group_id(group).map(|_| ()))
}

impl Socket {
    /// Creates the socket of `function`. A socket that no process listens on any more is replaced; anything else at
    /// its path is refused.
    ///
    /// # Errors
    ///
    /// The path, what is wrong, and what to do.
    pub fn bind(config: &Config, function: &str) -> Result<Self> {
        let path = checked_path(config, function)?;
        let (listener, file) = SocketFile::bind(&path, config)?;
        Ok(Self { own: Some(file), listener, owned_by_systemd: false })
    }

    /// The socket at `path` that systemd has created. Systemd owns the file: it keeps its mode and its owner, and
    /// stays.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn from_systemd(path: &Path, listener: StdUnixListener) -> Result<Self> {
        let listener = listener.set_nonblocking(true).and_then(|()| UnixListener::from_std(listener));
        let shown = path.display();
        let listener = listener.with_context(|| {
            format!("{shown}: the socket from systemd can't be served: restart kapacitor-wasm.socket")
        })?;
        Ok(Self { listener, owned_by_systemd: true, own: None })
    }

    /// The socket's file, unless systemd owns that.
    pub fn own_file(&self) -> Option<OwnFile> {
        self.own.as_ref().and_then(|file| file.own.clone())
    }

    /// Accepts connections and serves each in a session of its own: for ever or, if systemd holds the connections
    /// for the next host, until this one stops.
    pub async fn serve(self, shared: Arc<Shared>, function: String) {
        keep_task(|| self.accept(&shared, &function)).await;
    }

    async fn accept(&self, shared: &Arc<Shared>, function: &str) {
        // The host stops once no receiver is left.
        let mut stopping = self.owned_by_systemd.then(|| shared.stopping());
        let mut complaints = Complaints { function: function.to_owned(), last: None, more: 0 };
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop(stopping.as_mut()) => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => match shared.budget().connection() {
                    Ok(permit) => {
                        // As `udf.toml` describes it now. A function that was served once is there for ever.
                        let Ok(function) = shared.function(function) else { continue };
                        let shared = Arc::clone(shared);
                        let session = Session::new(shared, function, Link::socket(stream));
                        tokio::spawn(async move {
                            session.run().await;
                            drop(permit);
                        });
                    }
                    Err(error) => {
                        let error = error.to_string();
                        complaints.warn(&error);
                        let mut response = Vec::new();
                        put_error(error, &mut response);
                        // A new connection has room for a few bytes.
                        let _ = stream.try_write(&response);
                    }
                },
                Err(e) => {
                    complaints.warn(&e.to_string());
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}

/// The file of a socket that this process has made, and deletes when this is dropped.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    own: Option<OwnFile>,
}

impl SocketFile {
    /// Makes a socket at `path`, with the mode and the group of all sockets. A socket that no process listens on any
    /// more is replaced; anything else there is refused. Call it within a runtime.
    ///
    /// # Errors
    ///
    /// The path, what is wrong, and what to do.
    pub fn bind(path: &Path, config: &Config) -> Result<(UnixListener, Self)> {
        let shown = path.display();
        check_length(path, "choose a shorter one")?;
        remove_stale(path)?;
        let listener = UnixListener::bind(path).with_context(|| {
            format!("{shown}: the socket can't be made: check its folder and the folder's permissions")
        })?;
        let file = Self { path: path.to_owned(), own: OwnFile::at(path) };
        permit(path, config)?;
        Ok((listener, file))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another process may have put its own socket there.
        if self.own.as_ref().is_some_and(OwnFile::is_there) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The file of a socket that the host has made.
#[derive(Clone, Debug)]
pub struct OwnFile {
    /// Where it was made.
    pub path: PathBuf,
    /// Its device and inode.
    id: (u64, u64),
}

impl OwnFile {
    fn at(path: &Path) -> Option<Self> {
        id_of(path).ok().map(|id| Self { path: path.to_owned(), id })
    }

    /// Whether it is still there. Where that can't be known, it is.
    pub fn is_there(&self) -> bool {
        match id_of(&self.path) {
            Ok(id) => id == self.id,
            Err(e) => e.kind() != io::ErrorKind::NotFound,
        }
    }
}

fn id_of(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Warnings of connections that were not accepted, at most one in [`QUIET`].
struct Complaints {
    function: String,
    last: Option<Instant>,
    /// Number of connections that were not accepted since the last warning.
    more: u64,
}

impl Complaints {
    fn warn(&mut self, err: &str) {
        if self.last.is_some_and(|last| last.elapsed() < QUIET) {
            self.more += 1;
            return;
        }
        let more = mem::take(&mut self.more).to_string();
        warn!(function = self.function.as_str(), err, more, "a connection was not accepted");
        self.last = Some(Instant::now());
    }
}

/// Gives a socket that the host has made its mode and its group.
///
/// # Errors
///
/// What the process may not do.
pub fn permit(path: &Path, config: &Config) -> Result<()> {
    let shown = path.display();
    if let Some(group) = config.socket_group.as_deref() {
        let gid = group_id(group)?;
        std::os::unix::fs::chown(path, None, Some(gid)).with_context(|| {
            format!("{shown}: the socket can't be given to group {group}: this process must belong to it")
        })?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(config.socket_mode.0))
        .with_context(|| format!("{shown}: the socket can't be given its mode"))
}

/// Waits until the host is to stop; for ever without a receiver.
async fn stop(stopping: Option<&mut watch::Receiver<bool>>) {
    match stopping {
        Some(stopping) => session::stop(stopping).await,
        None => future::pending().await,
    }
}

/// What is at the path of a socket.
enum Found {
    Nothing,
    /// A socket that no process listens on.
    Stale,
    /// A socket that a process serves.
    Served,
}

/// What is at `path`.
///
/// # Errors
///
/// When it is something else than a socket, or can't be looked at.
fn found_at(path: &Path) -> Result<Found> {
    let shown = path.display();
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Found::Nothing);
        }
        Err(e) => return Err(e).with_context(|| format!("{shown}: can't be looked at")),
    };
    if !metadata.file_type().is_socket() {
        bail!("{shown}: there is something that is not a socket: move it away or choose another socket-dir");
    }
    match StdUnixStream::connect(path) {
        Ok(_) => Ok(Found::Served),
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => Ok(Found::Stale),
        // Its queue of connections is full.
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(Found::Served),
        Err(e) => {
            Err(e).with_context(|| format!("{shown}: can't tell whether another process serves this socket"))
        }
    }
}

fn remove_stale(path: &Path) -> Result<()> {
    let shown = path.display();
    match found_at(path)? {
        Found::Nothing => Ok(()),
        Found::Stale => {
            fs::remove_file(path).with_context(|| format!("{shown}: the stale socket can't be removed"))
        }
        Found::Served => {
            bail!("{shown}: another process serves this socket: stop it or choose another socket-dir")
        }
    }
}

/// The number of a group, by number or by name.
fn group_id(group: &str) -> Result<u32> {
    if let Ok(id) = group.parse() {
        return Ok(id);
    }
    let groups = fs::read_to_string("/etc/group")
        .context("socket-group: /etc/group can't be read: give the group's number")?;
    let line = groups.lines().find_map(|line| {
        let mut parts = line.split(':');
        (parts.next() == Some(group)).then(|| parts.nth(1).and_then(|id| id.parse().ok()))?
    });
    line.with_context(|| format!("socket-group: there is no group `{group}` on this machine"))
}
