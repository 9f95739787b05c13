//! What can go wrong with an input.

use std::fmt;

/// Number of bad lines that are kept with their problem. All are counted.
const MAX_KEPT: usize = 20;

/// Maximum number of characters of a problem. A problem may show a part of the file, which may be long.
const MAX_SHOWN: usize = 300;

/// Why no more can be read. The text says which file, what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file can't be opened or read, or has a format that is not known.
    #[error("{file}: {problem}")]
    Unreadable {
        /// The file, or `stdin`.
        file: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// There is nothing to play in the file.
    #[error("{file}: {problem}")]
    NoPoint {
        /// The file, or `stdin`.
        file: String,
        /// What there is instead.
        problem: String,
    },
    /// A line can't be read, and [`OnBadLine::Fail`](super::OnBadLine::Fail) is set.
    #[error("{0}: correct the line, leave it out, or skip bad lines")]
    BadLine(BadLine),
}

/// A line that can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// The file, or `stdin`. For a batch recording with the entry, as in `cpu.brpl (entry 0)`.
    pub file: String,
    /// The number of the line in the file after decompression, counted from 1. If it is a line of line protocol or a row
    /// that goes over several lines, the first of them.
    pub line: u64,
    /// What is wrong, as a sentence without its end.
    pub problem: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, problem } = self;
        write!(f, "{file}:{line}: {problem}")
    }
}

/// The lines that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadLines {
    /// How many there were.
    pub count: u64,
    /// The first 20 of them.
    pub first: Vec<BadLine>,
}

impl BadLines {
    pub(super) fn add(&mut self, line: BadLine) {
        self.count += 1;
        if self.first.len() < MAX_KEPT {
            self.first.push(line);
        }
    }
}

/// A problem on one line that is not too long, whatever part of the file it shows.
pub(super) fn one_line(problem: &str) -> String {
    let mut characters = problem.chars();
    let mut line = String::new();
    for character in characters.by_ref().take(MAX_SHOWN) {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    if characters.next().is_some() {
        line.push_str("...");
    }
    line
}
