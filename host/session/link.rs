//! The connection to Kapacitor: what is read from it, and what is written to it.

use std::io;

use bytes::BytesMut;
use tokio::net::UnixStream;

use super::end::{End, HangUp};

/// A connection: one socket, or an end that is read and one that is written.
///
/// While the runtime watches it, each write of Kapacitor wakes a thread of the host, and each of Kapacitor's reads of
/// a full connection does, too. While it is unwatched nothing does: the session looks at it by itself.
pub struct Link {
    input: End,
    /// `None` if the input is a socket that is written to as well.
    output: Option<End>,
    watched: bool,
}

impl Link {
    /// A socket.
    pub fn socket(socket: UnixStream) -> Self {
        Self { input: End::Socket(socket), output: None, watched: true }
    }

    /// An end that is read, and one that is written.
    pub fn of_two(input: End, output: End) -> Self {
        Self { input, output: Some(output), watched: true }
    }

    fn output(&self) -> &End {
        self.output.as_ref().unwrap_or(&self.input)
    }

    /// Reads what there is into the room of `buffer`; waits until there is something. Zero bytes are the end of the
    /// input. To be called while the connection is watched.
    ///
    /// # Errors
    ///
    /// When the connection is lost.
    pub async fn read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        self.input.read(buffer).await
    }

    /// Reads what there is into the room of `buffer`, without waiting. `None` if there is nothing.
    ///
    /// # Errors
    ///
    /// When the connection is lost.
    pub fn read_now(&self, buffer: &mut BytesMut) -> io::Result<Option<usize>> {
        self.input.read_now(buffer)
    }

    /// Whether Kapacitor may have waited for room before so many bytes with so many messages were read.
    pub fn was_nearly_full(&self, bytes: usize, messages: usize) -> bool {
        self.input.was_nearly_full(bytes, messages)
    }

    /// Writes as much of `bytes` as is taken; waits until some of it is. To be called while the connection is watched.
    ///
    /// # Errors
    ///
    /// When the connection is lost.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.output().write(bytes).await
    }

    /// Writes as much of `bytes` as is taken without waiting.
    ///
    /// # Errors
    ///
    /// When the connection is lost.
    pub fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        self.output().write_now(bytes)
    }

    /// Waits until Kapacitor has closed its side, without reading. For ever where that can't be noticed.
    pub async fn hung_up(&self) -> HangUp {
        self.input.hung_up().await
    }

    /// Whether Kapacitor has closed its side, as far as that is known of a connection that is not watched.
    pub fn hung_up_now(&self) -> Option<HangUp> {
        self.input.hung_up_now()
    }

    /// Whether what is written goes to a file or a terminal, which no one closes as Kapacitor closes a connection.
    pub fn writes_to_file(&self) -> bool {
        matches!(self.output(), End::Writer(_))
    }

    /// Waits until all that was written to a file is there.
    ///
    /// # Errors
    ///
    /// When the file does not take it.
    pub async fn flush(&self) -> io::Result<()> {
        self.output().flush().await
    }

    /// Says that nothing more will be written.
    ///
    /// # Errors
    ///
    /// When the connection is lost.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.output.as_mut().unwrap_or(&mut self.input).shutdown().await
    }

    /// Whether the runtime watches the connection.
    pub fn is_watched(&self) -> bool {
        self.watched
    }

    /// Has the runtime watch a connection that is watched for what is needed: for input only, or also for room to write.
    ///
    /// While a socket is watched for room to write, each answer that Kapacitor reads wakes a thread of the host, so
    /// that a message that comes alone costs two wake-ups.
    ///
    /// # Errors
    ///
    /// When the system has no room for it. The connection is lost then.
    pub fn watch_for(&mut self, input_only: bool) -> io::Result<()> {
        if self.output.is_some() || matches!(self.input, End::Input(_)) == input_only {
            Ok(())
        } else if input_only {
            self.input.watch_input()
        } else {
            self.input.watch()
        }
    }

    /// Has nobody wait for the connection. False if it can't be done without.
    ///
    /// # Errors
    ///
    /// When the connection is lost.
    pub fn unwatch(&mut self) -> io::Result<bool> {
        if !self.input.is_descriptor() || !self.output().is_descriptor() {
            return Ok(false);
        }
        self.watched = false;
        self.input.unwatch()?;
        self.output.as_mut().map_or(Ok(()), End::unwatch)?;
        Ok(true)
    }

    /// Has the runtime watch the connection again.
    ///
    /// # Errors
    ///
    /// When the system has no room for it. The connection is lost then.
    pub fn watch(&mut self) -> io::Result<()> {
        self.input.watch()?;
        self.output.as_mut().map_or(Ok(()), End::watch)?;
        self.watched = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;
    use tokio::net::unix::pipe;
    use tokio::runtime::Builder;
    use tokio::time::timeout;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    fn room() -> BytesMut {
        BytesMut::with_capacity(64)
    }

    /// An output that nothing is written to.
    fn unused() -> End {
        End::writer(tokio::io::sink())
    }

    #[test]
    fn end_is_noticed_while_nothing_is_read() {
        runtime().block_on(async {
            let soon = Duration::from_secs(20);
            let (mut kapacitor, host) = UnixStream::pair().unwrap();
            let link = Link::socket(host);
            kapacitor.write_all(b"unread").await.unwrap();
            assert!(timeout(Duration::from_millis(20), link.hung_up()).await.is_err());
            kapacitor.shutdown().await.unwrap();
            assert_eq!(timeout(soon, link.hung_up()).await, Ok(HangUp::Input));
            let mut read = room();
            while link.read(&mut read).await.unwrap() > 0 {}
            assert_eq!(read, "unread");

            let (mut kapacitor, host) = UnixStream::pair().unwrap();
            kapacitor.write_all(b"unread").await.unwrap();
            drop(kapacitor);
            assert_eq!(timeout(soon, Link::socket(host).hung_up()).await, Ok(HangUp::Connection));

            let (mut sender, receiver) = pipe::pipe().unwrap();
            let link = Link::of_two(End::Receiver(receiver), unused());
            sender.write_all(b"unread").await.unwrap();
            assert!(timeout(Duration::from_millis(20), link.hung_up()).await.is_err());
            drop(sender);
            assert_eq!(timeout(soon, link.hung_up()).await, Ok(HangUp::Input));
        });
    }

    #[test]
    fn bytes_keep_their_order_while_the_connection_is_watched_and_while_it_is_not() {
        runtime().block_on(async {
            let (socket, peer) = UnixStream::pair().unwrap();
            let (sender, input) = pipe::pipe().unwrap();
            let (output, receiver) = pipe::pipe().unwrap();
            let stdio = Link::of_two(End::Receiver(input), End::Sender(output));
            let kapacitor = Link::of_two(End::Receiver(receiver), End::Sender(sender));
            for (mut link, kapacitor) in [(Link::socket(socket), Link::socket(peer)), (stdio, kapacitor)] {
                for turn in 0..6 {
                    let (mut there, mut back) = (room(), room());
                    kapacitor.write(&[turn; 3]).await.unwrap();
                    if turn % 2 == 0 {
                        assert!(!link.is_watched() || link.unwatch().unwrap());
                        assert_eq!(link.read_now(&mut there).unwrap(), Some(3));
                        assert_eq!(link.read_now(&mut there).unwrap(), None);
                        assert_eq!(link.write_now(&there).unwrap(), 3);
                    } else {
                        link.watch().unwrap();
                        assert_eq!(link.read(&mut there).await.unwrap(), 3);
                        assert_eq!(link.write(&there).await.unwrap(), 3);
                    }
                    kapacitor.read(&mut back).await.unwrap();
                    assert_eq!(back, &[turn; 3][..]);
                }
                drop(kapacitor);
                link.watch().unwrap();
                assert!(link.unwatch().unwrap());
                assert_eq!(link.read_now(&mut room()).unwrap(), Some(0));
                assert!(link.write_now(b"nobody reads this").is_err());
            }
        });
    }

    #[test]
    fn full_connections_are_known_by_what_was_read() {
        runtime().block_on(async {
            let (socket, peer) = UnixStream::pair().unwrap();
            // The default of Linux, which doubles what it is told.
            rustix::net::sockopt::set_socket_send_buffer_size(&peer, 212_992 / 2).unwrap();
            let (sender, input) = pipe::pipe().unwrap();
            let small = [1; 100];
            // Messages as Kapacitor writes them, until the connection takes no more.
            peer.writable().await.unwrap();
            sender.writable().await.unwrap();
            let mut in_socket = 0;
            while peer.try_write(&small[..1]).is_ok() && peer.try_write(&small[1..]).is_ok() {
                in_socket += 1;
            }
            let mut in_pipe = 0;
            while sender.try_write(&small).is_ok() {
                in_pipe += 1;
            }
            for (mut link, messages) in
                [(Link::socket(socket), in_socket), (Link::of_two(End::Receiver(input), unused()), in_pipe)]
            {
                assert!(!link.was_nearly_full(100 * messages, messages), "it is watched");
                assert!(link.input.unwatch().is_ok());
                assert!(link.was_nearly_full(100 * messages, messages), "{messages}");
                assert!(!link.was_nearly_full(80 * messages, messages * 4 / 5), "{messages}");
            }
        });
    }

    #[test]
    fn socket_that_is_watched_for_input_only_is_read_written_and_found_closed() {
        runtime().block_on(async {
            let soon = Duration::from_secs(20);
            let (kapacitor, host) = UnixStream::pair().unwrap();
            let (mut kapacitor, mut link) = (Link::socket(kapacitor), Link::socket(host));
            for turn in 0..6 {
                link.watch_for(turn % 3 > 0).unwrap();
                let (mut there, mut back) = (room(), room());
                kapacitor.write(&[turn; 64]).await.unwrap();
                // A buffer that is filled leaves the rest for the next read.
                let mut little = BytesMut::with_capacity(16);
                assert_eq!(timeout(soon, link.read(&mut little)).await.unwrap().unwrap(), 16);
                assert_eq!(timeout(soon, link.read(&mut there)).await.unwrap().unwrap(), 48);
                assert!(timeout(Duration::from_millis(20), link.read(&mut there)).await.is_err());
                assert_eq!(link.write_now(&there).unwrap(), 48);
                kapacitor.read(&mut back).await.unwrap();
                assert_eq!(back, &[turn; 48][..]);
            }
            // What does not fit waits until the link is watched for room, too.
            while link.write_now(&[1; 4096]).unwrap() > 0 {}
            link.watch_for(false).unwrap();
            let write = async { link.write(&[2; 64]).await.unwrap() };
            let read = async {
                for _ in 0..100 {
                    kapacitor.read(&mut BytesMut::with_capacity(64 * 1024)).await.unwrap();
                }
            };
            tokio::select! {
                () = read => panic!("there is no room"),
                written = timeout(soon, write) => assert_eq!(written.unwrap(), 64),
            }
            link.watch_for(true).unwrap();
            assert!(timeout(Duration::from_millis(20), link.hung_up()).await.is_err());
            kapacitor.shutdown().await.unwrap();
            assert_eq!(timeout(soon, link.hung_up()).await, Ok(HangUp::Input));
            let (kapacitor, host) = UnixStream::pair().unwrap();
            let mut link = Link::socket(host);
            link.watch_for(true).unwrap();
            drop(kapacitor);
            assert_eq!(timeout(soon, link.hung_up()).await, Ok(HangUp::Connection));
            assert!(link.write_now(b"nobody reads this").is_err());
        });
    }

    #[test]
    fn end_is_noticed_while_the_connection_is_not_watched() {
        runtime().block_on(async {
            let (mut kapacitor, host) = UnixStream::pair().unwrap();
            let mut link = Link::socket(host);
            assert!(link.unwatch().unwrap());
            kapacitor.write_all(b"unread").await.unwrap();
            assert_eq!(link.hung_up_now(), None);
            kapacitor.shutdown().await.unwrap();
            assert_eq!(link.hung_up_now(), Some(HangUp::Input));
            drop(kapacitor);
            assert_eq!(link.hung_up_now(), Some(HangUp::Connection));

            let (mut sender, receiver) = pipe::pipe().unwrap();
            let (output, _reader) = pipe::pipe().unwrap();
            let mut link = Link::of_two(End::Receiver(receiver), End::Sender(output));
            assert!(link.unwatch().unwrap());
            sender.write_all(b"unread").await.unwrap();
            assert_eq!(link.hung_up_now(), None);
            drop(sender);
            assert_eq!(link.hung_up_now(), Some(HangUp::Input));
        });
    }

    #[test]
    fn writer_that_takes_nothing_is_lost() {
        runtime().block_on(async {
            let link = Link::of_two(unused(), End::writer(io::Cursor::new(Box::<[u8]>::default())));
            let lost =
                [link.write_now(b"a"), link.write(b"a").await].map(|written| written.unwrap_err().kind());
            assert_eq!(lost, [io::ErrorKind::WriteZero; 2]);
        });
    }

    #[test]
    fn connection_without_descriptors_stays_watched() {
        runtime().block_on(async {
            let mut link = Link::of_two(End::reader(&b"ab"[..]), unused());
            assert!(!link.unwatch().unwrap() && link.is_watched());
            let mut read = room();
            assert_eq!(link.read(&mut read).await.unwrap(), 2);
            assert_eq!(link.read(&mut read).await.unwrap(), 0);
        });
    }
}
