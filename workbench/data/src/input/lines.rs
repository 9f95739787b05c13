//! Cuts a stream of bytes into lines.

use std::io::{ErrorKind, Read, Result};
use std::ops::Range;

use memchr::{memchr, memchr_iter};

use super::quotes::{Quotes, Scan};

/// Number of bytes that are asked for in one read.
const CHUNK: usize = 64 * 1024;

/// Number of bytes that may be looked at a second time since a text that was begun did not end as it should. It grows by
/// what was given out. Beyond it, each line break ends a line: so even a file that is made to be slow is read in a time
/// that grows with its length.
const MAX_AGAIN: usize = 64 * 1024 * 1024;

/// One line, or several that belong together since a text goes on over the line break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Its number, and where it is in [`Lines::text`]; without its line break.
    Whole(u64, Range<usize>),
    /// Its number. It was longer than the maximum.
    TooLong(u64),
}

/// Lines of a stream in a buffer that never holds much more than the longest line.
///
/// A line is given out as soon as its line break has been read: nothing is read while there is a whole line in the
/// buffer.
pub(super) struct Lines {
    reader: Box<dyn Read + Send>,
    max: usize,
    buffer: Vec<u8>,
    /// What of the buffer has been read, and not given out yet.
    unread: Range<usize>,
    is_at_end: bool,
    /// The number of the next line.
    number: u64,
    scan: Scan,
    /// Number of bytes that were looked at again, less those that were given out since.
    again: usize,
}

impl Lines {
    /// `max` is the maximum length of a line in bytes.
    pub(super) fn new(reader: Box<dyn Read + Send>, max: usize) -> Self {
        let scan = Scan::default();
        Self { reader, max, buffer: Vec::new(), unread: 0..0, is_at_end: false, number: 1, scan, again: 0 }
    }

    /// The number of the next line, or of the line behind the last one.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    /// Reads what there is, up to some tens of KiB. Returns whether there was anything before the end.
    pub(super) fn fill(&mut self) -> Result<bool> {
        if self.is_at_end {
            return Ok(false);
        }
        if self.buffer.len() - self.unread.end < CHUNK / 2 {
            if self.unread.start > 0 {
                self.buffer.copy_within(self.unread.clone(), 0);
                self.unread = 0..self.unread.len();
            }
            let wanted = self.unread.end + CHUNK;
            if self.buffer.len() < wanted {
                // Twice the size each time, so that a long line is not copied for each chunk.
                self.buffer.resize(wanted.max(self.buffer.len() * 2), 0);
            }
        }
        loop {
            match self.reader.read(&mut self.buffer[self.unread.end..]) {
                Ok(0) => {
                    self.is_at_end = true;
                    return Ok(false);
                }
                Ok(read) => {
                    self.unread.end += read;
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// What has been read, and not given out yet.
    pub(super) fn unread(&self) -> &[u8] {
        &self.buffer[self.unread.clone()]
    }

    /// Leaves out bytes that are no part of the first line, such as a byte order mark.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.unread.start = (self.unread.start + bytes).min(self.unread.end);
    }

    /// The bytes of a line that `next` has returned last.
    pub(super) fn text(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    /// The next line, or `None` at the end. The last one may have no line break.
    pub(super) fn next(&mut self, quotes: Quotes) -> Result<Option<Line>> {
        let quotes = if self.again > MAX_AGAIN { Quotes::None } else { quotes };
        loop {
            let unread = &self.buffer[self.unread.clone()];
            let (length, line_break) = match self.scan.find_end(unread, quotes) {
                Some(end) => (end, 1),
                None if unread.len() > self.max => return self.too_long().map(Some),
                None if self.fill()? => continue,
                None if self.unread.is_empty() => return Ok(None),
                // The end is inside of a text: only its first line is given out.
                None => {
                    let unread = &self.buffer[self.unread.clone()];
                    self.again += unread.len();
                    memchr(b'\n', unread).map_or((unread.len(), 0), |end| (end, 1))
                }
            };
            if length > self.max {
                return self.too_long().map(Some);
            }
            return Ok(Some(self.give_out(length, line_break)));
        }
    }

    /// Takes back all but the first line of the one that was returned last, if it goes over several: then the text that
    /// seemed to go on was none, but a quote too many.
    pub(super) fn take_back_all_but_first(&mut self, number: u64, range: Range<usize>) {
        if let Some(end) = memchr(b'\n', &self.buffer[range.clone()]) {
            self.unread.start = range.start + end + 1;
            self.number = number + 1;
            self.again += range.end - self.unread.start;
        }
    }

    fn give_out(&mut self, length: usize, line_break: usize) -> Line {
        let (number, start) = (self.number, self.unread.start);
        let inner = if self.scan.may_have_line_breaks() {
            memchr_iter(b'\n', &self.buffer[start..start + length]).count() as u64
        } else {
            0
        };
        self.number += inner + line_break as u64;
        self.again = self.again.saturating_sub(length);
        self.unread.start += length + line_break;
        self.scan = Scan::default();
        let is_crlf = line_break == 1 && self.buffer[start..start + length].ends_with(b"\r");
        Line::Whole(number, start..start + length - usize::from(is_crlf))
    }

    /// Leaves out the first line of what is unread, up to its line break.
    fn too_long(&mut self) -> Result<Line> {
        let number = self.number;
        self.scan = Scan::default();
        self.number += 1;
        self.again += self.unread.len();
        loop {
            if let Some(end) = memchr(b'\n', self.unread()) {
                self.skip(end + 1);
                return Ok(Line::TooLong(number));
            }
            self.unread = 0..0;
            if !self.fill()? {
                return Ok(Line::TooLong(number));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives out the piece again and again, `left` times.
    struct Repeated {
        piece: &'static [u8],
        left: usize,
    }

    impl Read for Repeated {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            if self.left == 0 {
                return Ok(0);
            }
            self.left -= 1;
            buffer[..self.piece.len()].copy_from_slice(self.piece);
            Ok(self.piece.len())
        }
    }

    #[test]
    fn the_buffer_is_bounded_whatever_comes() {
        const MAX: usize = 100_000;
        let pieces: [&[u8]; 7] = [
            &[b'x'; 5000],
            &[b'"'; 5000],
            b"a s=\"x\n",
            b"a s=\"x\" 1\na s=\"",
            &[b'\n'; 5000],
            b"a,b\"c,\"d\n",
            b"{[\n",
        ];
        for piece in pieces {
            for quotes in [Quotes::None, Quotes::LineProtocol, Quotes::Csv, Quotes::Json] {
                let left = 2_000_000 / piece.len().max(100);
                let mut lines = Lines::new(Box::new(Repeated { piece, left }), MAX);
                let mut expected = 1;
                while let Some(line) = lines.next(quotes).unwrap() {
                    let (Line::Whole(number, _) | Line::TooLong(number)) = line;
                    assert_eq!(number, expected);
                    if let Line::Whole(_, range) = line {
                        assert!(range.len() <= MAX);
                        if range.len() > 50_000 {
                            lines.take_back_all_but_first(number, range);
                        }
                    }
                    expected = lines.number();
                    assert!(lines.buffer.len() <= 2 * (MAX + 2 * CHUNK));
                }
                let breaks = (memchr_iter(b'\n', piece).count() * left) as u64;
                // The last line may have no line break.
                assert!((breaks + 1..=breaks + 2).contains(&lines.number()));
            }
        }
    }
}
