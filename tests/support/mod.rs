//! A host in a folder of its own, with the plugins of a test.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use kapacitor_wasm::protocol::client::Client;
use kapacitor_wasm::protocol::{
    BeginBatch, EndBatch, KeepaliveResponse, Point, RequestMessage, ResponseMessage, put_request,
};
use tempfile::TempDir;

pub mod browser;
pub mod failing_clock;
pub mod go;
pub mod hung_disk;
pub mod kapacitord;
pub mod preload;
pub mod skip;

/// The binary under test: the one that cargo has built for the tests, or the one that `KAPACITOR_WASM_BINARY` named when
/// they were compiled, such as the static one of `cargo xtask dist`.
pub const BINARY: &str = match option_env!("KAPACITOR_WASM_BINARY") {
    Some(binary) => binary,
    None => env!("CARGO_BIN_EXE_kapacitor-wasm"),
};

/// A policy under which a failure ends the task.
pub const FAIL: &str = "[policy]\non-trap = \"fail\"\n";

/// A plugin that computes for about 100 ms in each call, whatever the number of its points.
pub const SLOW: &str = r#"
    (module
      (memory (export "memory") 1)
      (data (i32.const 0) "\08\01")
      (func (export "kapacitor_udf_abi_1"))
      (func (export "udf_input") (param i32) (result i32)
        (drop (memory.grow (i32.const 64)))
        (i32.const 65536))
      (func (export "udf_info") (result i64) (i64.const 0))
      (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
      (func (export "udf_process") (param i32 i32) (result i64)
        (local $i i32)
        (local.set $i (i32.const 200000000))
        (loop $spin
          (local.set $i (i32.sub (local.get $i) (i32.const 1)))
          (br_if $spin (local.get $i)))
        (i64.const 0))
      (func (export "udf_finish") (result i64) (i64.const 0)))"#;

/// The folder of the repository.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A shell script that runs a command whose descriptors 3 and 4, where systemd passes sockets, are the stdin
/// and stdout of the script.
const ACTIVATE: &str = r#"exec 3<&0 4<&1 </dev/null >/dev/null; export LISTEN_PID=$$; exec "$0" "$@""#;

/// A folder with `udf.toml` and plugins.
pub struct Setup {
    pub folder: TempDir,
    /// Sockets that `serve` gets as if from systemd.
    passed: Vec<OwnedFd>,
    /// Shell commands that run before `serve` in the same process, such as `ulimit`.
    before: String,
    /// Environment of each process.
    env: Vec<(String, PathBuf)>,
}

impl Setup {
    /// A folder whose `udf.toml` has the settings that all tests need, and then `config`.
    pub fn new(config: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("kw-").tempdir().unwrap();
        fs::create_dir(folder.path().join("plugins")).unwrap();
        let setup = Self { folder, passed: Vec::new(), before: String::new(), env: Vec::new() };
        setup.configure(config);
        setup
    }

    /// Writes `udf.toml` anew: the settings that all tests need, and then `config`.
    pub fn configure(&self, config: &str) {
        let config = format!("socket-dir = \"run\"\nstate-dir = \"state\"\nlog-level = \"debug\"\n{config}");
        fs::write(self.config(), config).unwrap();
    }

    /// Adds plugins: from the repository, from `tests/guests/examples`, or from `tests/guests/wat`.
    pub fn with(self, plugins: &[&str]) -> Self {
        for plugin in plugins {
            self.add(plugin, plugin);
        }
        self
    }

    /// Adds one plugin under another name.
    pub fn add(&self, plugin: &str, name: &str) {
        fs::write(self.plugin(name), wasm(plugin)).unwrap();
    }

    /// Adds a plugin that is written in WAT.
    pub fn with_wat(self, name: &str, wat: &str) -> Self {
        fs::write(self.plugin(name), wat::parse_str(wat).unwrap_or_else(|e| panic!("{e}"))).unwrap();
        self
    }

    /// The path of the plugin `name`, which need not exist.
    pub fn plugin(&self, name: &str) -> PathBuf {
        self.folder.path().join("plugins").join(format!("{name}.wasm"))
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("udf.toml")
    }

    /// A command of the binary under test, with this configuration.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(args).arg("--config").arg(self.config()).stdin(Stdio::null());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs `serve` under a limit of the shell, such as `ulimit -n 300`.
    pub fn under(mut self, limit: &str) -> Self {
        limit.clone_into(&mut self.before);
        self
    }

    /// Sets a variable for each process.
    pub fn env(mut self, name: &str, value: PathBuf) -> Self {
        self.env.push((name.to_owned(), value));
        self
    }

    /// Passes a socket to each process of `serve` as systemd does, two at most.
    pub fn pass(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.passed.push(socket.into());
        self
    }

    /// Makes sockets in the folder, such as `run/mirror.sock`, and passes them.
    pub fn listen(self, paths: &[&str]) -> Self {
        paths.iter().fold(self, |setup, path| {
            let path = setup.folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            setup.pass(UnixListener::bind(path).unwrap())
        })
    }

    /// Runs a command; returns its exit code, stdout and stderr.
    pub fn run(&self, args: &[&str]) -> (i32, String, String) {
        let output = self.command(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Starts `serve` and waits until it is ready.
    pub fn serve(self) -> Host {
        let host = self.begin_to_serve();
        host.wait_for_log(&["msg=ready"]);
        host
    }

    /// Starts `serve`.
    pub fn begin_to_serve(self) -> Host {
        let log = self.folder.path().join("log");
        let child = self.spawn(&log);
        Host { setup: self, child, log }
    }

    /// Starts a process of `serve` that logs to `log`.
    fn spawn(&self, log: &Path) -> Child {
        let stderr = fs::File::create(log).unwrap();
        let mut serve = self.command(&["serve"]);
        if !self.passed.is_empty() {
            let activated = serve;
            serve = Command::new("sh");
            serve.args(["-c", ACTIVATE]).arg(activated.get_program()).args(activated.get_args());
            serve.env("LISTEN_FDS", self.passed.len().to_string());
        }
        if !self.before.is_empty() {
            let limited = serve;
            serve = Command::new("sh");
            serve.args(["-c", &format!("{}; exec \"$0\" \"$@\"", self.before)]);
            serve.arg(limited.get_program()).args(limited.get_args());
        }
        let mut passed = self.passed.iter().map(|socket| Stdio::from(socket.try_clone().unwrap()));
        let [first, second] = std::array::from_fn(|_| passed.next().unwrap_or_else(Stdio::null));
        assert!(passed.next().is_none(), "two sockets at most can be passed");
        serve.stdin(first).stdout(second).stderr(stderr).spawn().unwrap()
    }
}

/// A module of a few kilobytes that takes a minute to compile: nested loops, all of them
/// with many locals.
pub fn compile_bomb() -> String {
    let (loops, locals) = (3000, 3000);
    let begins: Vec<_> = (0..loops).map(|i| format!("(loop $l{i} (local.set {i} (local.get 0)) ")).collect();
    let ends: Vec<_> = (0..loops).rev().map(|i| format!("(br_if $l{i} (local.get {i})))")).collect();
    let (locals, body) = ("i32 ".repeat(locals), [begins, ends].concat().concat());
    format!("(module (func (export \"f\") (param i32) (local {locals}) {body}))")
}

/// The guests of `tests/guests/wat`, which has a folder for each theme.
pub fn wat_guests() -> Vec<PathBuf> {
    let entries = |folder: PathBuf| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries(Path::new(ROOT).join("tests/guests/wat")).flat_map(entries).collect()
}

/// The bytes of a plugin: of the repository, or of `tests/guests`.
pub fn wasm(plugin: &str) -> Vec<u8> {
    if let Some(wat) =
        wat_guests().into_iter().find(|path| path.file_stem().is_some_and(|stem| stem == plugin))
    {
        return wat::parse_file(&wat).unwrap_or_else(|e| panic!("{e}"));
    }
    let root = Path::new(ROOT);
    let examples =
        Path::new(BINARY).ancestors().nth(2).unwrap().join("wasm32-unknown-unknown/plugin/examples");
    let built = [root.join("plugins"), examples].map(|dir| dir.join(format!("{plugin}.wasm")));
    built
        .iter()
        .find_map(|path| fs::read(path).ok())
        .unwrap_or_else(|| panic!("there is no {plugin}.wasm: build the plugins with `cargo plugins`"))
}

/// A running host; ends with the test.
pub struct Host {
    pub setup: Setup,
    child: Child,
    log: PathBuf,
}

impl Host {
    /// A host with these plugins and no further configuration.
    pub fn with(plugins: &[&str]) -> Self {
        Setup::new("").with(plugins).serve()
    }

    /// Connects to a function.
    pub fn connect(&self, function: &str) -> Client {
        let path = self.socket(function);
        Client::connect(&path).unwrap_or_else(|e| panic!("{}: {e}\n{}", path.display(), self.log()))
    }

    /// The path of a function's socket.
    pub fn socket(&self, function: &str) -> PathBuf {
        self.setup.folder.path().join("run").join(format!("{function}.sock"))
    }

    /// Connects to a function and starts a task there.
    pub fn start(&self, function: &str, options: &[kapacitor_wasm::protocol::Option]) -> Client {
        let mut client = self.connect(function);
        let response = client.init("task", options.to_vec()).unwrap();
        assert!(response.success, "{}\n{}", response.error, self.log());
        client
    }

    /// The log of the host.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits for a line with all `parts`, and returns it.
    pub fn wait_for_log(&self, parts: &[&str]) -> String {
        self.wait_for_logs(parts, 1)
    }

    /// Waits for the `count`th line with all `parts`, and returns it.
    pub fn wait_for_logs(&self, parts: &[&str], count: usize) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let log = self.log();
            // The last line may be incomplete.
            let lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            let mut lines = lines.filter(|line| parts.iter().all(|part| line.contains(part)));
            if let Some(line) = lines.nth(count - 1) {
                return line.trim_end().to_owned();
            }
            assert!(Instant::now() < deadline, "the log has not {count} lines with {parts:?}:\n{log}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The number of lines with all `parts` at this moment.
    pub fn count_logs(&self, parts: &[&str]) -> usize {
        self.log().lines().filter(|line| parts.iter().all(|part| line.contains(part))).count()
    }

    /// A file of the host's process in `/proc`.
    pub fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.child.id()))
    }

    /// The numbers of the processes that the host has started.
    pub fn children(&self) -> Vec<u32> {
        let threads = fs::read_dir(self.proc("task")).into_iter().flatten().flatten();
        let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
        lists
            .flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
            .collect()
    }

    /// Memory of the host in RAM, in KiB.
    pub fn resident_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    /// Most memory of the host in RAM since it was started, in KiB.
    pub fn peak_kib(&self) -> u64 {
        self.status_kib("VmHWM:")
    }

    fn status_kib(&self, key: &str) -> u64 {
        let status = fs::read_to_string(self.proc("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Stops the host as a service manager would; returns its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.terminate();
        self.wait()
    }

    /// Tells the host to stop.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal to the host, by its name without `SIG` or by its number.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "{signal}");
    }

    /// Has the host read a new `udf.toml`: the settings that all tests need, and then `config`. Waits for the line
    /// with all `parts`.
    pub fn reload(&self, config: &str, parts: &[&str]) -> String {
        self.setup.configure(config);
        let before = self.count_logs(parts);
        self.signal("HUP");
        self.wait_for_logs(parts, before + 1)
    }

    /// Kills the host.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.wait();
    }

    /// Waits for the host to end; returns its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Host {
    /// Stops the host and starts it again, with a new log; waits until it is ready.
    pub fn start_again(&mut self) {
        self.stop();
        self.serve_again();
    }

    /// Starts the host after its end, with a new log; waits until it is ready.
    pub fn serve_again(&mut self) {
        self.child = self.setup.spawn(&self.log);
        self.wait_for_log(&["msg=ready"]);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends data, ends the input, and returns all responses. The keepalives that the host sends by itself on a busy
/// machine are left out.
pub fn play(mut client: Client, requests: impl IntoIterator<Item = RequestMessage>) -> Vec<ResponseMessage> {
    for request in requests {
        client.send(request).unwrap();
    }
    client.end_input().unwrap();
    let mut responses = client.rest().unwrap();
    let own = ResponseMessage::Keepalive(KeepaliveResponse::default());
    responses.retain(|response| *response != own);
    responses
}

/// The next response that is no keepalive: the host sends these by itself while a session waits.
pub fn receive(client: &mut Client) -> Option<ResponseMessage> {
    loop {
        match client.receive().unwrap() {
            Some(ResponseMessage::Keepalive(_)) => {}
            response => return response,
        }
    }
}

/// Sends a live point to a task of [`moving_avg`]; returns the mean that comes back.
pub fn mean(client: &mut Client, value: f64) -> f64 {
    client.send(live_point("a", value)).unwrap();
    field(receive(client).as_slice(), "mean")[0]
}

/// Sends `parts` from a thread of its own and then ends the input; the client that is returned reads.
///
/// A client that sends more than the buffers hold before it reads would wait for ever.
pub fn send_apart(
    client: Client,
    parts: impl IntoIterator<Item = Vec<u8>> + Send + 'static,
) -> (Client, JoinHandle<()>) {
    let (reader, mut writer, socket) = client.split();
    let sender = thread::spawn(move || {
        parts.into_iter().for_each(|bytes| writer.write_all(&bytes).unwrap());
        socket.unwrap().shutdown(Shutdown::Write).unwrap();
    });
    (Client::over_pipes(reader, io::sink()), sender)
}

/// The frames of requests.
pub fn encoded(requests: impl IntoIterator<Item = RequestMessage>) -> Vec<u8> {
    let mut bytes = Vec::new();
    requests.into_iter().for_each(|request| put_request(request, &mut bytes));
    bytes
}

/// The number after `key`, such as `points_in=`, in a line of the log.
pub fn number(line: &str, key: &str) -> u64 {
    let word = line.split_whitespace().find_map(|word| word.strip_prefix(key));
    word.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no {key} in {line}"))
}

/// The error that a connection ends with. Panics if the last response is none.
pub fn error_of(responses: &[ResponseMessage]) -> &str {
    match responses.last() {
        Some(ResponseMessage::Error(error)) => &error.error,
        other => panic!("expected an error at last, got {other:?}"),
    }
}

/// A point of a host with one field, grouped by host.
pub fn point(host: &str, time: i64, value: f64) -> Point {
    Point {
        time,
        name: "cpu".to_owned(),
        database: "telegraf".to_owned(),
        retention_policy: "autogen".to_owned(),
        group: format!("host={host}"),
        dimensions: vec!["host".to_owned()],
        tags: BTreeMap::from([("host".to_owned(), host.to_owned())]),
        fields_double: BTreeMap::from([("value".to_owned(), value)]),
        ..Point::default()
    }
}

/// `count` points of the host `a`, whose times and values count from 0.
pub fn points(count: usize) -> Vec<RequestMessage> {
    (0..count).map(|i| RequestMessage::Point(point("a", i as i64, i as f64))).collect()
}

/// A point whose time is now. The host keeps checkpoints of tasks that get such points.
pub fn live_point(host: &str, value: f64) -> RequestMessage {
    RequestMessage::Point(point(host, kapacitor_wasm::internals::now(), value))
}

/// The requests of a batch as Kapacitor's `|window` sends it: its points have nothing but time,
/// group, tags and fields.
pub fn batch(host: &str, tmax: i64, values: &[f64]) -> Vec<RequestMessage> {
    let tags = BTreeMap::from([("host".to_owned(), host.to_owned())]);
    let group = format!("host={host}");
    let mut requests = vec![RequestMessage::Begin(BeginBatch {
        name: "cpu".to_owned(),
        group: group.clone(),
        tags: tags.clone(),
        size: values.len() as i64,
        by_name: false,
    })];
    requests.extend(values.iter().zip(1..).map(|(value, time)| {
        let fields_double = BTreeMap::from([("value".to_owned(), *value)]);
        RequestMessage::Point(Point {
            time,
            group: group.clone(),
            tags: tags.clone(),
            fields_double,
            ..Point::default()
        })
    }));
    requests.push(RequestMessage::End(EndBatch {
        name: "cpu".to_owned(),
        group,
        tmax,
        tags,
        by_name: false,
    }));
    requests
}

/// The options of `moving_avg` for the points of [`point`].
pub fn moving_avg(size: i64) -> Vec<kapacitor_wasm::protocol::Option> {
    use kapacitor_wasm::protocol::client::{option, text};
    use kapacitor_wasm::protocol::option_value::Value;
    vec![text("field", "value"), option("size", Value::IntValue(size)), text("as", "mean")]
}

/// The field `name` of the points among `responses`.
pub fn field(responses: &[ResponseMessage], name: &str) -> Vec<f64> {
    responses
        .iter()
        .filter_map(|response| match response {
            ResponseMessage::Point(point) => point.fields_double.get(name).copied(),
            _ => None,
        })
        .collect()
}
