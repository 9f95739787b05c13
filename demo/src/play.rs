//! Kapacitor's part: asks what a function is, then starts a task, sends its data and reads what comes back.
//!
//! It sends what Kapacitor sends, but faster: Kapacitor makes two writes of each message.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kapacitor_wasm::protocol::client::{Client, receive};
use kapacitor_wasm::protocol::{
    EdgeType, InfoResponse, KeepaliveRequest, Option as UdfOption, RequestMessage, ResponseMessage,
    SnapshotRequest, put_request,
};

use crate::host::Host;

/// Amount of data after which a keepalive is sent, in bytes. Kapacitor has a clock for it.
const KEEPALIVE: usize = 256 * 1024;

/// The edges of a function.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Edges {
    /// The edge that comes in.
    pub wants: EdgeType,
    /// The edge that goes out.
    pub provides: EdgeType,
}

impl fmt::Display for Edges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |edge: EdgeType| edge.as_str_name().to_lowercase();
        write!(f, "{} -> {}", name(self.wants), name(self.provides))
    }
}

/// A task of Kapacitor with one UDF node.
pub struct Task {
    /// Kapacitor's id of the task.
    pub id: &'static str,
    /// The plugin, whose function has the same name.
    pub plugin: &'static str,
    /// Edges that the plugin must have.
    pub edges: Edges,
    /// Options as the TICKscript sets them.
    pub options: Vec<UdfOption>,
}

/// How a task went.
pub struct Played {
    /// Output of the task: points and batches.
    pub data: Vec<ResponseMessage>,
    /// Number of points that were sent.
    pub points: usize,
    /// Time from Init until the host closed the connection.
    pub took: Duration,
    /// Size of the snapshot that was taken half-way, in bytes.
    pub snapshot: usize,
    /// Number of keepalives that were answered.
    pub keepalives: usize,
}

impl Task {
    /// Runs the task from start to end. Nothing comes between the messages of a unit.
    ///
    /// # Errors
    ///
    /// When the plugin is missing, refused or not the right one, and when the task fails.
    pub fn play(self, host: &Host, units: Vec<Vec<RequestMessage>>) -> Result<Played> {
        let Self { id, plugin, edges, options } = self;
        // The host answers once it has loaded the plugin, so the time that this takes is not measured.
        let client = host.connect(plugin)?;
        let info = info(client).with_context(|| format!("plugin {plugin} does not answer"))?;
        let found = Edges { wants: info.wants(), provides: info.provides() };
        // A refused plugin answers Info as a stream function without options, and Init with the reason.
        if found != edges && !info.options.is_empty() {
            bail!("plugin {plugin} is {found}, and the demo needs one that is {edges}: choose other plugins");
        }

        let is_point = |message: &&RequestMessage| matches!(message, RequestMessage::Point(_));
        let points = units.iter().flatten().filter(is_point).count();
        let input = encode(units);
        let start = Instant::now();
        let mut client = host.connect(plugin)?;
        let init = client.init(id, options).with_context(|| format!("plugin {plugin} does not start"))?;
        if !init.success {
            bail!(init.error);
        }
        let mut played =
            Played { data: Vec::new(), points, took: Duration::ZERO, snapshot: 0, keepalives: 0 };
        played.run(client, input, start).with_context(|| format!("task {id} with plugin {plugin}"))?;
        Ok(played)
    }
}

/// Asks for Info on a connection of its own, as kapacitord does when it starts.
fn info(mut client: Client) -> io::Result<InfoResponse> {
    let info = client.info()?;
    client.end_input()?;
    client.rest()?;
    Ok(info)
}

impl Played {
    /// Sends the input, and receives the output until the host closes the connection.
    fn run(&mut self, client: Client, input: Vec<u8>, start: Instant) -> Result<()> {
        let (mut reader, mut writer, socket) = client.split();
        let mut output = Vec::new();
        // Neither side waits for the other to be done: the host stops reading when nobody reads from it.
        let (written, read) = thread::scope(|scope| {
            let writing = scope.spawn(move || {
                writer.write_all(&input)?;
                socket.map_or(Ok(()), |socket| socket.shutdown(Shutdown::Write))
            });
            let read = reader.read_to_end(&mut output);
            (writing.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())), read)
        });
        self.took = start.elapsed();
        self.sort(&output)?;
        // An error that the host reported explains more than that it closed the connection.
        written.and(read).context("the host closed the connection early")?;
        Ok(())
    }

    fn sort(&mut self, mut output: &[u8]) -> Result<()> {
        while let Some(response) = receive(&mut output)? {
            match response {
                ResponseMessage::Error(e) => bail!(e.error),
                ResponseMessage::Snapshot(response) => self.snapshot = response.snapshot.len(),
                ResponseMessage::Keepalive(_) => self.keepalives += 1,
                data => self.data.push(data),
            }
        }
        Ok(())
    }
}

/// The input as bytes, with keepalives and one request for a snapshot in it.
fn encode(units: Vec<Vec<RequestMessage>>) -> Vec<u8> {
    let middle = units.len() / 2;
    let mut input = Vec::new();
    let mut alive = 0;
    for (i, unit) in units.into_iter().enumerate() {
        if i == middle {
            put_request(RequestMessage::Snapshot(SnapshotRequest {}), &mut input);
        }
        if input.len() - alive >= KEEPALIVE {
            alive = input.len();
            put_request(RequestMessage::Keepalive(KeepaliveRequest { time: i as i64 }), &mut input);
        }
        unit.into_iter().for_each(|message| put_request(message, &mut input));
    }
    input
}
