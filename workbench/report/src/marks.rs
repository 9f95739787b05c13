//! What happened at times rather than having values: texts that the plugin added, and points that were skipped.

use crate::buckets::Merge;
use crate::words::shorten;

/// Longest text of a flag, in characters.
const TEXT: usize = 200;

/// Points one after the other that the plugin gave the same text.
#[derive(Debug)]
pub struct Run {
    /// Time of the first and of the last, in nanoseconds since 1970.
    pub start: i64,
    pub end: i64,
    pub count: u64,
    pub text: String,
}

/// The runs of one field of one group.
#[derive(Debug, Default)]
pub struct Runs {
    pub kept: Vec<Run>,
    /// Runs for which there was no room.
    pub left_out: u64,
    /// Whether the last point belongs to the last run of `kept`.
    open: bool,
    /// Text of the last run that was left out, while it goes on.
    lost: Option<String>,
}

impl Runs {
    /// Adds the text of a point; `None` and an empty text end the run. `room` says whether one more run may be
    /// kept. Returns whether it was.
    pub fn add(&mut self, time: i64, text: Option<&str>, room: bool) -> bool {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            self.open = false;
            self.lost = None;
            return false;
        };
        let text = shorten(text, TEXT);
        if let Some(last) = self.kept.last_mut().filter(|last| self.open && last.text == *text) {
            last.start = last.start.min(time);
            last.end = last.end.max(time);
            last.count += 1;
            return false;
        }
        if self.lost.as_deref() == Some(&*text) {
            return false;
        }
        self.open = room;
        if room {
            self.kept.push(Run { start: time, end: time, count: 1, text: text.into_owned() });
        } else {
            self.left_out += 1;
            self.lost = Some(text.into_owned());
        }
        room
    }
}

/// Points that were skipped at about the same time.
#[derive(Clone, Debug, PartialEq)]
pub struct Skip {
    /// Time of the first and of the last, in nanoseconds since 1970.
    pub start: i64,
    pub end: i64,
    pub count: u64,
    /// Number of the reason of the first, in the order of [`Reasons`].
    pub reason: usize,
}

impl Merge for Skip {
    fn merge(&mut self, other: Self) {
        self.start = self.start.min(other.start);
        self.end = self.end.max(other.end);
        self.count += other.count;
    }
}

/// Why points were skipped, and how many for each reason.
#[derive(Debug, Default)]
pub struct Reasons {
    counts: Vec<(String, u64)>,
}

impl Reasons {
    /// Reasons that are told apart. All others count as one.
    const MOST: usize = 50;
    const OTHER: &'static str = "other reasons";

    /// Counts a point, and returns the number of its reason.
    pub fn add(&mut self, reason: &str) -> usize {
        let reason = shorten(reason, TEXT);
        let found = self.counts.iter().position(|(known, _)| *known == *reason);
        let number = found.unwrap_or_else(|| {
            if self.counts.len() < Self::MOST {
                self.counts.push((reason.into_owned(), 0));
            } else if self.counts.len() == Self::MOST {
                self.counts.push((Self::OTHER.to_owned(), 0));
            }
            self.counts.len() - 1
        });
        self.counts[number].1 += 1;
        number
    }

    /// Reasons in the order of their numbers, with counts.
    pub fn counts(&self) -> &[(String, u64)] {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_with_the_same_text_are_one_run() {
        let mut runs = Runs::default();
        for (time, text) in [(1, "low"), (2, "low"), (3, "high"), (4, ""), (5, "high")] {
            assert!(runs.add(time, Some(text), true) != (time == 2 || time == 4));
        }
        runs.add(6, None, true);
        let kept: Vec<_> = runs.kept.iter().map(|run| (run.start, run.end, run.count, &*run.text)).collect();
        assert_eq!(kept, [(1, 2, 2, "low"), (3, 3, 1, "high"), (5, 5, 1, "high")]);
        for (time, text) in [(7, "a"), (8, "a"), (9, "b"), (10, "a")] {
            assert!(!runs.add(time, Some(text), false));
        }
        assert_eq!((runs.kept.len(), runs.left_out), (3, 3));
    }

    #[test]
    fn reasons_are_bounded() {
        let mut reasons = Reasons::default();
        for i in 0..1000 {
            reasons.add(&format!("line {i}"));
        }
        reasons.add("line 3");
        assert_eq!(reasons.counts().len(), Reasons::MOST + 1);
        assert_eq!(reasons.counts()[3], ("line 3".to_owned(), 2));
        assert_eq!(reasons.counts()[Reasons::MOST], (Reasons::OTHER.to_owned(), 950));
    }
}
