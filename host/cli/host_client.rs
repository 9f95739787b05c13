//! The host that runs: what its commands ask over HTTP.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, bail};
use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::settings::{CONFIG, CONFIG_ENV};
use crate::config::{Config, ListenAddress};
use crate::logging::{on_one_line, shown};

/// Maximum time until the host has begun to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Maximum size of an answer that is read as a whole, in bytes.
const MOST_TEXT: usize = 64 << 20;

/// Maximum size of the reasons why the host refuses or is not ready, in bytes.
const MOST_REASON: usize = 1 << 20;

/// Which host is asked.
#[derive(Args, Clone)]
pub struct Place {
    /// Configuration file of the host, which says where it answers (`http.listen`).
    #[arg(short, long, value_name = "FILE", default_value = CONFIG, env = CONFIG_ENV)]
    config: PathBuf,
    /// Address at which the host answers, `unix:PATH` or `IP:PORT` [default: a unix socket of `http.listen`, or else
    /// its first address].
    #[arg(long, value_name = "ADDRESS")]
    address: Option<ListenAddress>,
}

/// A host that may run.
#[derive(Clone, Debug)]
pub struct HostClient(ListenAddress);

impl Place {
    /// The host at this place.
    ///
    /// # Errors
    ///
    /// When `udf.toml` can't be read, or has no address.
    pub fn host(&self) -> Result<HostClient> {
        if let Some(address) = &self.address {
            return Ok(HostClient(address.clone()));
        }
        let config = Config::from_file(&self.config)?;
        let listen = &config.http.listen;
        let unix = listen.iter().find(|address| matches!(address, ListenAddress::Unix(_)));
        let address = unix.or(listen.first()).with_context(|| {
            format!(
                "{} has no http.listen, so the host answers nowhere: add [http] with \
                 listen = \"unix:/run/kapacitor-wasm/http.sock\", and restart the host",
                shown(&self.config)
            )
        })?;
        Ok(HostClient(address.clone()))
    }

    /// The same for what is answered on unix sockets only.
    ///
    /// # Errors
    ///
    /// As [`Place::host`], and where there is no unix socket.
    pub fn host_at_socket(&self) -> Result<HostClient> {
        let host = self.host()?;
        if let ListenAddress::Tcp(address) = &host.0 {
            bail!(
                "points are shown on a unix socket only, by the rights of its file, and {address} is a port: add \
                 \"unix:/run/kapacitor-wasm/http.sock\" to http.listen and restart the host, or name a socket with \
                 --address unix:PATH"
            );
        }
        Ok(host)
    }
}

impl HostClient {
    /// What is at this path, with its query; the answer has begun, and has a status of 200.
    ///
    /// # Errors
    ///
    /// When the host can't be asked, or refuses.
    pub async fn get(&self, path: &str) -> Result<Response<Incoming>> {
        let answer = self.in_time(self.ask(path)).await?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::NOT_FOUND => {
                let version = env!("CARGO_PKG_VERSION");
                let path = path.split('?').next().unwrap_or_default();
                bail!(
                    "{}: what answers there knows no {path}: it is another version of the host than this \
                     program ({version}), or no kapacitor-wasm",
                    self.shown()
                )
            }
            status => {
                let reason = self.in_time(self.text_of(answer, MOST_REASON)).await;
                let reason = reason.unwrap_or_else(|e| format!("the reason can't be read: {e:#}"));
                bail!("{}: the host refuses ({status}): {}", self.shown(), on_one_line(reason.trim_end()))
            }
        }
    }

    /// The text at this path.
    ///
    /// # Errors
    ///
    /// As [`HostClient::get`], and when the answer ends early.
    pub async fn text(&self, path: &str) -> Result<String> {
        let answer = self.get(path).await?;
        self.in_time(self.text_of(answer, MOST_TEXT)).await
    }

    /// Why the host is not ready; empty if it is.
    ///
    /// # Errors
    ///
    /// When the host can't be asked, or what it answers is not understood.
    pub async fn not_ready(&self) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Readiness {
            #[serde(rename = "status")]
            _status: String,
            #[serde(default)]
            reasons: Vec<String>,
        }
        let answer = self.in_time(self.ask("/ready")).await?;
        let status = answer.status();
        let text = self.in_time(self.text_of(answer, MOST_REASON)).await?;
        let readiness: Readiness = serde_json::from_str(&text).with_context(|| {
            format!("{}: the answer ({status}) says nothing of a host that is ready or not", self.shown())
        })?;
        Ok(readiness.reasons)
    }

    async fn in_time<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        timeout(PATIENCE, answer)
            .await
            .map_err(|_| anyhow!("{}: the host has not answered for 10 s", self.shown()))?
    }

    async fn text_of(&self, answer: Response<Incoming>, most: usize) -> Result<String> {
        let kind = answer.headers().get(CONTENT_TYPE).cloned();
        let body = Limited::new(answer.into_body(), most).collect().await;
        let body = body.map_err(|e| anyhow!("{}: the answer of the host is cut off: {e}", self.shown()))?;
        String::from_utf8(body.to_bytes().into())
            .with_context(|| format!("{}: the answer ({kind:?}) is no text", self.shown()))
    }

    async fn ask(&self, path: &str) -> Result<Response<Incoming>> {
        match &self.0 {
            ListenAddress::Unix(file) => {
                let stream = UnixStream::connect(file).await.map_err(|e| refused(file, e))?;
                send(stream, path).await
            }
            ListenAddress::Tcp(address) => {
                let stream = TcpStream::connect(address).await;
                let stream = stream.with_context(|| {
                    format!("{address}: nobody answers there: is the host running, with this http.listen?")
                })?;
                send(stream, path).await
            }
        }
        .with_context(|| format!("{}: no answer of a host", self.shown()))
    }

    /// The address, for a sentence.
    pub fn shown(&self) -> String {
        match &self.0 {
            ListenAddress::Unix(file) => shown(file),
            ListenAddress::Tcp(address) => address.to_string(),
        }
    }
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    path: &str,
) -> Result<Response<Incoming>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get(path).header(HOST, "localhost").body(Empty::<Bytes>::new())?;
    Ok(sender.send_request(request).await?)
}

/// Why a socket can't be used, and what to do.
fn refused(file: &Path, error: io::Error) -> Error {
    let file = shown(file);
    match error.kind() {
        io::ErrorKind::NotFound => anyhow!(
            "{file}: there is no such socket: start the host, or restart it if http.listen was added since it was \
             started"
        ),
        io::ErrorKind::ConnectionRefused => {
            anyhow!("{file}: nobody listens on this socket: the host does not run, start it")
        }
        io::ErrorKind::PermissionDenied => anyhow!(
            "{file}: this user may not use the socket: run the command as a member of its group (socket-group), or \
             as root"
        ),
        _ => Error::new(error).context(format!("{file}: the socket can't be used")),
    }
}
