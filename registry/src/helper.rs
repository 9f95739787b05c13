//! Helper programs that keep passwords for Docker: `docker-credential-NAME get`.

use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;

use crate::error::Error;
use crate::secret::{Login, Secret};
use crate::text::shown;

/// Time that a program has to answer. Some ask a person.
const DEADLINE: Duration = Duration::from_secs(30);

/// The longest answer that is read, in bytes.
const MOST: u64 = 64 * 1024;

/// What a program says if it has no password for a host.
const NOT_FOUND: &str = "credentials not found";

/// The name with which a program marks a token that is no password.
const IDENTITY_TOKEN: &str = "<token>";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks the helper `name` for the login for `host`.
///
/// # Errors
///
/// When the program can't be run, or does not answer as it should.
pub fn ask(name: &str, host: &str) -> Result<Option<Login>, Error> {
    ask_within(name, host, DEADLINE)
}

fn ask_within(name: &str, host: &str, deadline: Duration) -> Result<Option<Login>, Error> {
    let program = format!("docker-credential-{name}");
    let failed = |problem: String| Error::Helper { program: shown(&program), problem };
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Err(failed("has a name that no such program has".to_owned()));
    }
    let child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|e| failed(format!("can't be started: {e}")))?;
    let mut child = Running(child);
    if let Some(mut stdin) = child.0.stdin.take() {
        // A program that reads nothing answers nothing, or nothing that is right.
        let _ = stdin.write_all(host.as_bytes());
    }
    let Some(stdout) = child.0.stdout.take() else { return Err(failed("has no output".to_owned())) };
    let (sender, answer) = mpsc::channel();
    let end = Instant::now() + deadline;
    thread::spawn(move || {
        let mut text = Vec::new();
        let read = stdout.take(MOST + 1).read_to_end(&mut text);
        let _ = sender.send(read.map(|_| text));
    });
    let slow = || failed(format!("did not answer within {} s", deadline.as_secs()));
    let text = answer.recv_timeout(deadline).map_err(|_| slow())?;
    let text = text.map_err(|e| failed(format!("can't be read: {e}")))?;
    if text.len() as u64 > MOST {
        return Err(failed("answers more than a name and a password".to_owned()));
    }
    let success = loop {
        match child.0.try_wait().map_err(|e| failed(format!("can't be waited for: {e}")))? {
            Some(status) => break status.success(),
            None if Instant::now() >= end => return Err(slow()),
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    if !success {
        // Programs say so on stdout. Anything else that they say may be a password.
        let known = String::from_utf8_lossy(&text).contains(NOT_FOUND);
        return if known { Ok(None) } else { Err(failed(format!("fails for {host}: run it by hand"))) };
    }
    let answer: Answer = serde_json::from_slice(&text)
        .map_err(|_| failed("does not answer with a name and a password in JSON".to_owned()))?;
    if answer.username == IDENTITY_TOKEN {
        return Err(failed(format!(
            "has an identity token, which can't be used here: sign in with a password or access token for {host}"
        )));
    }
    Ok(Some(Login { user: answer.username, password: Secret::new(answer.secret) }))
}

/// A program that ends, with those that it has started, when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            if let Some(group) = Pid::from_raw(self.0.id().cast_signed()) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = self.0.wait();
        }
    }
}
