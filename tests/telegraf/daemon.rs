//! Runs Telegraf with one processor.
//!
//! [`once`] puts all points through it and measures that; [`Live`] is a Telegraf that keeps running, whose
//! input and output a test sees point by point.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tempfile::TempDir;

use super::binary;

/// Maximum time that a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Interval between two looks at what a test waits for.
const POLL: Duration = Duration::from_millis(10);

/// Number of lines of the log that are shown for a test that failed.
const TAIL: usize = 40;

/// What all configurations begin with. Times stay as they are, and the output has room for all points of
/// a test, since Telegraf drops the oldest points of an output that is full.
const AGENT: &str = r#"
[agent]
  interval = "1s"
  flush_interval = "1s"
  precision = "1ns"
  omit_hostname = true
  metric_batch_size = {batch}
  metric_buffer_limit = 1000000

[[outputs.file]]
  files = ["output.lp"]
  influx_uint_support = true
"#;

/// Input of [`once`].
const FILE: &str = r#"
[[inputs.file]]
  files = ["input.lp"]
"#;

/// Input of [`Live`].
const SOCKET: &str = r#"
[[inputs.socket_listener]]
  service_address = "unix://{folder}/input.sock"
"#;

/// What a run of Telegraf has left.
pub struct Ended {
    /// How Telegraf ended.
    pub status: ExitStatus,
    /// The points that came out, as line protocol.
    pub output: String,
    /// What Telegraf and its processor have logged.
    pub log: String,
    /// Time from the start of Telegraf to its end.
    pub elapsed: Duration,
    /// CPU time of Telegraf and of the processes that it has started and waited for.
    pub cpu: Duration,
}

/// Starts Telegraf with `--once`: it reads `input`, which is line protocol, puts it through `processor`,
/// ends the processor, writes what came out, and ends. `processor` is the part of telegraf.conf for it,
/// or empty; `files` are files of the folder in which all of this runs, by name. Returns `None` if the test
/// is to be skipped. Telegraf may lose what a process has written just before it ended.
///
/// # Panics
///
/// If Telegraf does not end within [`PATIENCE`].
#[track_caller]
pub fn once(processor: &str, files: &[(&str, &str)], input: &str) -> Option<Ended> {
    let mut telegraf = Telegraf::new(processor, files, FILE, 1_000)?;
    fs::write(telegraf.path("input.lp"), input).expect("a file can be written");
    telegraf.start(&["--once"]);
    Some(telegraf.wait())
}

/// A Telegraf that keeps running.
pub struct Live {
    telegraf: Telegraf,
    input: Option<UnixStream>,
}

impl Live {
    /// Starts Telegraf and waits until it takes points; parameters and result are as for [`once`].
    ///
    /// # Panics
    ///
    /// If Telegraf ends, or takes no points within [`PATIENCE`].
    #[track_caller]
    pub fn start(processor: &str, files: &[(&str, &str)]) -> Option<Self> {
        // Each point is written as soon as it comes out.
        let mut telegraf = Telegraf::new(processor, files, SOCKET, 1)?;
        telegraf.start(&[]);
        let mut live = Self { telegraf, input: None };
        live.connect();
        Some(live)
    }

    /// Sends points to Telegraf, as line protocol. Each line is a point, so strings can't have line breaks.
    ///
    /// # Panics
    ///
    /// If Telegraf takes no input.
    #[track_caller]
    pub fn write(&mut self, lines: &str) {
        let input = self.input.as_mut().expect("Telegraf takes points");
        input.write_all(lines.as_bytes()).expect("Telegraf takes points");
    }

    /// The points that have come out so far.
    pub fn output(&self) -> String {
        self.telegraf.output()
    }

    /// What Telegraf and its processor have logged.
    pub fn log(&self) -> String {
        self.telegraf.log()
    }

