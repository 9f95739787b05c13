//! Peers that live in this process: the raw echo, and plugins compiled natively, without sandbox or guard.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use anyhow::{Context, Result, bail};
use kapacitor_guest::runtime::{Calls, Registered};
use kapacitor_wasm::internals::Bytes;
use kapacitor_wasm::internals::OnFull;
use kapacitor_wasm::internals::{Control, Inbox, InboxItem, InboxLimits};
use kapacitor_wasm::protocol::{ResponseMessage, put_response};
use prost::Message;

#[path = "../plugins/mirror/src/lib.rs"]
mod mirror;
#[expect(dead_code, reason = "its tests' helpers")]
#[path = "../plugins/moving_avg/src/lib.rs"]
mod moving_avg;
#[expect(dead_code, reason = "its tests' helpers")]
#[path = "../plugins/outliers/src/lib.rs"]
mod outliers;

/// Serves `peer` at `socket` for ever.
pub fn serve(peer: &str, socket: &Path) -> Result<()> {
    let listener = UnixListener::bind(socket)?;
    let serve: fn(UnixStream) -> Result<()> = match peer {
        "echo" => echo,
        "mirror" => |stream| run(stream, mirror::Mirror::calls()),
        "moving_avg" => |stream| run(stream, moving_avg::MovingAvg::calls()),
        "outliers" => |stream| run(stream, outliers::Outliers::calls()),
        other => bail!("there is no peer {other}"),
    };
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || serve(stream));
    }
    Ok(())
}

/// Sends back what comes.
fn echo(mut stream: UnixStream) -> Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            read => stream.write_all(&buffer[..read])?,
        }
    }
}

/// Reads as the host does, calls the plugin, and writes what it returned.
fn run(mut stream: UnixStream, mut calls: Box<dyn Calls>) -> Result<()> {
    let queue = Bytes::mib(16);
    let mut inbox = Inbox::new(InboxLimits { message: queue, queue, on_full: OnFull::Block });
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        inbox.space().extend_from_slice(&chunk[..read]);
        inbox.sort(|_| {})?;
        while let Some(item) = inbox.take() {
            match item {
                InboxItem::Run(run) => {
                    let length = run.frames.len();
                    calls.input(length)[..length].copy_from_slice(&run.frames);
                    calls.process(length);
                    stream.write_all(calls.result())?;
                }
                InboxItem::Control(request) => {
                    let Control::Init(request) = *request else { bail!("only init is answered") };
                    let request = request.encode_to_vec();
                    calls.input(request.len())[..request.len()].copy_from_slice(&request);
                    calls.init(request.len());
                    let response = Message::decode(calls.result()).context("init")?;
                    let mut frame = Vec::new();
                    put_response(ResponseMessage::Init(response), &mut frame);
                    stream.write_all(&frame)?;
                }
            }
        }
    }
}
