//! Kapacitor's part: asks what a function is, then starts a task, sends its data and reads what
//! comes back.
//!
//! It sends what Kapacitor sends, but faster: Kapacitor makes two writes of each message.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::config::Edges;
use crate::protocol::client::{Client, receive};
use crate::protocol::{
    KeepaliveRequest, Option as UdfOption, RequestMessage, ResponseMessage, SnapshotRequest, put_request,
};
use anyhow::{Context, Result, anyhow, bail};

/// A keepalive comes after so many bytes of data. Kapacitor has a clock for it.
const KEEPALIVE: usize = 256 * 1024;

/// How a task went.
pub struct Played {
    /// What it gave: points and batches.
    pub data: Vec<ResponseMessage>,
    /// Points that it was sent.
    pub points: usize,
    /// From Init until the host closed the connection.
    pub took: Duration,
    /// Size of its snapshot, half-way.
    pub snapshot: usize,
    /// Keepalives that were answered.
    pub keepalives: usize,
}

/// Asks for Info on a connection of its own, as kapacitord does when it starts.
pub fn info(socket: &Path, edges: Edges) -> Result<()> {
    let mut client = connect(socket)?;
    let info = client.info()?;
    client.end_input()?;
    client.rest()?;
    let found = Edges { wants: info.wants(), provides: info.provides() };
    if found != edges {
        bail!("it is {found}, and the demo needs one that is {edges}: choose other plugins");
    }
    Ok(())
}

/// Runs a task from start to end. Nothing comes between the messages of a unit.
pub fn play(
    socket: &Path,
    task: &str,
    options: Vec<UdfOption>,
    units: Vec<Vec<RequestMessage>>,
) -> Result<Played> {
    let points = units.iter().flatten().filter(|message| matches!(message, RequestMessage::Point(_))).count();
    let input = encode(units);
    let start = Instant::now();
    let mut client = connect(socket)?;
    let init = client.init(task, options)?;
    if !init.success {
        return Err(anyhow!(init.error));
    }
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
    let mut played = Played { data: Vec::new(), points, took: start.elapsed(), snapshot: 0, keepalives: 0 };
    played.sort(&output)?;
    // What the host said counts for more than that it closed the connection.
    written.and(read).context("the host closed the connection early")?;
    Ok(played)
}

impl Played {
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

fn connect(socket: &Path) -> Result<Client> {
    Client::connect(socket).with_context(|| format!("{}: can't connect", socket.display()))
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
