//! What is measured: processes that answer over unix sockets.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kapacitor_wasm::protocol::Option as UdfOption;
use kapacitor_wasm::protocol::client::Client;
use tempfile::TempDir;

use crate::ROOT;

/// The host that is measured.
const PROGRAM: &str = env!("CARGO_BIN_EXE_kapacitor-wasm");

/// How long a server may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process, ended with its owner.
pub struct Server(Child);

impl Server {
    /// Starts it, with a socket as stdin and stdout if there is one.
    pub fn spawn(command: &mut Command, socket: Option<UnixStream>) -> Result<Self> {
        match socket {
            Some(socket) => {
                let stdin: OwnedFd = socket.try_clone()?.into();
                // Agents greet on stderr.
                command.stdin(stdin).stdout(OwnedFd::from(socket)).stderr(Stdio::null());
            }
            None => {
                command.stdin(Stdio::null()).stdout(Stdio::null());
            }
        }
        let shown = command.get_program().display().to_string();
        Ok(Self(command.spawn().with_context(|| shown)?))
    }

    /// Starts it, and waits until `socket` can be connected to.
    pub fn listening(command: &mut Command, socket: &Path) -> Result<Self> {
        let mut server = Self::spawn(command, None)?;
        let deadline = Instant::now() + PATIENCE;
        while UnixStream::connect(socket).is_err() {
            if let Some(status) = server.0.try_wait()? {
                bail!("{} ended with {status}", command.get_program().display());
            }
            ensure!(Instant::now() < deadline, "{} does not come up", socket.display());
            thread::sleep(Duration::from_millis(1));
        }
        Ok(server)
    }

    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.0.try_wait()?.is_none())
    }

    /// CPU time used so far, user and system, by all threads.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        // Fields 14 and 15, in ticks; the second field is a name in parentheses.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks: u64 =
            fields.get(11..13).context("no times in /proc")?.iter().flat_map(|t| t.parse::<u64>()).sum();
        Ok(Duration::from_nanos(ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second()))
    }

    /// Resident memory, in bytes.
    pub fn resident(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024.0)
    }

    /// Asks it to end, and waits for that.
    pub fn stop(mut self) -> Result<()> {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Something that can be talked to as Kapacitor talks to a UDF.
pub enum Target {
    /// A server with a socket.
    Socket(Rc<Server>, PathBuf),
    /// A program that is started for each connection, with a unix socket as stdin and stdout.
    Program(Box<dyn Fn() -> Command>),
    /// A server that is started for each connection, and listens at the socket.
    Server(Box<dyn Fn() -> Command>, PathBuf),
}

/// A connection, and what is at its other end.
pub struct Connection {
    /// Kapacitor's side.
    pub client: Client,
    /// The process at the other end.
    pub server: Rc<Server>,
}

impl Target {
    /// A server that listens at `socket` once it is up.
    pub fn listening(command: &mut Command, socket: PathBuf) -> Result<Self> {
        Ok(Self::Socket(Rc::new(Server::listening(command, &socket)?), socket))
    }

    /// Connects, and starts a task if there are options.
    pub fn connect(&self, options: Option<&[UdfOption]>) -> Result<Connection> {
        let mut connection = match self {
            Self::Socket(server, path) => {
                let client = Client::connect(path).with_context(|| path.display().to_string())?;
                Connection { client, server: Rc::clone(server) }
            }
            Self::Program(command) => {
                let (ours, theirs) = UnixStream::pair()?;
                let server = Server::spawn(&mut command(), Some(theirs))?;
                Connection { client: Client::over_socket(ours)?, server: Rc::new(server) }
            }
            Self::Server(command, path) => {
                // The one before may have left it behind.
                let _ = fs::remove_file(path);
                let server = Server::listening(command().stderr(Stdio::null()), path)?;
                Connection { client: Client::connect(path)?, server: Rc::new(server) }
            }
        };
        if let Some(options) = options {
            let response = connection.client.init("bench", options.to_vec())?;
            ensure!(response.success, "{}", response.error);
        }
        Ok(connection)
    }
}

/// The host, with all plugins of the repository and the hand-written one.
pub struct Host {
    /// Its process.
    pub server: Rc<Server>,
    folder: TempDir,
}

impl Host {
    /// Starts it and waits for its plugins.
    pub fn start() -> Result<Self> {
        Self::start_with("")
    }

    /// The same with more in `udf.toml`.
    pub fn start_with(more: &str) -> Result<Self> {
        Self::start_in(folder_with_plugins(more)?)
    }

    /// Starts another build of the host.
    pub fn of_build(program: &Path) -> Result<Self> {
        Self::listening(program, folder_with_plugins("")?)
    }

    /// Starts it in a folder with plugins.
    pub fn start_in(folder: TempDir) -> Result<Self> {
        Self::listening(Path::new(PROGRAM), folder)
    }

    fn listening(program: &Path, folder: TempDir) -> Result<Self> {
        let mut command = command_of(program, folder.path());
        let server = Server::listening(&mut command, &folder.path().join("mirror.sock"))?;
        let host = Self { server: Rc::new(server), folder };
        // Is answered once all plugins are there.
        host.target("mirror").connect(None)?.client.info()?;
        Ok(host)
    }

    /// One of its functions.
    pub fn target(&self, function: &str) -> Target {
        Target::Socket(Rc::clone(&self.server), self.socket(function))
    }

    /// The command with which Kapacitor starts a function as a child of its own.
    pub fn stdio(&self, function: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["stdio", function, "--config"]).arg(self.folder.path().join("udf.toml"));
        command
    }

    /// The socket of a function.
    pub fn socket(&self, function: &str) -> PathBuf {
        self.folder.path().join(format!("{function}.sock"))
    }
}

