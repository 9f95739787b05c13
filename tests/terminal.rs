//! `status` and `top`: what a running host tells, on a terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use kapacitor_wasm::protocol::client::Client;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use serde_json::Value;

use crate::support::{BINARY, Host, Setup, mean, moving_avg};

fn host(plugins: &[&str]) -> Host {
    Setup::new("[http]\nlisten = \"unix:http.sock\"\n").with(plugins).serve()
}

/// Starts a task of `moving_avg` that has got a point.
fn start(host: &Host, task: &str) -> Client {
    let mut client = host.connect("moving_avg");
    assert!(client.init(task, moving_avg(2)).unwrap().success);
    mean(&mut client, 1.0);
    client
}

/// A command of the binary under test on a terminal of its own.
struct Terminal {
    child: Child,
    /// The other side of the terminal.
    keys: File,
    screen: Arc<Mutex<vt100::Parser>>,
    /// Its modes before the command ran.
    modes: LocalModes,
}

impl Terminal {
    /// Runs a command on a terminal of this size.
    fn run(mut command: Command, columns: u16, rows: u16) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let theirs = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let modes = tcgetattr(&ours).unwrap().local_modes;
        resize(&ours, columns, rows);
        command.stdin(theirs.try_clone().unwrap()).stdout(theirs.try_clone().unwrap()).stderr(theirs);
        command.env("TERM", "xterm-256color");
        let child = command.spawn().unwrap();
        // It keeps the last of their side.
        drop(command);
        let mut reader = File::from(ours.try_clone().unwrap());
        let screen = Arc::new(Mutex::new(vt100::Parser::new(size(rows), size(columns), 0)));
        let shared = Arc::clone(&screen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                shared.lock().unwrap().process(&bytes[..count]);
            }
        });
        Self { child, keys: File::from(ours), screen, modes }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Waits until the screen is as it should be, and returns it.
    #[track_caller]
    fn wait_until(&self, what: &str, is: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let text = self.text();
            if is(&text) {
                return text;
            }
            assert!(Instant::now() < deadline, "{what}:\n{text}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[track_caller]
    fn wait_for(&self, part: &str) -> String {
        self.wait_until(part, |text| text.contains(part))
    }

    /// Waits for the end of the command, and checks that the terminal is as it was before.
    #[track_caller]
    fn end(&mut self) -> i32 {
        let code = self.child.wait().unwrap().code().unwrap();
        self.wait_until("the screen of before", |_| !self.screen.lock().unwrap().screen().alternate_screen());
        assert!(!self.screen.lock().unwrap().screen().hide_cursor());
        assert_eq!(tcgetattr(&self.keys).unwrap().local_modes, self.modes);
        code
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A number of rows or columns.
fn size(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

fn resize(terminal: &OwnedFd, columns: u16, rows: u16) {
    tcsetwinsize(terminal, Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
}

/// `top` of `host`, in a session of its own, so that the terminal is its controlling one.
fn top(host: &Host, args: &[&str], columns: u16, rows: u16) -> Terminal {
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait", BINARY, "top", "--every", "200ms"]).args(args);
    command.arg("--config").arg(host.setup.config());
    Terminal::run(command, columns, rows)
}

#[test]
fn status_is_a_table_of_the_tasks() {
    let host = host(&["moving_avg", "mirror"]);
    let _tasks = [start(&host, "cpu"), start(&host, "mem"), start(&host, "cpu_2")];
    let (code, stdout, stderr) = host.setup.run(&["status"]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    let lines: Vec<_> = stdout.lines().collect();
    assert!(lines[0].starts_with("kapacitor-wasm 0.1.0 (build "), "{stdout}");
    assert!(lines[1].starts_with("sandboxes 3 of "), "{stdout}");
    let heading: Vec<_> = lines[3].split_whitespace().collect();
    assert_eq!(heading[..4], ["task", "node", "plugin", "state"], "{stdout}");
    let names = |stdout: &str| {
        let rows = stdout.lines().skip(4).filter_map(|line| line.split_whitespace().next());
        rows.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names(&stdout), ["cpu", "cpu_2", "mem"]);
    let (_, stdout, _) = host.setup.run(&["status", "cpu*", "--sort", "task", "--reverse"]);
    assert_eq!(names(&stdout), ["cpu_2", "cpu"]);
    let (code, stdout, _) = host.setup.run(&["status", "disk"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("no such task runs"), "{stdout}");
    let (code, _, stderr) = host.setup.run(&["status", "--sort", "colour"]);
    assert_eq!(code, 2, "{stderr}");
    let (code, _, stderr) = host.setup.run(&["status", "cpu["]);
    assert_eq!(code, 1);
    assert!(stderr.contains("is no pattern"), "{stderr}");
}

#[test]
fn status_as_json_is_what_the_host_answers() {
    let host = host(&["moving_avg"]);
    let _tasks = [start(&host, "cpu"), start(&host, "evil\u{9b}2J")];
    let (code, stdout, stderr) = host.setup.run(&["status", "--json"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(!stdout.contains('\u{9b}'));
    let status: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(status["tasks"].as_array().unwrap().len(), 2);
    assert_eq!(status["tasks"][1]["task"], "evil\u{9b}2J");
    assert_eq!(status["functions"][0]["name"], "moving_avg");
    let (_, stdout, _) = host.setup.run(&["status", "--json", "c?u"]);
    let status: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(status["tasks"].as_array().unwrap().len(), 1);
}

#[test]
fn top_is_live_and_obeys_keys() {
    let host = host(&["moving_avg"]);
    let _tasks = [start(&host, "cpu"), start(&host, "mem")];
    let mut top = top(&host, &["--sort", "task"], 80, 24);
    let text = top.wait_until("both tasks", |text| text.contains("\ncpu ") && text.contains("\nmem "));
    assert!(text.starts_with("kapacitor-wasm 0.1.0 (build "), "{text}");
    assert!(text.contains("2 tasks  q quit"), "{text}");
    // One more appears by itself.
    let _disk = start(&host, "disk");
    top.wait_for("\ndisk ");
    top.press("r");
    top.wait_until("reversed", |text| text.find("\nmem ") < text.find("\ncpu "));
    top.press("/DIS");
    top.wait_until("filtered", |text| !text.contains("\ncpu ") && text.contains("filter: DIS_"));
    top.press("\r");
    top.wait_for("1 tasks  filter: DIS");
    top.press("\r");
    let details = top.wait_for("failures  0, brought back 0");
    assert!(
        details.contains("task      disk") && details.contains("plugin    moving_avg, version "),
        "{details}"
    );
    top.press("\u{1b}");
    top.wait_for("1 tasks  filter: DIS");
    top.press("p");
    top.wait_for("PAUSED");
    top.press("?");
    top.wait_for("sort by CPU, memory");
    top.press("q");
    assert_eq!(top.end(), 0);
}

#[test]
fn top_is_drawn_anew_in_a_terminal_of_another_size() {
    let host = host(&["moving_avg"]);
    let _task = start(&host, "cpu");
    let mut top = top(&host, &[], 120, 30);
    top.wait_until("all columns", |text| text.contains(" plugin ") && text.contains("\ncpu "));
    top.screen.lock().unwrap().screen_mut().set_size(size(10), size(40));
    resize(&OwnedFd::from(top.keys.try_clone().unwrap()), 40, 10);
    top.wait_until("fewer columns", |text| !text.contains(" plugin ") && text.contains("\ncpu "));
    top.press("\u{3}");
    assert_eq!(top.end(), 0);
}

#[test]
fn top_tells_that_the_host_is_gone_and_goes_on_with_the_next_one() {
    let mut host = host(&["moving_avg"]);
    let task = start(&host, "cpu");
    let mut top = top(&host, &[], 100, 20);
    top.wait_for("\ncpu ");
    drop(task);
    assert_eq!(host.stop(), Some(0));
    let text = top.wait_for("there is no such socket");
    assert!(text.contains("! this is ") && text.contains("\ncpu "), "{text}");
    host.serve_again();
    let _task = start(&host, "mem");
    top.wait_until("the next host", |text| text.contains("\nmem ") && !text.contains("no such socket"));
    // A signal ends it in order.
    let pid = top.child.id();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let child = children.split_whitespace().next().unwrap_or_default().parse().ok();
    let child = child.and_then(rustix::process::Pid::from_raw);
    let child = child.or_else(|| rustix::process::Pid::from_raw(pid as i32)).unwrap();
    rustix::process::kill_process(child, rustix::process::Signal::TERM).unwrap();
    assert_eq!(top.end(), 0);
}

#[test]
fn hostile_names_do_not_steer_the_terminal() {
    let host = host(&["moving_avg"]);
    let evil = "evil\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}\n";
    let _task = start(&host, evil);
    let top = top(&host, &[], 120, 20);
    top.wait_for("evil\\u001b]0");
    let parser = top.screen.lock().unwrap();
    assert!(!parser.screen().contents().contains('\u{202e}'));
    drop(parser);
    let (_, stdout, _) = host.setup.run(&["status"]);
    assert!(stdout.contains("evil\\u001b]0;owned\\u0007\\u001b[2J\\u202e\\u000a"), "{stdout:?}");
    // The points of such a task on a terminal, as well.
    let mut command = Command::new(BINARY);
    command.args(["tap", evil, "--for", "60s", "--config"]).arg(host.setup.config());
    let tap = Terminal::run(command, 200, 20);
    tap.wait_for("# tap of=\"evil\\u001b]0;owned");
    drop(tap);
}

#[test]
fn no_color_is_obeyed() {
    let host = host(&["moving_avg"]);
    let task = start(&host, "cpu");
    drop(task);
    host.wait_for_log(&["task ended"]);
    std::fs::write(host.setup.plugin("broken"), "no wasm").unwrap();
    host.wait_for_log(&["plugin=broken"]);
    for (no_color, coloured) in [("1", false), ("", true)] {
        let mut command = Command::new(BINARY);
        command
            .args(["top", "--every", "200ms", "--config"])
            .arg(host.setup.config())
            .env("NO_COLOR", no_color);
        let mut top = Terminal::run(command, 100, 20);
        top.wait_until("what is wrong", |text| text.contains("! plugin \"broken\" is refused"));
        let parser = top.screen.lock().unwrap();
        let cells = (0..20).flat_map(|row| (0..100).map(move |column| (row, column)));
        let has = cells
            .filter_map(|(row, column)| parser.screen().cell(row, column))
            .any(|cell| cell.fgcolor() != vt100::Color::Default);
        drop(parser);
        assert_eq!(has, coloured, "NO_COLOR={no_color}");
        top.press("q");
        assert_eq!(top.end(), 0);
    }
}

#[test]
fn status_says_whether_the_host_is_ready() {
    let host = host(&["moving_avg"]);
    host.wait_for_log(&["msg=ready"]);
    assert_eq!(host.setup.run(&["status", "--ready"]), (0, "ready\n".to_owned(), String::new()));
    std::fs::write(host.setup.plugin("broken"), "no wasm").unwrap();
    host.wait_for_log(&["plugin=broken"]);
    let (code, stdout, stderr) = host.setup.run(&["status", "--ready"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("the host is not ready: plugin \"broken\" is refused"), "{stderr}");
    assert_eq!(host.setup.run(&["status", "--ready", "--json"]).0, 2);
}

#[test]
fn answer_that_does_not_come_to_its_end_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("http.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        assert!(client.read(&mut [0; 4096]).unwrap() > 0);
        let head =
            b"HTTP/1.1 500 Oh\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nhalf a reason";
        client.write_all(head).unwrap();
        // Until the client gives it up.
        client.read(&mut [0; 1]).unwrap()
    });
    let address = format!("unix:{}", socket.display());
    let (code, _, stderr) = Setup::new("").run(&["status", "--address", &address]);
    assert_eq!(code, 1);
    assert!(
        stderr.contains("the host refuses (500") && stderr.contains("has not answered for 10 s"),
        "{stderr}"
    );
    assert_eq!(server.join().unwrap(), 0);
}

#[test]
fn top_without_a_terminal_says_why_it_can_not_run() {
    let host = host(&["moving_avg"]);
    let (code, stdout, stderr) = host.setup.run(&["top"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("top needs a terminal") && stderr.contains("kapacitor-wasm status"), "{stderr}");
    let output = host.setup.command(&["top", "--every", "1ms"]).stdin(Stdio::null()).output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("is too short"));
    for command in ["status", "top"] {
        let (code, _, stderr) = Setup::new("").run(&[command]);
        assert_eq!((code, stderr.lines().count()), (1, 1), "{stderr}");
        assert!(stderr.contains("has no http.listen"), "{stderr}");
    }
}
