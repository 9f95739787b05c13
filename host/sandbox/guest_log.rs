//! The log of a guest: its text goes to the log, and never into Kapacitor's stream.
//!
//! A guest has the import `kapacitor.log(level, ptr, len)`, and WASI's stdout and stderr. Its text is
//! cut to lines, escaped, and bounded per second.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use std::{io, mem};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::logging::cut;
use crate::logging::{Labels, log_for};
use crate::units;

/// Bytes that a line counts for beside its text: about as many as the host writes around it.
const LINE: u64 = 128;

/// Maximum length of the text of one log line, in bytes.
pub(super) const MAX_TEXT: usize = 1024;

/// Level of a line; the numbers are part of the guest interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// 0
    Debug,
    /// 1
    Info,
    /// 2
    Warn,
    /// 3
    Error,
    /// 4: the reason for which the guest is about to trap.
    Panic,
    /// 5: no line, but the number of points that the guest has skipped by itself, in decimal.
    Declined,
}

impl Level {
    pub(super) fn from_number(number: i32) -> Self {
        match number {
            0 => Self::Debug,
            1 => Self::Info,
            2 => Self::Warn,
            4 => Self::Panic,
            5 => Self::Declined,
            _ => Self::Error,
        }
    }
}

/// The log of one sandbox.
pub struct GuestLog {
    labels: Arc<Labels>,
    per_second: units::Bytes,
    /// Start of the current second, and the bytes that were logged in it.
    since: Instant,
    logged: u64,
    dropped: u64,
    /// The reason for which the guest is about to trap.
    panic: String,
    /// Number of points that the guest has skipped by itself since it was taken last.
    declined: u64,
    /// Whether the guest repeats what it has logged before.
    muted: bool,
    /// The guest's function that was called last.
    call: &'static str,
    /// Number of lines since the guest was given its last input.
    said: u64,
    /// Number of the next lines that are repeated.
    repeated: u64,
}

/// The log of one sandbox, as its store and its WASI streams share it.
pub type SharedLog = Arc<Mutex<GuestLog>>;

impl GuestLog {
    /// A log that lets `per_second` bytes through each second.
    pub fn new(labels: Arc<Labels>, per_second: units::Bytes) -> SharedLog {
        Arc::new(Mutex::new(Self {
            labels,
            per_second,
            since: Instant::now(),
            logged: 0,
            dropped: 0,
            panic: String::new(),
            declined: 0,
            muted: false,
            call: "",
            said: 0,
            repeated: 0,
        }))
    }

    /// Begins a call of the guest's function `call`.
    pub(super) fn begin_call(log: &SharedLog, call: &'static str) {
        let mut log = lock(log);
        // A guest that has said why it is about to trap, and did not, still gets its line.
        if !log.panic.is_empty() {
            let panic = mem::take(&mut log.panic);
            log.put(Level::Error, &panic);
        }
        // The buffer for the input is part of giving it.
        if log.call != "udf_input" {
            log.said = 0;
        }
        log.call = call;
    }

    /// Number of lines that the guest has said since it was given its last input.
    pub fn said(log: &SharedLog) -> u64 {
        lock(log).said
    }

    /// Lets the next `lines` lines pass in silence until the guard is dropped: the guest gets the input again at
    /// which it has said them.
    pub fn repeat(log: &SharedLog, lines: u64) -> RepetitionGuard {
        lock(log).repeated = lines;
        RepetitionGuard(Arc::clone(log))
    }

    /// Logs the reason that the guest gave for its trap, if it gave one.
    pub(super) fn say_panic(log: &SharedLog, panic: &str) {
        if !panic.is_empty() {
            lock(log).put(Level::Error, panic);
        }
    }

    /// Takes the reason that the guest gave for its trap; empty if it gave none.
    pub fn take_panic(log: &SharedLog) -> String {
        mem::take(&mut lock(log).panic)
    }

    /// Takes the number of points that the guest has skipped by itself since it was taken last.
    pub fn take_declined(log: &SharedLog) -> u64 {
        mem::take(&mut lock(log).declined)
    }

