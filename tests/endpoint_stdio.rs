//! stdin and stdout instead of a socket: a child process of Kapacitor.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::iter;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

use kapacitor_wasm::protocol::client::Client;
use kapacitor_wasm::protocol::{InitRequest, RequestMessage, ResponseMessage};

use crate::support::{Setup, encoded, field, moving_avg, play, point};

/// A child process, and the thread that reads its stderr all the time as Kapacitor does.
type Running = (Child, JoinHandle<String>);

fn start(setup: &Setup, function: &str) -> (Running, Client) {
    let mut command = setup.command(&["stdio", function]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let client = Client::over_pipes(child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let mut stderr = child.stderr.take().unwrap();
    let stderr = thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    ((child, stderr), client)
}

/// Waits for the end; returns the exit code and the lines of stderr.
fn finish((mut child, stderr): Running) -> (i32, Vec<String>) {
    let lines = stderr.join().unwrap().lines().map(str::to_owned).collect();
    (child.wait().unwrap().code().unwrap(), lines)
}

#[test]
fn child_process_serves_one_function() {
    let setup = Setup::new("").with(&["moving_avg"]);
    let (child, mut client) = start(&setup, "moving_avg");
    assert_eq!(client.info().unwrap().options.len(), 4);
    client.end_input().unwrap();
    assert_eq!(client.rest().unwrap(), []);
    assert_eq!(finish(child).0, 0);

    let (child, mut client) = start(&setup, "moving_avg");
    assert!(client.init("task", moving_avg(2)).unwrap().success);
    let points = (0..3).map(|i| RequestMessage::Point(point("a", i, i as f64)));
    assert_eq!(field(&play(client, points), "mean"), [0.0, 0.5, 1.5]);
    let (code, stderr) = finish(child);
    assert_eq!(code, 0);
    assert!(stderr.iter().all(|line| line.starts_with("ts=")), "{stderr:?}");
}

#[test]
fn stdout_has_only_frames_and_stderr_lines_are_short() {
    let setup = Setup::new("").with(&["prints", "log_flood"]);
    for function in ["prints", "log_flood"] {
        let (child, mut client) = start(&setup, function);
        assert!(client.init("task", Vec::new()).unwrap().success);
        let point = RequestMessage::Point(point("a", 1, 1.0));
        assert_eq!(play(client, [point]), []);
        let (code, stderr) = finish(child);
        assert_eq!(code, 0);
        assert!(stderr.iter().any(|line| line.contains("plugin log")), "{stderr:?}");
        assert!(stderr.iter().all(|line| line.len() < 60_000));
    }
}

#[test]
fn child_process_ignores_signals_and_ends_with_stdin() {
    let setup = Setup::new("").with(&["mirror"]);
    let (child, mut client) = start(&setup, "mirror");
    assert!(client.init("task", Vec::new()).unwrap().success);
    for signal in ["-INT", "-TERM"] {
        Command::new("kill").args([signal, &child.0.id().to_string()]).status().unwrap();
    }
    let responses = play(client, [RequestMessage::Point(point("a", 1, 1.0))]);
    assert!(matches!(&responses[..], [ResponseMessage::Point(_)]), "{responses:?}");
    assert_eq!(finish(child).0, 0);
}

#[test]
fn file_that_takes_no_answers_is_named() {
    let setup = Setup::new("").with(&["mirror"]);
    for points in [1, 50_000] {
        let init = RequestMessage::Init(InitRequest { task_id: "task".to_owned(), ..InitRequest::default() });
        let points = (0..points).map(|i| RequestMessage::Point(point("a", i, 1.0)));
        let mut input = tempfile::tempfile().unwrap();
        input.write_all(&encoded(iter::once(init).chain(points))).unwrap();
        input.rewind().unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = setup.command(&["stdio", "mirror"]).stdin(input).stdout(full).output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(log.contains("the answers can't be written") && log.contains("No space left"), "{log}");
    }
}

#[test]
fn failed_init_ends_child_process() {
    let setup = Setup::new("").with(&["moving_avg"]);
    let (child, mut client) = start(&setup, "moving_avg");
    assert!(!client.init("task", Vec::new()).unwrap().success);
    assert_eq!(client.rest().unwrap(), []);
    // Kapacitor leaves stdin open.
    assert_eq!(finish(child).0, 0);
}

#[test]
fn unknown_function_is_named_in_error() {
    let setup = Setup::new("").with(&["mirror"]);
    let (child, client) = start(&setup, "miror");
    let (code, stderr) = finish(child);
    assert_eq!(
        (code, &stderr[..]),
        (1, &["kapacitor-wasm: there is no function `miror`; there are: mirror".to_owned()][..])
    );
    drop(client);
}
