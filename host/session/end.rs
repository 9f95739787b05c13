//! One end of a connection: a socket, a pipe, or anything else that is read or written.

use std::future::{pending, poll_fn};
use std::io;
use std::mem;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::retry_on_intr;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, Ready};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

/// Maximum size of a read from an end that is not watched for all. Kapacitor's messages are small, and what it may write
/// before it has to wait is about as much.
const MAX_READ: usize = 32 * 1024;

/// Memory that two small packets of a socket take in Linux, in bytes: Kapacitor writes each message as two.
const PACKETS: usize = 2 * 768;

/// Memory of the packets in a socket that is nearly full, in bytes: seven eighths of what Linux allows by default
/// (`net.core.wmem_default`).
const NEARLY_FULL_SOCKET: usize = 212_992 / 8 * 7;

/// Bytes in a pipe that is nearly full: seven eighths of what a pipe of Linux holds.
const NEARLY_FULL_PIPE: usize = 64 * 1024 / 8 * 7;

/// A descriptor that the runtime watches or, while it is unwatched, one that nobody waits for: then no write of
/// Kapacitor wakes anybody.
pub enum End {
    /// A socket that is watched for input and for room to write: each of Kapacitor's reads makes such room, and wakes a
    /// thread.
    Socket(UnixStream),
    /// A socket that is watched for input only.
    Input(AsyncFd<Descriptor>),
    /// The end of a pipe that is read.
    Receiver(pipe::Receiver),
    /// The end of a pipe that is written.
    Sender(pipe::Sender),
    /// A descriptor that nobody waits for.
    Unwatched(Descriptor),
    /// A file, or a connection in memory, that is read.
    Reader(Mutex<Pin<Box<dyn AsyncRead + Send>>>),
    /// A file, or a connection in memory, that is written.
    Writer(Mutex<Pin<Box<dyn AsyncWrite + Send>>>),
    /// The system has refused to watch it again.
    Lost,
}

/// A descriptor that does not block.
pub enum Descriptor {
    Socket(StdUnixStream),
    Receiver(OwnedFd),
    Sender(OwnedFd),
}

/// What Kapacitor has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangUp {
    /// Its input: nothing more follows what was sent.
    Input,
    /// The whole connection: nobody reads the responses.
    Connection,
}

impl Descriptor {
    fn read_now(&self, buffer: &mut BytesMut) -> io::Result<Option<usize>> {
        let (Self::Socket(_) | Self::Receiver(_)) = self else { return Err(not_readable()) };
        let length = buffer.len();
        buffer.resize(length + room_for_read(buffer), 0);
        let read = retry_on_intr(|| rustix::io::read(self, &mut buffer[length..]));
        buffer.truncate(length + read.unwrap_or(0));
        unless_it_would_block(read.map_err(io::Error::from))
    }

    fn hung_up_now(&self) -> Option<HangUp> {
        let mut polled = [PollFd::new(self, PollFlags::RDHUP)];
        rustix::event::poll(&mut polled, Some(&Timespec::default())).ok()?;
        let found = polled[0].revents();
        if matches!(self, Self::Socket(_)) && found.contains(PollFlags::HUP) {
            Some(HangUp::Connection)
        } else {
            found.intersects(PollFlags::RDHUP | PollFlags::HUP).then_some(HangUp::Input)
        }
    }

    fn write_now(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        let (Self::Socket(_) | Self::Sender(_)) = self else { return Err(not_writable()) };
        let written = retry_on_intr(|| rustix::io::write(self, bytes));
        unless_it_would_block(written.map_err(io::Error::from))
    }

