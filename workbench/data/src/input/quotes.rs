//! Finds the line break that ends a line, and not one in a text.

use memchr::{memchr, memchr2};

/// Where a line break is a part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quotes {
    /// Nowhere.
    None,
    /// In the text of a string field.
    LineProtocol,
    /// In a quoted cell.
    Csv,
    /// Between brackets, as in JSON that was written for the eye.
    Json,
}

/// How far the search for the end of a line has come. It goes on where it was when more bytes are there.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Number of bytes of the line that have been looked at.
    at: usize,
    /// What is known within a line with a quote. There is none in most lines, which are looked through at the speed of
    /// `memchr`.
    state: Option<State>,
}

#[derive(Debug)]
enum State {
    Comment,
    LineProtocol(LineProtocol),
    Csv(Csv),
    Json(Json),
}

impl Scan {
    /// Whether there may be line breaks in the line.
    pub(super) fn may_have_line_breaks(&self) -> bool {
        self.state.is_some()
    }

    /// Where the line that begins with `bytes` ends: the index of its line break. The next call gets the same bytes, and
    /// those behind them.
    pub(super) fn find_end(&mut self, bytes: &[u8], quotes: Quotes) -> Option<usize> {
        if quotes == Quotes::None {
            return self.find_line_break(bytes);
        }
        if quotes == Quotes::Json {
            self.state.get_or_insert_with(|| State::Json(Json::default()));
        }
        if self.state.is_none() {
            match memchr2(b'\n', b'"', bytes.get(self.at..)?) {
                Some(found) if bytes[self.at + found] == b'\n' => return Some(self.at + found),
                Some(_) => self.at = 0,
                None => {
                    self.at = bytes.len();
                    return None;
                }
            }
            let first = bytes.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
            self.state = Some(match quotes {
                Quotes::Csv => State::Csv(Csv::default()),
                _ if first == Some(&b'#') => State::Comment,
                _ => State::LineProtocol(LineProtocol::default()),
            });
        }
        let end = match &mut self.state {
            Some(State::LineProtocol(state)) => {
                bytes.get(self.at..)?.iter().position(|&byte| state.is_end(byte))
            }
            Some(State::Csv(state)) => bytes.get(self.at..)?.iter().position(|&byte| state.is_end(byte)),
            Some(State::Json(state)) => bytes.get(self.at..)?.iter().position(|&byte| state.is_end(byte)),
            Some(State::Comment) | None => return self.find_line_break(bytes),
        };
        let end = end.map(|end| self.at + end);
        self.at = bytes.len();
        end
    }

    fn find_line_break(&mut self, bytes: &[u8]) -> Option<usize> {
        let end = memchr(b'\n', bytes.get(self.at..)?).map(|end| self.at + end);
        self.at = bytes.len();
        end
    }
}

/// Whether a row of CSV ends inside of a quoted cell.
pub(super) fn has_open_quote(row: &[u8]) -> bool {
    let mut state = Csv::default();
    memchr(b'"', row).is_some() && {
        row.iter().for_each(|&byte| _ = state.is_end(byte));
        state.is_quoted
    }
}

/// As `scanLine` of InfluxDB's `models/points.go`: a quote begins a text only where a value is expected.
#[derive(Debug, Default)]
struct LineProtocol {
    in_fields: bool,
    equals: u64,
    commas: u64,
    in_text: bool,
    is_escaped: bool,
}

impl LineProtocol {
    fn is_end(&mut self, byte: u8) -> bool {
        if self.is_escaped && (self.in_text || byte != b'\n') {
            self.is_escaped = false;
            return false;
        }
        match byte {
            b'\n' => return !self.in_text,
            b'\\' => self.is_escaped = true,
            b'"' if self.in_fields && self.equals > self.commas => self.in_text = !self.in_text,
            _ if self.in_text => {}
            b' ' => self.in_fields = true,
            b'=' if self.in_fields => self.equals += 1,
            b',' if self.in_fields => self.commas += 1,
            _ => {}
        }
        false
    }
}

/// As RFC 4180: a quote begins a quoted cell only as its first character. Two quotes in a quoted cell end it and begin
/// it again, so they need no rule.
#[derive(Debug)]
struct Csv {
    is_at_start: bool,
    is_quoted: bool,
}

impl Default for Csv {
    fn default() -> Self {
        Self { is_at_start: true, is_quoted: false }
    }
}

impl Csv {
    fn is_end(&mut self, byte: u8) -> bool {
        match byte {
            b'\n' => return !self.is_quoted,
            b'"' if self.is_quoted || self.is_at_start => self.is_quoted = !self.is_quoted,
            _ => {}
        }
        // Behind a quote the cell may go on with another one.
        self.is_at_start = !self.is_quoted && matches!(byte, b',' | b'"');
        false
    }
}

/// As RFC 8259. A text has no line breaks in JSON: one that is not closed ends with its line.
#[derive(Debug, Default)]
struct Json {
    depth: u64,
    in_text: bool,
    is_escaped: bool,
}

impl Json {
    fn is_end(&mut self, byte: u8) -> bool {
        match byte {
            b'\n' => return self.in_text || self.depth == 0,
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' => self.is_escaped = self.in_text,
            b'"' => self.in_text = !self.in_text,
            _ if self.in_text => {}
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        false
    }
}
