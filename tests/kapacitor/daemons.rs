//! Starting and stopping the processes of one test: kapacitord, InfluxDB and the host.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::api::Api;
use super::binaries::{self, Binaries};
use crate::support;

/// Maximum time that a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Interval between two looks at what a test waits for.
const POLL: Duration = Duration::from_millis(20);

/// Number of lines of each log that are shown for a test that failed.
const TAIL: usize = 40;

/// The configuration of the processes of a test.
#[derive(Clone, Copy)]
pub struct Setup<'a> {
    /// The plugins of the repository and of `tests/guests` that the host gets.
    pub plugins: &'a [&'a str],
    /// Further plugins: name and WAT.
    pub guests: &'a [(&'a str, &'a str)],
    /// Further plugins: name and file.
    pub files: &'a [(String, PathBuf)],
    /// Appended to `udf.toml`.
    pub udf_toml: &'a str,
    /// Kapacitor's `[task] snapshot-interval`.
    pub snapshot_interval: &'a str,
    /// Whether Kapacitor starts the host as a child process of its own for each task.
    pub stdio: bool,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self {
            plugins: &["moving_avg"],
            guests: &[],
            files: &[],
            udf_toml: "",
            snapshot_interval: "60s",
            stdio: false,
        }
    }
}

/// A kapacitord, an InfluxDB and a host, fresh ones for each test.
///
/// Fresh together: an InfluxDB that still has the subscription of another kapacitord would deliver
/// every point twice.
pub struct Stack {
    // In the order in which they are stopped.
    kapacitord: Option<Process>,
    host: Option<Process>,
    _influxd: Process,
    /// Both HTTP interfaces.
    pub api: Api,
    binaries: &'static Binaries,
    folder: TempDir,
}

impl Stack {
    /// Starts all three with two databases: Kapacitor is subscribed to `in` and not to `out`.
    /// Returns `None` if this machine can't run them and the test is to be skipped.
    #[track_caller]
    pub fn start(setup: Setup<'_>) -> Option<Self> {
        let binaries = binaries::find_or_skip()?;
        let folder = TempDir::with_prefix("kw-").expect("a temporary folder can be made");
        let ports = [(); 3].map(|()| free_port());
        write_configs(folder.path(), &setup, ports);
        let api = Api::new(ports[0], ports[1]);
        let mut influxd = Process::start(&binaries.influxd, &["-config", "influxdb.conf"], folder.path());
        influxd.wait_for("answers", |_| api.influxdb_is_up());
        for database in ["in", "out"] {
            api.query_influxdb(&format!("CREATE DATABASE \"{database}\""));
        }
        let mut stack = Self { kapacitord: None, host: None, _influxd: influxd, api, binaries, folder };
        if !setup.stdio {
            stack.start_host();
        }
        stack.start_kapacitord();
        let kapacitord = stack.kapacitord.as_mut().expect("it was started");
        kapacitord.wait_for("gets what InfluxDB is given", |_| {
            stack.api.write_influxdb("in", "probe value=1");
            stack.api.points_received("in", "probe") > 0
        });
        Some(stack)
    }

    /// Starts the host and waits until it serves.
    pub fn start_host(&mut self) {
        let args = ["serve", "--config", "udf.toml", "--log-level", "debug"];
        let host = self.host.insert(Process::start(Path::new(support::BINARY), &args, self.folder.path()));
        host.wait_for("is ready", |log| log.contains("msg=ready"));
    }

    /// Ends the host as an operator would.
    pub fn stop_host(&mut self) {
        self.host.take().expect("the host runs").stop();
    }

    /// Starts kapacitord and waits until it answers, which it does once its tasks are started.
    pub fn start_kapacitord(&mut self) {
        let args = ["-config", "kapacitor.conf"];
        let kapacitord = Process::start(&self.binaries.kapacitord, &args, self.folder.path());
        self.kapacitord.insert(kapacitord).wait_for("answers", |_| self.api.kapacitor_is_up());
    }

    /// Ends kapacitord as an operator would.
    pub fn stop_kapacitord(&mut self) {
        self.kapacitord.take().expect("kapacitord runs").stop();
    }

    /// The id of kapacitord's process, which still runs.
    pub fn kapacitord_id(&mut self) -> u32 {
        let kapacitord = self.kapacitord.as_mut().expect("kapacitord was started");
        kapacitord.assert_running("is looked at");
        kapacitord.child.id()
    }

    /// Maximum memory that kapacitord has had in RAM, in KiB.
    pub fn kapacitord_most_kib(&self) -> u64 {
        let id = self.kapacitord.as_ref().expect("kapacitord runs").child.id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).expect("kapacitord runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says it");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// The log of the host, over all its restarts.
    pub fn host_log(&self) -> String {
        self.host.as_ref().expect("the host runs").log()
    }

    /// The log of kapacitord, over all its restarts.
    pub fn kapacitord_log(&self) -> String {
        self.kapacitord.as_ref().expect("kapacitord runs").log()
    }

    /// Disables a task and waits until Kapacitor has noted how it ended; returns the error, if any.
    ///
    /// Kapacitor notes the end a little after it has answered, and writes the task's previous status with
    /// it: a task that is enabled meanwhile keeps running when it is disabled again. A UDF on a socket may
    /// end with "node aborted" or without an error.
    #[track_caller]
    pub fn disable_and_settle(&self, id: &str) -> String {
        let stopped = || {
            let log = self.kapacitord_log();
            let stopped = log.lines().filter(|line| line.contains("msg=\"stopped task\""));
            stopped.filter(|line| line.ends_with(&format!(" task={id}"))).count()
        };
        let before = stopped();
        self.api.set_status(id, "disabled");
        wait_for(&format!("Kapacitor notes how task {id} ended"), || {
            let task = self.api.task(id);
            assert_eq!(task["executing"], false, "task {id}");
            let error = task["error"].as_str().unwrap_or_default().to_owned();
            (!error.is_empty() || stopped() > before).then_some(error)
        })
    }

