//! Kapacitor's side of the protocol: what the demo, the bench and the tests talk to the host with.
//!
//! Blocking, one connection. It does what Kapacitor does, half-close and all, and in addition what a
//! broken Kapacitor might.

use std::io::{self, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

use prost::Message;

use crate::protocol::option_value::Value;
use crate::protocol::{
    FenceRequest, FenceResponse, InfoRequest, InfoResponse, InitRequest, InitResponse, KeepaliveRequest,
    Option as UdfOption, OptionValue, RequestMessage, Response, ResponseMessage, RestoreRequest,
    RestoreResponse, SnapshotRequest, ValueType, put_request,
};

/// Largest response that is read.
const MAX_RESPONSE: u64 = 256 << 20;

/// A connection to a UDF.
pub struct Client {
    reader: BufReader<Box<dyn Read + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    /// The socket, to end only its writing half.
    socket: Option<UnixStream>,
}

impl Client {
    /// Connects to a socket.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn connect(path: &Path) -> io::Result<Self> {
        Self::over_socket(UnixStream::connect(path)?)
    }

    /// Talks over a socket that is connected.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn over_socket(socket: UnixStream) -> io::Result<Self> {
        Ok(Self {
            reader: BufReader::with_capacity(256 * 1024, Box::new(socket.try_clone()?)),
            writer: Some(Box::new(socket.try_clone()?)),
            socket: Some(socket),
        })
    }

    /// Talks over the pipes of a child process.
    pub fn over_pipes(stdout: impl Read + Send + 'static, stdin: impl Write + Send + 'static) -> Self {
        Self {
            reader: BufReader::with_capacity(256 * 1024, Box::new(stdout)),
            writer: Some(Box::new(stdin)),
            socket: None,
        }
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    ///
    /// When the other side is gone or the input was ended.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write_all(bytes)
    }

    /// Sends one request.
    ///
    /// # Errors
    ///
    /// As [`Client::send_bytes`].
    pub fn send(&mut self, request: RequestMessage) -> io::Result<()> {
        let mut frame = Vec::new();
        put_request(request, &mut frame);
        self.send_bytes(&frame)
    }

    /// The next response; `None` at the end.
    ///
    /// # Errors
    ///
    /// When the bytes are no response, or end within one.
    pub fn receive(&mut self) -> io::Result<Option<ResponseMessage>> {
        receive(&mut self.reader)
    }

    /// The next response that is no sign of life.
    fn receive_answer(&mut self) -> io::Result<Option<ResponseMessage>> {
        loop {
            match self.receive()? {
                Some(ResponseMessage::Keepalive(_)) => {}
                other => return Ok(other),
            }
        }
    }

    /// Asks for Info.
    ///
    /// # Errors
    ///
    /// When something else is answered.
    pub fn info(&mut self) -> io::Result<InfoResponse> {
        self.send(RequestMessage::Info(InfoRequest {}))?;
        match self.receive_answer()? {
            Some(ResponseMessage::Info(info)) => Ok(info),
            other => Err(unexpected("info", other)),
        }
    }

    /// Starts a task.
    ///
    /// # Errors
    ///
    /// When something else is answered.
    pub fn init(&mut self, task: &str, options: Vec<UdfOption>) -> io::Result<InitResponse> {
        let (task_id, node_id) = (task.to_owned(), "udf2".to_owned());
        self.init_with(InitRequest { options, task_id, node_id, client_state: false })
    }

    /// Starts a task with all that an InitRequest can say.
    ///
    /// # Errors
    ///
    /// When something else is answered.
    pub fn init_with(&mut self, request: InitRequest) -> io::Result<InitResponse> {
        self.send(RequestMessage::Init(request))?;
        match self.receive_answer()? {
            Some(ResponseMessage::Init(init)) => Ok(init),
            other => Err(unexpected("init", other)),
        }
    }

    /// Takes a snapshot; data that arrives before it is appended to `data`.
    ///
    /// # Errors
    ///
    /// When the connection ends first, or the host says why there is no snapshot.
    pub fn snapshot(&mut self, data: &mut Vec<ResponseMessage>) -> io::Result<Vec<u8>> {
        self.send(RequestMessage::Snapshot(SnapshotRequest {}))?;
        loop {
            match self.receive()? {
                Some(ResponseMessage::Snapshot(response)) if response.error.is_empty() => {
                    return Ok(response.snapshot);
                }
                Some(ResponseMessage::Snapshot(response)) => return Err(invalid(&response.error)),
                Some(ResponseMessage::Error(e)) => return Err(invalid(&e.error)),
                Some(other) => data.push(other),
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// Asks how far the task has come; data that arrives before the answer is appended to `data`.
    ///
    /// # Errors
    ///
    /// When the connection ends first.
    pub fn fence(&mut self, id: i64, data: &mut Vec<ResponseMessage>) -> io::Result<FenceResponse> {
        self.send(RequestMessage::Fence(FenceRequest { id, at_end: false }))?;
        loop {
            match self.receive()? {
                Some(ResponseMessage::Fence(fence)) => return Ok(fence),
                Some(ResponseMessage::Error(e)) => return Err(invalid(&e.error)),
                Some(other) => data.push(other),
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// Gives a snapshot back.
    ///
    /// # Errors
    ///
    /// When something else is answered.
    pub fn restore(&mut self, snapshot: Vec<u8>) -> io::Result<RestoreResponse> {
        self.send(RequestMessage::Restore(RestoreRequest { snapshot }))?;
        match self.receive_answer()? {
            Some(ResponseMessage::Restore(restore)) => Ok(restore),
            other => Err(unexpected("restore", other)),
        }
    }

    /// Sends a keepalive with this time.
    ///
    /// # Errors
    ///
    /// As [`Client::send_bytes`].
    pub fn keepalive(&mut self, time: i64) -> io::Result<()> {
        self.send(RequestMessage::Keepalive(KeepaliveRequest { time }))
    }

    /// Ends the input, as Kapacitor does to stop a UDF, and leaves the output open.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn end_input(&mut self) -> io::Result<()> {
        self.writer = None;
        match &self.socket {
            Some(socket) => socket.shutdown(Shutdown::Write),
            None => Ok(()),
        }
    }

    /// A second handle of the socket, to write to it while another thread reads.
    ///
    /// # Errors
    ///
    /// What the system says, or that there is no socket.
    pub fn reopen_writer(&self) -> io::Result<UnixStream> {
        self.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?.try_clone()
    }

    /// All responses up to the end.
    ///
    /// # Errors
    ///
    /// As [`Client::receive`].
    pub fn rest(&mut self) -> io::Result<Vec<ResponseMessage>> {
        let mut responses = Vec::new();
        while let Some(response) = self.receive()? {
            responses.push(response);
        }
        Ok(responses)
    }

    /// Both halves by themselves, to write and read at the same time.
    ///
    /// # Panics
    ///
    /// When the input was ended.
    pub fn split(self) -> (BufReader<Box<dyn Read + Send>>, impl Write + Send, Option<UnixStream>) {
        (self.reader, self.writer.expect("the input was not ended"), self.socket)
    }
}

/// The next response from `reader`, which should be buffered; `None` at the end.
///
/// # Errors
///
/// When the bytes are no response, or end within one.
pub fn receive(reader: &mut impl Read) -> io::Result<Option<ResponseMessage>> {
    let mut length = 0;
    for i in 0.. {
        let mut byte = [0];
        if reader.read(&mut byte)? == 0 {
            return if i == 0 { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        if i == 10 {
            return Err(invalid("the length of a frame is no varint"));
        }
        length |= u64::from(byte[0] & 0x7f) << (7 * i);
        if byte[0] < 0x80 {
            break;
        }
    }
    if length > MAX_RESPONSE {
        return Err(invalid("a frame is too long"));
    }
    let mut body = Vec::new();
    reader.by_ref().take(length).read_to_end(&mut body)?;
    if body.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let response = Response::decode(&body[..]).map_err(|e| invalid(&e.to_string()))?;
    response.message.map(Some).ok_or_else(|| invalid("a response without a message"))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn unexpected(what: &str, got: Option<ResponseMessage>) -> io::Error {
    match got {
        None => invalid(&format!("the connection ended before the answer to {what}")),
        Some(ResponseMessage::Error(e)) => invalid(&e.error),
        Some(_) => invalid(&format!("something else than the answer to {what}")),
    }
}

/// `.name(value)` of a TICKscript.
pub fn option(name: &str, value: Value) -> UdfOption {
    let ty = match value {
        Value::BoolValue(_) => ValueType::Bool,
        Value::IntValue(_) => ValueType::Int,
        Value::DoubleValue(_) => ValueType::Double,
        Value::StringValue(_) => ValueType::String,
        Value::DurationValue(_) => ValueType::Duration,
    };
    UdfOption { name: name.to_owned(), values: vec![OptionValue { r#type: ty.into(), value: Some(value) }] }
}

/// `.name('text')` of a TICKscript.
pub fn text(name: &str, value: &str) -> UdfOption {
    option(name, Value::StringValue(value.to_owned()))
}
