//! Unix sockets that the host makes: mode, group, stale files, and when they accept connections.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use kapacitor_wasm::protocol::client::Client;
use kapacitor_wasm::protocol::{InfoRequest, KeepaliveResponse, RequestMessage, ResponseMessage};

use crate::support::Setup;

#[test]
fn socket_has_configured_mode_and_group() {
    let config = "socket-mode = \"0600\"\nsocket-group = \"0\"\n";
    // Only root can change the group of a file to one that the user is not in.
    let root = rustix::process::getuid().is_root();
    let host = Setup::new(if root { config } else { "socket-mode = \"0600\"\n" }).with(&["mirror"]).serve();
    let metadata = fs::metadata(host.socket("mirror")).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);

    let (code, _, stderr) =
        Setup::new("socket-group = \"no-such-group\"\n").with(&["mirror"]).run(&["serve"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("there is no group `no-such-group`"), "{stderr}");
    let (code, stdout, _) =
        Setup::new("socket-group = \"no-such-group\"\n").with(&["mirror"]).run(&["check"]);
    assert_eq!(code, 1);
    assert!(stdout.contains("error: socket-group: there is no group `no-such-group`"), "{stdout}");
}

#[test]
fn stale_socket_is_replaced_and_other_files_are_kept() {
    let setup = Setup::new("").with(&["mirror"]);
    let run = setup.folder.path().join("run");
    fs::create_dir(&run).unwrap();
    let path = run.join("mirror.sock");

    fs::write(&path, "a file").unwrap();
    let (code, _, stderr) = setup.run(&["serve"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("mirror.sock: there is something that is not a socket"), "{stderr}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
    fs::remove_file(&path).unwrap();

    let listener = UnixListener::bind(&path).unwrap();
    let (code, _, stderr) = setup.run(&["serve"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("another process serves this socket"), "{stderr}");

    // The file of a socket remains when its process dies.
    drop(listener);
    let mut host = setup.serve();
    assert!(host.connect("mirror").info().is_ok());
    assert_eq!(host.stop(), Some(0));
    assert!(!path.exists());
}

#[test]
fn sockets_accept_connections_while_plugins_load() {
    // A plugin that is refused only after the call deadline.
    let config = "[limits]\ncall-deadline = \"2500ms\"\n";
    let host = Setup::new(config).with(&["endless_start", "mirror"]).begin_to_serve();
    let deadline = Instant::now() + Duration::from_secs(60);
    let connect = |function: &str| loop {
        match Client::connect(&host.socket(function)) {
            Ok(client) => break client,
            Err(e) => assert!(Instant::now() < deadline, "{e}\n{}", host.log()),
        }
    };
    // Info is answered for a plugin that is loaded; for one that still loads, keepalives are sent.
    let mut slow = connect("endless_start");
    slow.send(RequestMessage::Info(InfoRequest {})).unwrap();
    let alive = slow.receive().unwrap();
    assert_eq!(alive, Some(ResponseMessage::Keepalive(KeepaliveResponse::default())));
    assert_eq!(connect("mirror").info().unwrap().options.len(), 0);
    assert_eq!(host.count_logs(&["msg=ready"]), 0);
    slow.end_input().unwrap();
    assert!(matches!(slow.rest().unwrap().last(), Some(ResponseMessage::Info(_))));
}