/// Starts `program` for each connection to `socket`, with the connection as stdin and stdout, for ever.
pub fn accept(socket: &Path, program: &Path) -> Result<()> {
    let listener = UnixListener::bind(socket)?;
    for connection in listener.incoming() {
        let mut child = Server::spawn(&mut Command::new(program), Some(connection?))?;
        thread::spawn(move || child.0.wait());
    }
    Ok(())
}

/// The command that serves the folder's plugins.
pub fn command(folder: &Path) -> Command {
    command_of(Path::new(PROGRAM), folder)
}

fn command_of(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("serve").arg("--config").arg(folder.join("udf.toml"));
    command
}

/// A folder with a configuration that has `more` in it, and with the plugins that are measured.
fn folder_with_plugins(more: &str) -> Result<TempDir> {
    let folder = folder()?;
    let config = folder.path().join("udf.toml");
    fs::write(&config, fs::read_to_string(&config)? + more)?;
    let plugins = folder.path().join("plugins");
    fs::create_dir(&plugins)?;
    for name in ["mirror", "moving_avg", "outliers"] {
        let file = format!("{name}.wasm");
        fs::copy(Path::new(ROOT).join("plugins").join(&file), plugins.join(&file))?;
    }
    fs::copy(guest("hand_written"), plugins.join("hand_written.wasm"))?;
    Ok(folder)
}

/// A folder with a configuration.
pub fn folder() -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("kapacitor-wasm-").tempdir()?;
    let config = "log-level = \"warn\"\nsocket-dir = \".\"\nstate-dir = \"state\"\n";
    fs::write(folder.path().join("udf.toml"), config)?;
    Ok(folder)
}

/// A plugin of `tests/guests`, as `cargo plugins` has built it.
pub fn guest(name: &str) -> PathBuf {
    target().join("wasm32-unknown-unknown/plugin/examples").join(format!("{name}.wasm"))
}

/// Where Cargo builds.
pub fn target() -> PathBuf {
    let release = Path::new(PROGRAM).parent();
    release.and_then(Path::parent).map(Path::to_owned).unwrap_or_default()
}
