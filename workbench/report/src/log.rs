//! Lines of the plugin's log.

use std::collections::VecDeque;

use crate::words::shorten;

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For who writes the plugin.
    Debug,
    /// What is usual.
    Info,
    /// What is not as it should be, and does not stop the plugin.
    Warn,
    /// What has failed.
    Error,
}

impl Level {
    pub(crate) const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// As in the host's log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

#[derive(Debug)]
pub struct Line {
    pub level: Level,
    /// Nanoseconds since 1970, of the data.
    pub time: Option<i64>,
    pub text: String,
}

/// The first and the last lines.
#[derive(Debug, Default)]
pub struct Log {
    first: Vec<Line>,
    last: VecDeque<Line>,
    /// Lines of each level, also those that were left out.
    counts: [u64; 4],
}

impl Log {
    /// Lines at the beginning that are kept, and at the end.
    const EACH: usize = 500;
    /// Longest text, in characters.
    const TEXT: usize = 1000;

    pub fn add(&mut self, level: Level, time: Option<i64>, text: &str) {
        self.counts[level as usize] += 1;
        let line = Line { level, time, text: shorten(text.trim_end(), Self::TEXT).into_owned() };
        if self.first.len() < Self::EACH {
            return self.first.push(line);
        }
        if self.last.len() == Self::EACH {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// The lines at the beginning.
    pub fn first(&self) -> impl Iterator<Item = &Line> {
        self.first.iter()
    }

    /// The lines at the end, without those that [`Log::first`] has.
    pub fn last(&self) -> impl Iterator<Item = &Line> {
        self.last.iter()
    }

    /// Lines between the two that were left out.
    pub fn left_out(&self) -> u64 {
        self.counts.iter().sum::<u64>() - (self.first.len() + self.last.len()) as u64
    }

    /// Lines of a level, also those that were left out.
    pub fn count(&self, level: Level) -> u64 {
        self.counts[level as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_lines_are_kept() {
        let mut log = Log::default();
        for i in 0..2000 {
            log.add(if i == 0 { Level::Error } else { Level::Info }, Some(i), &format!("line {i}\n"));
        }
        assert_eq!(log.first().last().map(|line| &*line.text), Some("line 499"));
        assert_eq!(log.last().next().map(|line| &*line.text), Some("line 1500"));
        assert_eq!((log.left_out(), log.count(Level::Error), log.count(Level::Info)), (1000, 1, 1999));
    }
}