    fn shutdown(&self) -> io::Result<()> {
        match self {
            Self::Socket(socket) => socket.shutdown(Shutdown::Write),
            Self::Receiver(_) | Self::Sender(_) => Ok(()),
        }
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Socket(socket) => socket.as_fd(),
            Self::Receiver(fd) | Self::Sender(fd) => fd.as_fd(),
        }
    }
}

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl End {
    /// A file, or a connection in memory, that is read.
    pub fn reader(reader: impl AsyncRead + Send + 'static) -> Self {
        Self::Reader(Mutex::new(Box::pin(reader)))
    }

    /// A file, or a connection in memory, that is written.
    pub fn writer(writer: impl AsyncWrite + Send + 'static) -> Self {
        Self::Writer(Mutex::new(Box::pin(writer)))
    }

    /// Reads what there is into the room of `buffer`; waits until there is something. Zero bytes are the end.
    pub async fn read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        if let Self::Reader(reader) = self {
            return poll_fn(|cx| pin!(lock(reader).read_buf(buffer)).poll(cx)).await;
        }
        loop {
            match self {
                Self::Socket(socket) => socket.readable().await?,
                Self::Receiver(pipe) => pipe.readable().await?,
                Self::Input(socket) => {
                    let mut ready = socket.readable().await?;
                    let room = room_for_read(buffer);
                    let count = self.read_now(buffer)?;
                    // A read that does not fill the room has emptied the socket: to look once more would find nothing.
                    // That is not so behind descriptors and urgent data, which no one sends here.
                    if count.is_none_or(|count| count < room) {
                        ready.clear_ready_matching(Ready::READABLE);
                    }
                    match count {
                        Some(count) => return Ok(count),
                        None => continue,
                    }
                }
                _ => return self.read_now(buffer)?.ok_or_else(not_readable),
            }
            if let Some(count) = self.read_now(buffer)? {
                return Ok(count);
            }
        }
    }

    /// Reads what there is into the room of `buffer`, without waiting. `None` if there is nothing.
    pub fn read_now(&self, buffer: &mut BytesMut) -> io::Result<Option<usize>> {
        match self {
            Self::Socket(socket) => unless_it_would_block(socket.try_read_buf(buffer)),
            Self::Receiver(pipe) => unless_it_would_block(pipe.try_read_buf(buffer)),
            Self::Input(socket) => socket.get_ref().read_now(buffer),
            Self::Unwatched(end) => end.read_now(buffer),
            Self::Reader(reader) => now(pin!(lock(reader).read_buf(buffer))),
            Self::Sender(_) | Self::Writer(_) | Self::Lost => Err(not_readable()),
        }
    }

    /// Whether an end that nobody waits for was nearly full when so many bytes with so many messages were read from it:
    /// then Kapacitor may have waited for room.
    pub fn was_nearly_full(&self, bytes: usize, messages: usize) -> bool {
        match self {
            Self::Unwatched(Descriptor::Socket(_)) => bytes + messages * PACKETS > NEARLY_FULL_SOCKET,
            Self::Unwatched(Descriptor::Receiver(_)) => bytes > NEARLY_FULL_PIPE,
            _ => false,
        }
    }

    /// Writes as much of `bytes` as is taken; waits until some of it is. An end that is watched for input only, or not
    /// at all, can't be waited for.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        if let Self::Writer(writer) = self {
            let written = poll_fn(|cx| pin!(lock(writer).write(bytes)).poll(cx)).await?;
            return unless_none_is_taken(written, bytes);
        }
        loop {
            match self {
                Self::Socket(socket) => socket.writable().await?,
                Self::Sender(pipe) => pipe.writable().await?,
                _ => return Err(not_writable()),
            }
            let written = self.write_now(bytes)?;
            if written > 0 {
                return Ok(written);
            }
        }
    }

    /// Writes as much of `bytes` as is taken without waiting.
    pub fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self {
            Self::Socket(socket) => unless_it_would_block(socket.try_write(bytes)),
            Self::Sender(pipe) => unless_it_would_block(pipe.try_write(bytes)),
            Self::Input(socket) => socket.get_ref().write_now(bytes),
            Self::Unwatched(end) => end.write_now(bytes),
            Self::Writer(writer) => now(pin!(lock(writer).write(bytes))),
            Self::Receiver(_) | Self::Reader(_) | Self::Lost => Err(not_writable()),
        };
        written?.map_or(Ok(0), |written| unless_none_is_taken(written, bytes))
    }

    /// Waits until Kapacitor has closed its side, without reading. For ever where that can't be noticed.
    pub async fn hung_up(&self) -> HangUp {
        // The system reports the end of the input together with urgent data, which no one sends here.
        let end = match self {
            Self::Socket(socket) => socket.ready(Interest::PRIORITY).await,
            Self::Input(socket) => socket.ready(Interest::PRIORITY).await.map(|found| found.ready()),
            Self::Receiver(pipe) => pipe.ready(Interest::PRIORITY).await,
            _ => return pending().await,
        };
        if !end.is_ok_and(Ready::is_read_closed) {
            return pending().await;
        }
        // This returns at once, with all that is known of the socket.
        let all = Interest::PRIORITY | Interest::WRITABLE;
        let end = match self {
            Self::Socket(socket) => socket.ready(all).await,
            Self::Input(socket) => socket.ready(all).await.map(|found| found.ready()),
            _ => return HangUp::Input,
        };
        if end.is_ok_and(Ready::is_write_closed) { HangUp::Connection } else { HangUp::Input }
    }

    /// Whether Kapacitor has closed its side, as far as that is known of an end that nobody waits for.
    pub fn hung_up_now(&self) -> Option<HangUp> {
        match self {
            Self::Unwatched(end) => end.hung_up_now(),
            _ => None,
        }
    }

    /// Waits until what was written is where it belongs: a file takes it before that.
    pub async fn flush(&self) -> io::Result<()> {
        let Self::Writer(writer) = self else { return Ok(()) };
        poll_fn(|cx| lock(writer).as_mut().poll_flush(cx)).await
    }

    /// Says that nothing more will be written.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Self::Socket(socket) => socket.shutdown().await,
            Self::Input(socket) => socket.get_ref().shutdown(),
            Self::Unwatched(end) => end.shutdown(),
            Self::Writer(writer) => poll_fn(|cx| lock(writer).as_mut().poll_shutdown(cx)).await,
            _ => Ok(()),
        }
    }

    /// Whether it may be unwatched.
    pub fn is_descriptor(&self) -> bool {
        !matches!(self, Self::Reader(_) | Self::Writer(_) | Self::Lost)
    }

    /// Has nobody wait for it.
    pub fn unwatch(&mut self) -> io::Result<()> {
        *self = match mem::replace(self, Self::Lost) {
            Self::Socket(socket) => Self::Unwatched(Descriptor::Socket(socket.into_std()?)),
            Self::Input(socket) => Self::Unwatched(socket.into_inner()),
            Self::Receiver(pipe) => Self::Unwatched(Descriptor::Receiver(pipe.into_nonblocking_fd()?)),
            Self::Sender(pipe) => Self::Unwatched(Descriptor::Sender(pipe.into_nonblocking_fd()?)),
            other => other,
        };
        Ok(())
    }

    /// Has the runtime watch it, if it is a socket that is watched for all, for input only.
    pub fn watch_input(&mut self) -> io::Result<()> {
        *self = match mem::replace(self, Self::Lost) {
            Self::Socket(socket) => {
                let socket = Descriptor::Socket(socket.into_std()?);
                #[expect(
                    deprecated,
                    reason = "what replaces it is unsafe, for types that name a descriptor they do not own"
                )]
                let watched = AsyncFd::with_interest(socket, Interest::READABLE)?;
                Self::Input(watched)
            }
            other => other,
        };
        Ok(())
    }

    /// Has the runtime watch it for all, as it is at first.
    pub fn watch(&mut self) -> io::Result<()> {
        if let Self::Input(_) = self {
            self.unwatch()?;
        }
        *self = match mem::replace(self, Self::Lost) {
            Self::Unwatched(Descriptor::Socket(socket)) => Self::Socket(UnixStream::from_std(socket)?),
            Self::Unwatched(Descriptor::Receiver(fd)) => Self::Receiver(pipe::Receiver::from_owned_fd(fd)?),
            Self::Unwatched(Descriptor::Sender(fd)) => Self::Sender(pipe::Sender::from_owned_fd(fd)?),
            other => other,
        };
        Ok(())
    }
}

/// Maximum number of bytes of the next read into `buffer`.
pub fn room_for_read(buffer: &BytesMut) -> usize {
    (buffer.capacity() - buffer.len()).min(MAX_READ)
}

fn lock<T: ?Sized>(end: &Mutex<T>) -> MutexGuard<'_, T> {
    end.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The result of `future` if it is there at once.
fn now<T>(future: Pin<&mut impl Future<Output = io::Result<T>>>) -> io::Result<Option<T>> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.map(Some),
        Poll::Pending => Ok(None),
    }
}

fn unless_it_would_block(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(e) => Err(e),
    }
}

/// The number of bytes that a write has taken: an end that takes none of some takes no more.
fn unless_none_is_taken(written: usize, bytes: &[u8]) -> io::Result<usize> {
    if written == 0 && !bytes.is_empty() { Err(io::ErrorKind::WriteZero.into()) } else { Ok(written) }
}

fn not_readable() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "nothing can be read from this end")
}

fn not_writable() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "nothing can be written to this end")
}
