//! Input that comes in small pieces.

use std::io::{Read, Result};
use std::thread;
use std::time::{Duration, Instant};

/// Size in bytes of a piece after which there may be more at once.
const LARGE: usize = 16 * 1024;

/// Reads pieces that follow each other quickly together, and has what was read be passed on before it waits for more.
///
/// Telegraf writes each point by itself. If each of these writes woke a thread that waits for it, both would have more
/// work with that than with the point.
pub struct Gathered<R, F> {
    reader: R,
    /// Passes on what was read.
    pass_on: F,
    /// Time in which pieces are gathered.
    interval: Duration,
    /// When a small piece was read last.
    small: Option<Instant>,
}

impl<R: Read, F: FnMut()> Gathered<R, F> {
    /// Reads from `reader`. Pieces that come within `interval` of the one before are read together.
    pub fn new(reader: R, interval: Duration, pass_on: F) -> Self {
        Self { reader, pass_on, interval, small: None }
    }
}

impl<R: Read, F: FnMut()> Read for Gathered<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        (self.pass_on)();
        if self.small.is_some_and(|last| last.elapsed() < self.interval) {
            thread::sleep(self.interval);
        }
        let read = self.reader.read(buffer)?;
        self.small = (read < LARGE).then(Instant::now);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_was_read_is_passed_on_before_each_read() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let mut passed = 0;
        let mut gathered = Gathered::new(theirs, Duration::from_millis(1), || passed += 1);
        let mut buffer = [0; 100];
        for _ in 0..3 {
            ours.write_all(b"line\n").unwrap();
            assert_eq!(gathered.read(&mut buffer).unwrap(), 5);
        }
        drop(ours);
        assert_eq!(gathered.read(&mut buffer).unwrap(), 0);
        assert_eq!(passed, 4);
    }

    #[test]
    fn pieces_that_follow_each_other_are_read_together() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let mut gathered = Gathered::new(theirs, Duration::from_secs(1), || {});
        let mut buffer = [0; 100];
        ours.write_all(b"first\n").unwrap();
        assert_eq!(gathered.read(&mut buffer).unwrap(), 6);
        let writer = thread::spawn(move || (0..3).try_for_each(|_| ours.write_all(b"later\n")));
        assert_eq!(gathered.read(&mut buffer).unwrap(), 18);
        writer.join().unwrap().unwrap();
    }
}
