//! Sockets from systemd. The tests take its part: they make the sockets and pass them to each process.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use kapacitor_wasm::protocol::client::Client;
use kapacitor_wasm::protocol::{InfoRequest, RequestMessage, ResponseMessage};

use crate::support::{BINARY, FAIL, Setup, point, receive};

/// Connects to a socket, which no host has to serve yet, and asks for Info.
fn ask(socket: &Path) -> Client {
    let mut client = Client::connect(socket).unwrap();
    client.send(RequestMessage::Info(InfoRequest {})).unwrap();
    client
}

/// The number of options in the next Info; keepalives before it are skipped.
fn options(client: &mut Client) -> usize {
    match receive(client) {
        Some(ResponseMessage::Info(info)) => info.options.len(),
        other => panic!("expected info, got {other:?}"),
    }
}

/// The files that the descriptors in `folder` refer to, such as `socket:[1234]`.
fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().flatten().filter_map(|fd| fs::read_link(fd.path()).ok()).collect()
}

#[test]
fn connection_before_start_is_served_after_start() {
    let setup = Setup::new("").with(&["moving_avg"]).listen(&["run/moving_avg.sock"]);
    let mut client = ask(&setup.folder.path().join("run/moving_avg.sock"));
    let mut host = setup.serve();
    assert_eq!(options(&mut client), 4);
    assert_eq!(host.count_logs(&["lvl=warn"]), 0, "{}", host.log());
    // Processes that the host starts do not inherit the socket: it is close-on-exec.
    let flags = fs::read_to_string(host.proc("fdinfo/3")).unwrap();
    let flags = flags.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
    assert_ne!(u32::from_str_radix(flags, 8).unwrap() & 0o2_000_000, 0, "{flags}");
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn connection_after_crash_is_served_by_next_host() {
    let mut host = Setup::new("").with(&["mirror"]).listen(&["run/mirror.sock"]).serve();
    let mut before = host.start("mirror", &[]);
    host.kill();
    assert!(before.receive().map_or(true, |response| response.is_none()));
    let mut client = ask(&host.socket("mirror"));
    host.serve_again();
    assert_eq!(options(&mut client), 0);
    assert!(host.connect("mirror").info().is_ok());
}

#[test]
fn passed_socket_keeps_its_file_and_mode() {
    let setup = Setup::new("socket-mode = \"0600\"\n").with(&["mirror"]).listen(&["run/mirror.sock"]);
    let path = setup.folder.path().join("run/mirror.sock");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let mut host = setup.serve();
    assert!(host.connect("mirror").info().is_ok());
    assert_eq!(host.stop(), Some(0));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    let mut client = ask(&path);
    host.serve_again();
    assert_eq!(options(&mut client), 0);
}

#[test]
fn connection_during_shutdown_is_served_by_next_host() {
    let config = format!("{FAIL}[limits]\ncall-deadline = \"1s\"\n");
    let setup = Setup::new(&config).with(&["endless_loop"]).listen(&["run/endless_loop.sock"]);
    let mut host = setup.serve();
    // The host waits for this task.
    let mut task = host.start("endless_loop", &[]);
    task.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
    thread::sleep(Duration::from_millis(200));
    host.terminate();
    host.wait_for_log(&["msg=stopping"]);
    // The host stops accepting a moment after this line.
    thread::sleep(Duration::from_millis(100));
    let mut client = ask(&host.socket("endless_loop"));
    assert_eq!(host.wait(), Some(0));
    host.serve_again();
    assert_eq!(options(&mut client), 0);
    assert!(client.init("task", Vec::new()).unwrap().success);
}

#[test]
fn passed_sockets_are_matched_to_functions_by_path() {
    let sockets = ["run/moving_avg.sock", "run/mirror.sock"];
    let host = Setup::new("").with(&["mirror", "moving_avg"]).listen(&sockets).serve();
    assert_eq!(options(&mut ask(&host.socket("mirror"))), 0);
    assert_eq!(options(&mut ask(&host.socket("moving_avg"))), 4);
}

#[test]
fn symlinks_in_socket_paths_are_followed() {
    let setup = Setup::new("").with(&["mirror"]).listen(&["made/mirror.sock"]);
    symlink("made", setup.folder.path().join("run")).unwrap();
    let host = setup.serve();
    assert_eq!(options(&mut ask(&host.socket("mirror"))), 0);
    assert_eq!(host.count_logs(&["lvl=warn"]), 0, "{}", host.log());
}

#[test]
fn surplus_socket_is_closed_and_missing_one_is_created() {
    let setup = Setup::new("").with(&["mirror", "moving_avg"]).listen(&["run/mirror.sock"]);
    let gone = setup.folder.path().join("run/gone.sock");
    let listener = UnixListener::bind(&gone).unwrap();
    let inode = fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap();
    let mut host = setup.pass(listener).serve();

    let warning = host.wait_for_log(&["lvl=warn", "gone.sock"]);
    for part in ["of no function, it is closed", gone.to_str().unwrap(), "kapacitor-wasm config --systemd"] {
        assert!(warning.contains(part), "{warning}");
    }
    let open = files(&host.proc("fd"));
    assert!(!open.is_empty() && !open.contains(&inode), "{open:?}");

    host.wait_for_log(&["lvl=warn", "systemd has no socket of this function", "function=moving_avg"]);
    assert_eq!(host.count_logs(&["lvl=warn"]), 2, "{}", host.log());
    assert_eq!(options(&mut ask(&host.socket("moving_avg"))), 4);
    assert_eq!(options(&mut ask(&host.socket("mirror"))), 0);

    assert_eq!(host.stop(), Some(0));
    assert!(gone.exists() && host.socket("mirror").exists() && !host.socket("moving_avg").exists());
}

#[test]
fn tcp_socket_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut host = Setup::new("").with(&["mirror"]).pass(listener).begin_to_serve();
    assert_eq!(host.wait(), Some(1));
    let expected = "kapacitor-wasm: systemd passes what Kapacitor can't connect to: use kapacitor-wasm.socket as `kapacitor-wasm config --systemd` prints it: fd 3 is not a valid unix stream socket\n";
    assert_eq!(host.log(), expected);
}