    /// Mutes the log until the guard is dropped: the guest repeats what it has logged before.
    pub fn mute(log: &SharedLog) -> MuteGuard {
        lock(log).muted = true;
        MuteGuard(Arc::clone(log))
    }

    /// A WASI stream whose lines go to `log`.
    pub fn stream(log: &SharedLog, level: Level) -> impl StdoutStream + 'static {
        Lines { log: Arc::clone(log), level, line: Arc::default() }
    }

    /// Logs one text of the guest.
    pub(super) fn say(&mut self, level: Level, text: &[u8]) {
        let mut text = String::from_utf8_lossy(&text[..text.len().min(4 * MAX_TEXT)]).into_owned();
        cut(&mut text, MAX_TEXT);
        let text = text.trim_end();
        if level == Level::Declined {
            self.decline_points(text.parse().unwrap_or(0));
            return;
        }
        if level == Level::Panic {
            // It becomes part of the call's error, which is told once.
            let before = mem::replace(&mut self.panic, text.to_owned());
            if !before.is_empty() {
                self.put(Level::Error, &before);
            }
        } else {
            self.put(level, text);
        }
    }

    /// Logs one line, unless it repeats one.
    fn put(&mut self, level: Level, text: &str) {
        if self.muted {
            return;
        }
        self.said += 1;
        if self.repeated > 0 {
            self.repeated -= 1;
            return;
        }
        if self.since.elapsed() >= Duration::from_secs(1) {
            self.report_dropped();
            self.since = Instant::now();
            self.logged = 0;
        }
        self.logged += text.len() as u64 + LINE;
        if self.logged > self.per_second.0 {
            self.dropped += 1;
            return;
        }
        match level {
            Level::Debug => log_for!(debug, self.labels, text, "plugin log"),
            Level::Info => log_for!(info, self.labels, text, "plugin log"),
            Level::Warn => log_for!(warn, self.labels, text, "plugin log"),
            Level::Error | Level::Panic | Level::Declined => log_for!(error, self.labels, text, "plugin log"),
        }
    }

    fn decline_points(&mut self, points: u64) {
        // What is repeated was counted before.
        if !self.muted {
            self.declined = self.declined.saturating_add(points);
        }
    }

    /// Counts points that a guest has skipped by itself.
    #[cfg(test)]
    pub(crate) fn decline(log: &SharedLog, points: u64) {
        lock(log).decline_points(points);
    }

    fn report_dropped(&mut self) {
        let dropped = mem::take(&mut self.dropped);
        if dropped > 0 {
            let limit = self.per_second.to_string();
            log_for!(
                warn,
                self.labels,
                dropped = dropped.to_string(),
                limit,
                "plugin logs more than limits.log-per-second, lines were dropped"
            );
        }
    }
}

/// Mutes a [`GuestLog`] until it is dropped.
pub struct MuteGuard(SharedLog);

impl Drop for MuteGuard {
    fn drop(&mut self) {
        let mut log = lock(&self.0);
        log.muted = false;
        log.panic.clear();
    }
}

/// Ends a repetition when it is dropped.
pub struct RepetitionGuard(SharedLog);

impl Drop for RepetitionGuard {
    fn drop(&mut self) {
        lock(&self.0).repeated = 0;
    }
}

impl Drop for GuestLog {
    fn drop(&mut self) {
        let panic = mem::take(&mut self.panic);
        if !panic.is_empty() {
            self.put(Level::Error, &panic);
        }
        self.report_dropped();
    }
}

pub(super) fn lock(log: &SharedLog) -> MutexGuard<'_, GuestLog> {
    // A panic while logging leaves nothing half done that matters.
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A WASI output stream, cut to lines.
#[derive(Clone)]
struct Lines {
    log: SharedLog,
    level: Level,
    /// The line so far, shared by all handles of the stream.
    line: Arc<Mutex<Vec<u8>>>,
}

impl Lines {
    fn put(&self, bytes: &[u8]) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = (4 * MAX_TEXT).saturating_sub(line.len());
            line.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                lock(&self.log).say(self.level, &line);
                line.clear();
            }
        }
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.put(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 * 1024)
    }
}

impl AsyncWrite for Lines {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.put(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
