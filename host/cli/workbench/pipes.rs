//! stdin and stdout of a process that Telegraf has started.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::FileType;
use rustix::io::{Errno, ioctl_fionread};

/// Maximum time for Telegraf to read what was written last.
const PATIENCE: Duration = Duration::from_secs(2);

/// Interval between two looks at whether it has.
const LOOK: Duration = Duration::from_millis(1);

/// One end of a pipe, also of one that does not block.
pub struct Pipe(File);

/// Takes stdin and stdout. From then on, file descriptor 1 is stderr, so that no printed text gets among the points.
///
/// # Errors
///
/// When one of them is closed.
pub fn take_stdio() -> Result<(Pipe, Pipe)> {
    let stdin = rustix::stdio::stdin().try_clone_to_owned().context("stdin is closed")?;
    let stdout = rustix::stdio::stdout().try_clone_to_owned().context("stdout is closed")?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr()).context("stdout can't be moved away")?;
    Ok((Pipe(stdin.into()), Pipe(stdout.into())))
}

impl Pipe {
    /// The same end once more.
    ///
    /// # Errors
    ///
    /// When the system has no room for it.
    pub fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Waits until the other side has read what was written: see [`wait_until_read`].
    pub fn wait_until_read(&self) {
        wait_until_read(self.0.as_fd());
    }

    fn wait_for(&self, what: PollFlags) -> io::Result<()> {
        match poll(&mut [PollFd::new(&self.0, what)], None) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait_for(PollFlags::IN)?,
                read => return read,
            }
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait_for(PollFlags::OUT)?,
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until the other side of a pipe has read all, but not for longer than two seconds.
///
/// Telegraf closes its side as soon as this process has ended, whether or not it has read everything: `cmdWait` in its
/// `internal/process/process.go`, and `StdoutPipe` in Go's `os/exec`.
pub fn wait_until_read(pipe: BorrowedFd<'_>) {
    let is_pipe =
        rustix::fs::fstat(pipe).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
    let begin = Instant::now();
    // A pipe can be asked at either side. One that nobody can read any more has an error.
    while is_pipe && ioctl_fionread(pipe).is_ok_and(|unread| unread > 0) && begin.elapsed() < PATIENCE {
        let hung_up =
            poll(&mut [PollFd::new(&pipe, PollFlags::empty())], Some(&rustix::time::Timespec::default()));
        if hung_up.is_ok_and(|events| events > 0) {
            return;
        }
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_is_waited_for_until_all_is_read_or_nobody_reads() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"line\n").unwrap();
        let reading = thread::spawn(move || {
            let mut line = [0; 5];
            reader.read_exact(&mut line).unwrap();
            reader
        });
        wait_until_read(writer.as_fd());
        assert_eq!(ioctl_fionread(&writer).unwrap(), 0);
        let reader = reading.join().unwrap();
        writer.write_all(b"line\n").unwrap();
        drop(reader);
        let begin = Instant::now();
        wait_until_read(writer.as_fd());
        assert!(begin.elapsed() < PATIENCE);
    }

    #[test]
    fn a_pipe_that_does_not_block_is_waited_for() {
        let (reader, mut writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        let writing = thread::spawn(move || writer.write_all(b"line\n"));
        let mut text = String::new();
        Pipe(std::os::fd::OwnedFd::from(reader).into()).read_to_string(&mut text).unwrap();
        writing.join().unwrap().unwrap();
        assert_eq!(text, "line\n");
    }
}