    /// A file of this test.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the `kapacitor` command.
    pub fn spawn_kapacitor(&self, args: &[&str]) -> Child {
        let mut command = clean_command(&self.binaries.kapacitor, self.folder.path());
        command.args(["-url", &self.api.kapacitor_url()]).args(args);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        child.expect("the kapacitor command can be run")
    }

    /// Runs the `kapacitor` command and returns what it prints.
    pub fn kapacitor(&self, args: &[&str]) -> String {
        let output = self.spawn_kapacitor(args).wait_with_output();
        let output = output.expect("the kapacitor command can be run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kapacitor {args:?}: {}: {said}", output.status);
        String::from_utf8(output.stdout).expect("kapacitor prints UTF-8")
    }
}

/// Waits until `look` finds something.
///
/// # Panics
///
/// After [`PATIENCE`], with `what`, the name of what was waited for.
#[track_caller]
pub fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    let Some(found) = poll(look) else { panic!("waited {PATIENCE:?} in vain: {what}") };
    found
}

/// Calls `look` until it finds something; `None` if it does not within [`PATIENCE`].
pub fn poll<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let found = look();
        if found.is_some() || start.elapsed() >= PATIENCE {
            return found;
        }
        thread::sleep(POLL);
    }
}

/// A running program. Its output goes to a log beside its configuration.
struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// Length of the log when the process started, in bytes.
    begin: usize,
}

impl Process {
    fn start(program: &Path, args: &[&str], folder: &Path) -> Self {
        let name = program.file_name().expect("a program is a file").to_string_lossy().into_owned();
        let path = folder.join(format!("{name}.log"));
        let log = File::options().append(true).create(true).open(&path).expect("a log can be made");
        let begin = log.metadata().expect("a log has a length").len() as usize;
        let child = clean_command(program, folder)
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn();
        let child = child.unwrap_or_else(|e| panic!("{} can't be started: {e}", program.display()));
        Self { name, child, log: path, begin }
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).expect("a log can be read")).into_owned()
    }

    /// Waits until `done` accepts the log of this process, which must run meanwhile.
    #[track_caller]
    fn wait_for(&mut self, what: &str, done: impl Fn(&str) -> bool) {
        wait_for(&format!("{} {what}", self.name.clone()), || {
            self.assert_running(what);
            done(&self.log()[self.begin..]).then_some(())
        });
    }

    #[track_caller]
    fn assert_running(&mut self, before: &str) {
        let ended = self.child.try_wait().expect("a child can be waited for");
        assert!(ended.is_none(), "{} ended before it {before}: {}", self.name, ended.unwrap_or_default());
    }

    /// Ends the process with SIGTERM and waits for it.
    fn stop(mut self) {
        self.assert_running("is stopped");
        let killed = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(killed.is_ok_and(|status| status.success()), "{} can't be sent SIGTERM", self.name);
        wait_for(&format!("{} ends after SIGTERM", self.name), || {
            self.child.try_wait().expect("a child can be waited for")
        });
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
            eprintln!("--- the last lines of {}'s log\n{tail}\n", self.name);
        }
    }
}

/// A command without the environment of the tests.
fn clean_command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", folder).current_dir(folder);
    command
}

/// A free port of 127.0.0.1.
///
/// The system's own choice for port 0 is not used: the same ports are given to outgoing connections,
/// of which the tests make many before a daemon gets to listen.
fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Another run of the tests begins at another port.
    let start = (process::id().wrapping_mul(97) % u32::from(COUNT)) as u16;
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(next < COUNT, "there is no free port from {FIRST} on");
        let port = FIRST + (start + next) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn write_configs(folder: &Path, setup: &Setup<'_>, [kapacitor, influxdb, backup]: [u16; 3]) {
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("a file can be written");
    fs::create_dir(folder.join("plugins")).expect("a folder can be made");
    for name in setup.plugins {
        let wasm = support::wasm(name);
        fs::write(folder.join(format!("plugins/{name}.wasm")), wasm).expect("a file can be written");
    }
    for (name, wat) in setup.guests {
        let wasm = wat::parse_str(wat).unwrap_or_else(|e| panic!("guest {name}: {e}"));
        fs::write(folder.join(format!("plugins/{name}.wasm")), wasm).expect("a file can be written");
    }
    for (name, file) in setup.files {
        fs::copy(file, folder.join(format!("plugins/{name}.wasm"))).expect("a file can be copied");
    }
    write("udf.toml", &format!("socket-dir = \"run\"\nstate-dir = \"state\"\n{}", setup.udf_toml));
    write(
        "influxdb.conf",
        &include_str!("influxdb.conf")
            .replace("{http}", &influxdb.to_string())
            .replace("{backup}", &backup.to_string()),
    );
    let base = include_str!("kapacitor.conf")
        .replace("{http}", &kapacitor.to_string())
        .replace("{influxdb}", &influxdb.to_string())
        .replace("{snapshot-interval}", setup.snapshot_interval);
    let mut command = clean_command(Path::new(support::BINARY), folder);
    command.args(["config", "--config", "udf.toml"]).args(setup.stdio.then_some("--stdio"));
    let functions = command.output().expect("kapacitor-wasm can be run");
    let said = String::from_utf8_lossy(&functions.stderr);
    assert!(functions.status.success(), "{command:?}: {}: {said}", functions.status);
    let functions = String::from_utf8(functions.stdout).expect("kapacitor-wasm prints UTF-8");
    write("kapacitor.conf", &(base + &functions));
}