    /// Waits until `look` finds something in this Telegraf, which must run meanwhile.
    ///
    /// # Panics
    ///
    /// After [`PATIENCE`], with `what`, the name of what was waited for.
    #[track_caller]
    pub fn wait_for<T>(&mut self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            let ended = self.telegraf.child().try_wait().expect("a child can be waited for");
            assert!(ended.is_none(), "Telegraf ended before: {what}: {}", ended.unwrap_or_default());
            assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}");
            thread::sleep(POLL);
        }
    }

    /// Makes Telegraf read its configuration again, which ends the processor and starts it anew, and waits
    /// until it takes points again.
    ///
    /// # Panics
    ///
    /// As [`Live::start`] does.
    #[track_caller]
    pub fn reload(&mut self) {
        let starts = |live: &Self| live.log().matches("Starting Telegraf").count();
        let before = starts(self);
        self.input = None;
        self.telegraf.signal(Signal::HUP);
        self.wait_for("Telegraf starts anew", |live| (starts(live) > before).then_some(()));
        self.connect();
    }

    /// Ends Telegraf as an operator would, with SIGTERM.
    ///
    /// # Panics
    ///
    /// If it does not end within [`PATIENCE`].
    #[track_caller]
    pub fn stop(self) -> Ended {
        self.telegraf.signal(Signal::TERM);
        self.telegraf.wait()
    }

    #[track_caller]
    fn connect(&mut self) {
        let socket = self.telegraf.path("input.sock");
        let input = self.wait_for("Telegraf takes points", |_| UnixStream::connect(&socket).ok());
        self.input = Some(input);
    }
}

/// A folder with telegraf.conf, and the process that runs in it.
struct Telegraf {
    program: &'static Path,
    folder: TempDir,
    child: Option<(Child, Instant)>,
}

impl Telegraf {
    #[track_caller]
    fn new(processor: &str, files: &[(&str, &str)], input: &str, batch: usize) -> Option<Self> {
        let program = binary::find_or_skip()?;
        let folder = TempDir::with_prefix("kw-").expect("a temporary folder can be made");
        let agent = AGENT.replace("{batch}", &batch.to_string());
        let input = input.replace("{folder}", &folder.path().display().to_string());
        let config = format!("{agent}{input}{processor}");
        for (name, text) in [("telegraf.conf", config.as_str())].iter().chain(files) {
            fs::write(folder.path().join(name), text).expect("a file can be written");
        }
        Some(Self { program, folder, child: None })
    }

    fn start(&mut self, args: &[&str]) {
        let log = File::create(self.path("telegraf.log")).expect("a log can be made");
        let mut command = Command::new(self.program);
        command.env_clear().env("HOME", self.folder.path()).env("PATH", "/usr/bin:/bin");
        command.args(["--config", "telegraf.conf", "--debug"]).args(args);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a file can be shared")).stderr(log);
        let start = Instant::now();
        let child = command.spawn();
        let child = child.unwrap_or_else(|e| panic!("{} can't be started: {e}", self.program.display()));
        self.child = Some((child, start));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn output(&self) -> String {
        self.read("output.lp")
    }

    fn log(&self) -> String {
        self.read("telegraf.log")
    }

    /// The content of a file, which is empty while there is no such file.
    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path(name)).unwrap_or_default()).into_owned()
    }

    fn child(&mut self) -> &mut Child {
        &mut self.child.as_mut().expect("Telegraf was started").0
    }

    fn signal(&self, signal: Signal) {
        let (child, _) = self.child.as_ref().expect("Telegraf was started");
        kill_process(Pid::from_child(child), signal).expect("Telegraf runs");
    }

    /// Waits until Telegraf has ended.
    #[track_caller]
    fn wait(mut self) -> Ended {
        let (child, start) = self.child.as_ref().expect("Telegraf was started");
        let start = *start;
        let pid = Pid::from_child(child);
        // The process stays in the process table, with its CPU time.
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while waitid(WaitId::Pid(pid), look).expect("a child can be waited for").is_none() {
            assert!(start.elapsed() < PATIENCE, "Telegraf has not ended within {PATIENCE:?}");
            thread::sleep(POLL);
        }
        let elapsed = start.elapsed();
        let cpu = cpu_time(pid);
        let status = self.child().wait().expect("a child can be waited for");
        Ended { status, output: self.output(), log: self.log(), elapsed, cpu }
    }
}

impl Drop for Telegraf {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            let log = self.log();
            // This line comes each second.
            let lines: Vec<_> = log.lines().filter(|line| !line.contains("Buffer fullness")).collect();
            let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
            eprintln!("--- the last lines of Telegraf's log\n{tail}\n");
        }
    }
}

/// CPU time of a process and of its children that were waited for (`proc_pid_stat(5)`, fields 14 to 17).
fn cpu_time(pid: Pid) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process has not been waited for");
    // The name of the program, in parentheses, may have spaces; the field after it is the third.
    let (_, fields) = stat.rsplit_once(") ").expect("the name is in parentheses");
    let ticks = fields.split(' ').skip(11).take(4);
    let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second())
}
