//! The process's own stdin and stdout as an endpoint.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;

use anyhow::{Context, Result};
use rustix::fs::{FileType, OFlags};
use tokio::fs::File;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

use crate::session::{End, Link};

/// Takes the process's stdin and stdout for Kapacitor's frames.
///
/// From then on, file descriptor 1 is stderr, so that no printed text can reach Kapacitor, which would take it for
/// the header of a frame and allocate as much as the text says.
///
/// # Errors
///
/// When one of them is closed. Call it within a runtime.
pub fn take_stdio() -> Result<Link> {
    let stdin = rustix::stdio::stdin().try_clone_to_owned().context("stdin is closed")?;
    let stdout = rustix::stdio::stdout().try_clone_to_owned().context("stdout is closed")?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr()).context("stdout can't be moved away")?;
    Ok(Link::of_two(input(stdin)?, output(stdout)?))
}

fn input(fd: OwnedFd) -> io::Result<End> {
    Ok(match file_type(&fd)? {
        FileType::Fifo => End::Receiver(pipe::Receiver::from_owned_fd(fd)?),
        FileType::Socket => End::Socket(socket(fd)?),
        _ => End::reader(file(fd)?),
    })
}

fn output(fd: OwnedFd) -> io::Result<End> {
    Ok(match file_type(&fd)? {
        FileType::Fifo => End::Sender(pipe::Sender::from_owned_fd(fd)?),
        FileType::Socket => End::Socket(socket(fd)?),
        _ => End::writer(file(fd)?),
    })
}

fn socket(fd: OwnedFd) -> io::Result<UnixStream> {
    let stream = StdUnixStream::from(fd);
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// A file or a terminal, which is waited for on a thread of its own. A terminal may be left non-blocking by another process
/// that has it, and would be taken for a broken one.
fn file(fd: OwnedFd) -> io::Result<File> {
    let flags = rustix::fs::fcntl_getfl(&fd)?;
    if flags.contains(OFlags::NONBLOCK) {
        rustix::fs::fcntl_setfl(&fd, flags - OFlags::NONBLOCK)?;
    }
    Ok(File::from_std(fd.into()))
}

fn file_type(fd: &OwnedFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode))
}
