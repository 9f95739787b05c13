//! The host: the real binary, as a child process with a folder of its own.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow, bail};
use kapacitor_wasm::protocol::client::Client;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use toml::{Table, Value};

/// Configuration file that is read where no flag names another.
const CONFIG: &str = "udf.toml";

/// Message of systemd's readiness protocol (`sd_notify(3)`), which the host sends once its sockets are
/// there.
const READY: &[u8] = b"READY=1";

/// Message that the demo sends to itself when the host has ended.
const ENDED: &[u8] = b"ENDED";

/// Longest path of the folder for temporary files, in bytes. The path of a socket has at most 107.
const MAX_TEMP_DIR: usize = 40;

/// What the host is started with.
pub struct Settings<'a> {
    /// The program `kapacitor-wasm`.
    pub program: &'a Path,
    /// The operator's configuration file.
    pub config: Option<&'a Path>,
    /// Folder of the plugins, if it is not the one of the configuration file.
    pub plugins_dir: Option<&'a Path>,
    /// Minimum log level.
    pub log_level: &'a str,
}

/// A running host. It is ended when this is dropped.
pub struct Host {
    child: Child,
    /// Copies the log to stderr, and returns everything else that the host said there.
    stderr: Option<JoinHandle<String>>,
    plugins_dir: PathBuf,
    /// `udf.toml`, the sockets and the state.
    folder: TempDir,
}

impl Host {
    /// Starts the host, and waits until its sockets are there.
    ///
    /// # Errors
    ///
    /// With the host's own message if it ends instead.
    pub fn start(settings: &Settings<'_>) -> Result<Self> {
        let folder = temporary_folder()?;
        let Configuration { table, plugins_dir } = Configuration::of(settings)?.in_folder(folder.path())?;
        let config = folder.path().join(CONFIG);
        fs::write(&config, table.to_string())
            .with_context(|| format!("{}: the file can't be written", config.display()))?;

        let notify = folder.path().join("notify");
        let notified = UnixDatagram::bind(&notify)
            .with_context(|| format!("{}: the socket can't be made", notify.display()))?;
        let mut child = Command::new(settings.program)
            .args(["serve", "--log-level", settings.log_level, "--config"])
            .arg(&config)
            .env("NOTIFY_SOCKET", &notify)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| {
                format!("{}: can't be run: name the program with --host", settings.program.display())
            })?;
        let stderr = child.stderr.take().context("the host has no stderr")?;
        let stderr = thread::spawn(move || {
            let message = copy_log(stderr);
            // Nobody receives this if the host ends after it was ready.
            let _ = UnixDatagram::unbound().and_then(|socket| socket.send_to(ENDED, notify));
            message
        });
        let mut host = Self { child, stderr: Some(stderr), plugins_dir, folder };
        host.wait_until_ready(&notified)?;
        Ok(host)
    }

    fn wait_until_ready(&mut self, notified: &UnixDatagram) -> Result<()> {
        let mut message = [0; 256];
        loop {
            let length = notified.recv(&mut message).context("the host can't be waited for")?;
            let mut lines = message[..length].split(|byte| *byte == b'\n');
            if lines.any(|line| line == READY) {
                return Ok(());
            }
            if &message[..length] == ENDED {
                return Err(self.failure());
            }
        }
    }

    /// Why the host ended.
    fn failure(&mut self) -> anyhow::Error {
        let status = self.child.wait();
        let message = self.stderr.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let message = message.trim().trim_start_matches("kapacitor-wasm: ");
        match status {
            _ if !message.is_empty() => anyhow!("{message}"),
            Ok(status) => anyhow!("the host ended with {status}"),
            Err(error) => anyhow!("the host ended: {error}"),
        }
    }

    /// Connects to the function that a plugin is.
    ///
    /// # Errors
    ///
    /// When there is no such plugin.
    pub fn connect(&self, plugin: &str) -> Result<Client> {
        let socket = self.folder.path().join(format!("{plugin}.sock"));
        match Client::connect(&socket) {
            Ok(client) => Ok(client),
            Err(e) if e.kind() == ErrorKind::NotFound => bail!(
                "no plugin {plugin} in {}: put {plugin}.wasm there, or choose another folder with --plugins-dir",
                self.plugins_dir.display()
            ),
            Err(e) => Err(e).with_context(|| format!("{}: can't connect", socket.display())),
        }
    }

    /// Ends the host as systemd does, and waits for its end.
    ///
    /// # Errors
    ///
    /// When the host does not end as it should.
    pub fn stop(mut self) -> Result<()> {
        self.terminate();
        if self.child.wait()?.success() { Ok(()) } else { Err(self.failure()) }
    }

    fn terminate(&self) {
        // The host may have ended by itself; its exit code tells.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.terminate();
            let _ = self.child.wait();
        }
        if let Some(stderr) = self.stderr.take() {
            let _ = stderr.join();
        }
    }
}

