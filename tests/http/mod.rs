//! What the host tells over HTTP.
//!
//! - [`doors`]: who gets an answer, and what clients can't do to the host.
//! - [`browser`]: the pages in a real Chromium.
//! - [`metrics`]: the numbers themselves, and that the table of `docs/monitoring.md` has them all.
//! - [`pages`]: the pages of the status, and what clients can't do with them.
//! - [`plugin_metrics`]: counters and gauges of plugins' own.
//! - [`readers`]: a real Telegraf reads them.
//! - [`status`]: what `/status.json` says of functions, plugins and tasks.
//! - [`tap`]: the points of a task while they go by.

mod browser;
mod doors;
mod metrics;
mod pages;
mod plugin_metrics;
mod readers;
mod status;
mod tap;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::support::{Host, Setup};

/// A host that answers on `http.sock` in its folder.
pub fn host(config: &str, plugins: &[&str]) -> Host {
    Setup::new(&format!("{config}\n[http]\nlisten = \"unix:http.sock\"\n")).with(plugins).serve()
}

/// A host that answers on a port, and the port's address.
fn host_at_port(plugins: &[&str]) -> (Host, String) {
    let host = Setup::new("[http]\nlisten = \"127.0.0.1:0\"\n").with(plugins).serve();
    let line = host.wait_for_log(&["answers over HTTP"]);
    let address = line.split("address=").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    (host, address)
}

/// A connection to the socket of the host.
pub fn connect(host: &Host) -> UnixStream {
    let stream = UnixStream::connect(host.setup.folder.path().join("http.sock")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Sends `request`, and reads the answer up to the end of the connection.
pub fn ask(mut stream: impl Read + Write, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A connection that is closed with unread input is reset.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

/// The answer to a GET at the socket, with more `headers`.
pub fn get(host: &Host, path: &str, headers: &str) -> Answer {
    ask(connect(host), &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"))
}

/// All metrics, from the socket at `path`.
pub fn metrics_at(path: &Path) -> String {
    let stream = UnixStream::connect(path).unwrap();
    ask(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").body
}

/// The value of the metric that begins with `series`, such as `x_total{task="t"`.
pub fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with(series))?;
    line.rsplit(' ').next()?.parse().ok()
}
