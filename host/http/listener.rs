//! The addresses of `http.listen`.

use std::io;
use std::net::TcpListener as StdTcpListener;

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use super::host_header::Door;
use crate::config::{Config, ListenAddress};
use crate::endpoint::SocketFile;

/// A connection of any kind.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An address that clients can connect to.
pub enum Listener {
    /// `IP:PORT`
    Tcp(TcpListener),
    /// A unix socket, whose file is deleted with this.
    Unix {
        /// Accepts connections.
        listener: UnixListener,
        /// Its file.
        file: SocketFile,
    },
}

impl Listener {
    /// Listens on `address`. Call it within a runtime.
    ///
    /// # Errors
    ///
    /// Which address can't be had, and what to do.
    pub fn bind(address: &ListenAddress, config: &Config) -> Result<Self> {
        match address {
            ListenAddress::Tcp(address) => {
                let listener = StdTcpListener::bind(address)
                    .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
                    .and_then(TcpListener::from_std)
                    .with_context(|| {
                        format!("http.listen: {address} can't be listened on: choose another address or port")
                    })?;
                Ok(Self::Tcp(listener))
            }
            ListenAddress::Unix(path) => {
                let (listener, file) = SocketFile::bind(path, config).context("http.listen")?;
                Ok(Self::Unix { listener, file })
            }
        }
    }

    /// The address as it is.
    pub fn shown(&self) -> String {
        match self {
            Self::Tcp(listener) => listener.local_addr().map_or(String::new(), |address| address.to_string()),
            Self::Unix { file, .. } => format!("unix:{}", file.path().display()),
        }
    }

    /// The next connection.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
            Self::Unix { listener, .. } => Box::new(listener.accept().await?.0),
        })
    }

    /// How clients get in.
    pub fn door(&self) -> Door {
        match self {
            Self::Tcp(_) => Door::Port,
            Self::Unix { .. } => Door::Socket,
        }
    }
}