/// What the operator's `udf.toml` says, and where it says that the plugins are.
#[derive(Debug)]
struct Configuration {
    table: Table,
    /// Absolute, because the host's own `udf.toml` is in another folder.
    plugins_dir: PathBuf,
}

impl Configuration {
    fn of(settings: &Settings<'_>) -> Result<Self> {
        let default = Path::new(CONFIG);
        let file = settings.config.or_else(|| default.exists().then_some(default));
        let table = match file {
            Some(file) => {
                let text = fs::read_to_string(file).with_context(|| {
                    format!("{} can't be read: name another file with --config", file.display())
                })?;
                text.parse::<Table>().with_context(|| file.display().to_string())?
            }
            None if settings.plugins_dir.is_some() => Table::new(),
            None => bail!(
                "there is no {CONFIG} in this folder: choose one with --config, or only the folder of the plugins with --plugins-dir"
            ),
        };
        let plugins_dir = match settings.plugins_dir {
            Some(dir) => dir.to_owned(),
            None => {
                let dir = table.get("plugins-dir").map_or(Some("plugins"), Value::as_str);
                let dir = dir.context("plugins-dir must be the path of a folder")?;
                file.and_then(Path::parent).unwrap_or(Path::new("")).join(dir)
            }
        };
        Ok(Self { table, plugins_dir: std::path::absolute(plugins_dir)? })
    }

    /// Has the host keep its sockets and its state in `folder`, for its own user alone.
    fn in_folder(mut self, folder: &Path) -> Result<Self> {
        for (key, dir) in [
            ("plugins-dir", self.plugins_dir.as_path()),
            ("socket-dir", folder),
            ("state-dir", &folder.join("state")),
        ] {
            let dir = dir.to_str().with_context(|| format!("{}: the path is not UTF-8", dir.display()))?;
            self.table.insert(key.to_owned(), Value::String(dir.to_owned()));
        }
        self.table.remove("socket-group");
        Ok(self)
    }
}

/// Makes a folder for the sockets, whose paths must be short.
fn temporary_folder() -> Result<TempDir> {
    let parent = env::temp_dir();
    let parent = if parent.as_os_str().len() > MAX_TEMP_DIR { Path::new("/tmp") } else { &parent };
    tempfile::Builder::new()
        .prefix("kapacitor-wasm-")
        .tempdir_in(parent)
        .with_context(|| format!("{}: no folder can be made there: set TMPDIR", parent.display()))
}

/// Copies the lines of the log to stderr as they come, and returns the other lines at the end.
fn copy_log(stderr: ChildStderr) -> String {
    let mut message = String::new();
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        if line.starts_with("ts=") {
            eprintln!("{line}");
        } else {
            message.push_str(&line);
            message.push('\n');
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_operators_limits_and_policies_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("own.toml");
        let text = "plugins-dir = \"wasm\"\nsocket-dir = \"/run/x\"\nsocket-group = \"x\"\n[limits]\nmemory = \"1MiB\"\n";
        fs::write(&file, text).unwrap();
        let mut settings =
            Settings { program: Path::new(""), config: Some(&file), plugins_dir: None, log_level: "error" };
        let own = |settings: &Settings<'_>| {
            Configuration::of(settings).unwrap().in_folder(Path::new("/tmp/demo")).unwrap()
        };
        let Configuration { table, plugins_dir } = own(&settings);
        assert_eq!(plugins_dir, folder.path().join("wasm"));
        let wasm = plugins_dir.display();
        let expected = format!(
            "plugins-dir = \"{wasm}\"\nsocket-dir = \"/tmp/demo\"\nstate-dir = \"/tmp/demo/state\"\n[limits]\nmemory = \"1MiB\"\n"
        );
        assert_eq!(table, expected.parse().unwrap());

        settings.plugins_dir = Some(Path::new("/other"));
        assert_eq!(own(&settings).table["plugins-dir"].as_str(), Some("/other"));
    }

    #[test]
    fn a_host_that_does_not_start_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("host");
        let script = "#!/bin/sh\necho 'kapacitor-wasm: there is\nno plugin' >&2; exit 1\n";
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).unwrap();
        let settings = Settings {
            program: &program,
            config: None,
            plugins_dir: Some(folder.path()),
            log_level: "error",
        };
        let error = Host::start(&settings).err().unwrap();
        assert_eq!(format!("{error:#}"), "there is\nno plugin");
    }
}
