//! Where Kapacitor's requests come from, and how its end is noticed while nothing is read.

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, Interest, ReadBuf, Ready};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, pipe};

/// Where Kapacitor's requests come from.
pub enum Reader {
    /// One half of a socket, whose other half is written to.
    Half(OwnedReadHalf),
    /// A whole socket that is only read.
    Socket(UnixStream),
    /// A pipe.
    Pipe(pipe::Receiver),
    /// A file, or a connection in memory: its end is noticed when it is read.
    Other(Box<dyn AsyncRead + Send + Sync + Unpin>),
}

/// What Kapacitor has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangUp {
    /// Its input: nothing more follows what was sent.
    Input,
    /// The whole connection: nobody reads the responses.
    Connection,
}

impl Reader {
    /// Waits until Kapacitor has closed its side, without reading. For ever where that can't be noticed.
    pub async fn hung_up(&self) -> HangUp {
        // The system reports the end of the input together with urgent data, which no one sends here.
        let end = match self {
            Self::Half(half) => half.ready(Interest::PRIORITY).await,
            Self::Socket(socket) => socket.ready(Interest::PRIORITY).await,
            Self::Pipe(pipe) => pipe.ready(Interest::PRIORITY).await,
            Self::Other(_) => return pending().await,
        };
        if !end.is_ok_and(Ready::is_read_closed) {
            return pending().await;
        }
        // This returns at once, with all that is known of the socket.
        let all = Interest::PRIORITY | Interest::WRITABLE;
        match self {
            Self::Half(half) if half.ready(all).await.is_ok_and(Ready::is_write_closed) => HangUp::Connection,
            _ => HangUp::Input,
        }
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Half(half) => Pin::new(half).poll_read(cx, buffer),
            Self::Socket(socket) => Pin::new(socket).poll_read(cx, buffer),
            Self::Pipe(pipe) => Pin::new(pipe).poll_read(cx, buffer),
            Self::Other(reader) => Pin::new(reader).poll_read(cx, buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::runtime::Builder;
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn end_is_noticed_while_nothing_is_read() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let soon = Duration::from_secs(20);
            let (mut kapacitor, host) = UnixStream::pair().unwrap();
            let (half, _writer) = host.into_split();
            let mut reader = Reader::Half(half);
            kapacitor.write_all(b"unread").await.unwrap();
            assert!(timeout(Duration::from_millis(20), reader.hung_up()).await.is_err());
            kapacitor.shutdown().await.unwrap();
            assert_eq!(timeout(soon, reader.hung_up()).await, Ok(HangUp::Input));
            let mut read = Vec::new();
            reader.read_to_end(&mut read).await.unwrap();
            assert_eq!(read, b"unread");

            let (mut kapacitor, host) = UnixStream::pair().unwrap();
            let (half, _writer) = host.into_split();
            kapacitor.write_all(b"unread").await.unwrap();
            drop(kapacitor);
            assert_eq!(timeout(soon, Reader::Half(half).hung_up()).await, Ok(HangUp::Connection));

            let (mut sender, receiver) = pipe::pipe().unwrap();
            let reader = Reader::Pipe(receiver);
            sender.write_all(b"unread").await.unwrap();
            assert!(timeout(Duration::from_millis(20), reader.hung_up()).await.is_err());
            drop(sender);
            assert_eq!(timeout(soon, reader.hung_up()).await, Ok(HangUp::Input));
        });
    }
}
