//! Plays Kapacitor on one connection: sends messages, and takes what comes back at the same time.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use thiserror::Error;

use super::output::{Assembler, Output};
use super::pipeline::{Message, put_frames};
use super::plugin_host::PluginHost;
use crate::protocol::client;
use crate::protocol::{Option as UdfOption, RequestMessage, ResponseMessage, SnapshotRequest, put_request};
use crate::task::Trial;

/// Size in bytes at which waiting frames are sent.
const CHUNK: usize = 64 * 1024;

/// How a task is started.
#[derive(Clone, Default)]
pub struct Start {
    /// Kapacitor's id of the task.
    pub task: String,
    /// The options of the call.
    pub options: Vec<UdfOption>,
    /// The snapshot that the task goes on from.
    pub snapshot: Option<Vec<u8>>,
}

/// Takes what a task sends. A function that takes it is a sink, too.
pub trait Sink: Send + 'static {
    /// Takes a point or a whole batch.
    fn take(&mut self, output: Output);

    /// Nothing more has come so far.
    fn rest(&mut self) {}
}

impl<F: FnMut(Output) + Send + 'static> Sink for F {
    fn take(&mut self, output: Output) {
        self(output);
    }
}

/// The task can't start, for this reason.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct StartRefused(pub String);

/// A task that runs.
pub struct Player {
    writer: Box<dyn Write + Send>,
    socket: UnixStream,
    reader: JoinHandle<io::Result<End>>,
    waiting: Vec<u8>,
    /// Unsigned numbers that no int can hold, and that the plugin did not get.
    pub left_out: u64,
}

/// How a task has ended.
#[derive(Debug, Default)]
pub struct End {
    /// The snapshot that was asked for.
    pub snapshot: Option<Vec<u8>>,
    /// When it came.
    pub snapshot_at: Option<Instant>,
    /// Number of points that came before the snapshot.
    pub points_before_snapshot: usize,
    /// The error with which the host has ended the task.
    pub error: Option<String>,
}

impl Player {
    /// Starts a task. What it sends is given to `sink`, on a thread of its own.
    ///
    /// # Errors
    ///
    /// [`StartRefused`] when the plugin does not take the options or the snapshot.
    pub fn start(host: &PluginHost, start: Start, trial: Trial, sink: impl Sink) -> Result<Self> {
        let mut client = host.connect(trial)?;
        let answer = client.init(&start.task, start.options).map_err(|e| StartRefused(e.to_string()))?;
        if !answer.success {
            return Err(StartRefused(answer.error).into());
        }
        if let Some(snapshot) = start.snapshot {
            let answer = client.restore(snapshot).map_err(|e| StartRefused(e.to_string()))?;
            if !answer.success {
                return Err(StartRefused(answer.error).into());
            }
        }
        let (reader, writer, socket) = client.split();
        let socket = socket.ok_or_else(|| anyhow!("the connection is no socket"))?;
        let reader = thread::Builder::new()
            .name("output".to_owned())
            .spawn(move || receive_all(reader, sink))
            .context("a thread is needed, and can't be started")?;
        Ok(Self { writer: Box::new(writer), socket, reader, waiting: Vec::new(), left_out: 0 })
    }

    /// Sends a message, perhaps together with later ones. False once the task has ended by itself.
    pub fn send(&mut self, message: Message) -> bool {
        self.left_out += put_frames(message, &mut self.waiting);
        self.waiting.len() < CHUNK || self.flush()
    }

    /// Sends frames as they are.
    pub fn send_frames(&mut self, frames: &[u8]) -> bool {
        self.flush() && self.writer.write_all(frames).is_ok()
    }

    /// Sends what waits. False once the task has ended by itself.
    pub fn flush(&mut self) -> bool {
        let sent = self.writer.write_all(&self.waiting);
        self.waiting.clear();
        sent.is_ok()
    }

    /// Whether the task has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.reader.is_finished()
    }

    /// Ends the input, after a request for a snapshot if one is wanted, and waits for the end of the output.
    ///
    /// # Errors
    ///
    /// When what came back is not the protocol.
    pub fn end(mut self, snapshot: bool) -> Result<End> {
        if snapshot {
            put_request(RequestMessage::Snapshot(SnapshotRequest {}), &mut self.waiting);
        }
        // A task that has failed does not read: its error says why.
        let _ = self.flush();
        let _ = self.socket.shutdown(Shutdown::Write);
        let end = self.reader.join().map_err(|_| anyhow!("the output could not be taken"))?;
        end.context("the connection to the plugin was lost")
    }
}

fn receive_all(mut reader: BufReader<impl Read>, mut sink: impl Sink) -> io::Result<End> {
    let mut end = End::default();
    let (mut assembler, mut points) = (Assembler::default(), 0);
    loop {
        if reader.buffer().is_empty() {
            sink.rest();
            reader.fill_buf()?;
        }
        let Some(response) = client::receive(&mut reader)? else { return Ok(end) };
        match response {
            ResponseMessage::Snapshot(response) => {
                end.snapshot = Some(response.snapshot);
                end.snapshot_at = Some(Instant::now());
                end.points_before_snapshot = points;
            }
            ResponseMessage::Error(error) => end.error = Some(error.error),
            other => {
                if let Some(output) = assembler.push(other) {
                    points += output.points().len();
                    sink.take(output);
                }
            }
        }
    }
}