#[test]
fn readiness_is_notified_once_sockets_accept() {
    let setup = Setup::new("").with(&["mirror"]);
    let notify = setup.folder.path().join("notify");
    let systemd = UnixDatagram::bind(&notify).unwrap();
    systemd.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut serve = setup.command(&["serve"]);
    let mut child = serve.env("NOTIFY_SOCKET", &notify).stderr(Stdio::null()).spawn().unwrap();
    let told = read(&systemd);
    let client = Client::connect(&setup.folder.path().join("run/mirror.sock"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(told.unwrap().trim_end(), "READY=1");
    assert!(client.is_ok());
}

/// The next message to systemd.
fn read(socket: &UnixDatagram) -> io::Result<String> {
    let mut message = [0; 256];
    let length = socket.recv(&mut message)?;
    Ok(String::from_utf8_lossy(&message[..length]).into_owned())
}

#[test]
fn systemd_units_pass_systemd_analyze() {
    const UNITS: &[&str] = &["kapacitor-wasm.socket", "kapacitor-wasm.service", "kapacitor.service"];
    if Command::new("systemd-analyze").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED: there is no systemd-analyze here, the units are not verified");
        return;
    }
    let setup = Setup::new("").with(&["mirror", "moving_avg"]);
    let (_, socket, _) = setup.run(&["config", "--systemd"]);
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    let packaged = |name: &str| fs::read_to_string(packaging.join(name)).unwrap();
    // systemd-analyze requires that the program exists.
    let service = packaged("kapacitor-wasm.service").replace("/usr/local/bin/kapacitor-wasm", BINARY);
    assert!(service.contains(BINARY));
    let drop_in = "kapacitor.service.d/kapacitor-wasm.conf";
    let kapacitor = "[Service]\nExecStart=/bin/sh\n".to_owned();

    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for (name, text) in UNITS.iter().zip([socket, service, kapacitor]) {
        write(name, text);
    }
    write(drop_in, packaged(drop_in));
    let verified = |without: &[&str]| {
        let units = UNITS.iter().filter(|unit| !without.contains(unit)).map(|unit| folder.path().join(unit));
        let output =
            Command::new("systemd-analyze").args(["verify", "--man=no"]).args(units).output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        // Other units of this machine may have mistakes of their own.
        text.lines().filter(|line| line.contains("kapacitor")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(verified(&[]), Vec::<String>::new());
    // The service is valid without the socket unit, too.
    fs::remove_file(folder.path().join(UNITS[0])).unwrap();
    assert_eq!(verified(&UNITS[..1]), Vec::<String>::new());
    // systemd-analyze does report mistakes.
    write(UNITS[1], "[Service]\nExecStart=/bin/sh\nSocket=x\n".to_owned());
    assert!(verified(&UNITS[..1]).iter().any(|line| line.contains("Socket")));
}
