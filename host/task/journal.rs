//! The calls into a guest since its state was last saved, so that recovery can repeat them.

use std::time::{Duration, Instant};

use crate::protocol::frame::{self, Kind};

/// Maximum computing time between two saves, since a recovery takes as long.
const MAX_COMPUTED: Duration = Duration::from_secs(1);

/// Maximum time between two saves, so that the journal of a slow stream stays small.
const MAX_TIME: Duration = Duration::from_secs(10);

/// Minimum input that is worth saving the state for, in bytes.
const MIN_INPUT: usize = 64 * 1024;

/// A call that changes the state of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `udf_process`
    Process,
    /// `udf_snapshot`
    Snapshot,
    /// `udf_restore`
    Restore,
    /// `udf_input` with zero
    ReleaseInput,
}

/// A call that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalEntry<'a> {
    /// The guest's function.
    pub call: Call,
    /// Its input.
    pub input: &'a [u8],
    /// Number of bytes that it returned, where that is known: it returns as many when it is repeated.
    pub returned: Option<usize>,
}

/// The calls since the state was saved, oldest first.
#[derive(Clone, Debug)]
pub struct Journal {
    limit: usize,
    input: Vec<u8>,
    /// Each call, with the end of its input in `input`, and the number of bytes that it returned.
    entries: Vec<(Call, usize, Option<usize>)>,
    points: u64,
    computed: Duration,
    since: Instant,
    /// Whether there was more input than `limit`; then the journal holds nothing.
    exceeded: bool,
}

impl Journal {
    /// A journal that holds up to `limit` bytes of input.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            input: Vec::new(),
            entries: Vec::new(),
            points: 0,
            computed: Duration::ZERO,
            since: Instant::now(),
            exceeded: false,
        }
    }

    /// Whether it is better to save the state, which takes time for each byte of `memory`, than to hold `more`
    /// bytes of input.
    pub fn is_due(&self, more: usize, memory: usize) -> bool {
        // To go over the memory twice then takes a few percent of the time that processing the input takes.
        let enough = (2 * memory).max(MIN_INPUT).min(self.limit);
        self.exceeded
            || self.input.len() + more > enough
            || self.computed > MAX_COMPUTED
            || self.since.elapsed() > MAX_TIME
    }

    /// Appends a call that has succeeded.
    pub fn push(&mut self, entry: JournalEntry<'_>, points: u64, computed: Duration) {
        self.points += points;
        self.computed += computed;
        if self.exceeded || self.input.len() + entry.input.len() > self.limit {
            self.give_up();
        } else {
            self.input.extend_from_slice(entry.input);
            self.entries.push((entry.call, self.input.len(), entry.returned));
        }
    }

    /// Drops everything, since it is of no use.
    pub fn give_up(&mut self) {
        self.exceeded = true;
        self.input = Vec::new();
        self.entries.clear();
    }

    /// Begins anew, since the state was saved.
    pub fn clear(&mut self) {
        let used = self.input.len();
        self.input.clear();
        if self.input.capacity() / 4 > used.max(MIN_INPUT) {
            self.input.shrink_to(2 * used);
        }
        self.entries.clear();
        (self.points, self.computed, self.exceeded) = (0, Duration::ZERO, false);
        self.since = Instant::now();
    }

    /// Number of points since the state was saved.
    pub fn points(&self) -> u64 {
        self.points
    }

    /// Number of points since the state was saved, if the journal does not hold them any more.
    pub fn lost(&self) -> Option<u64> {
        self.exceeded.then_some(self.points)
    }

    /// The calls, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = JournalEntry<'_>> {
        let mut start = 0;
        self.entries.iter().map(move |&(call, end, returned)| {
            let input = &self.input[start..end];
            start = end;
            JournalEntry { call, input, returned }
        })
    }

    /// Removes the batch that has begun and not ended, and returns the number of its points.
    pub fn cut_open_batch(&mut self) -> u64 {
        let (mut offset, mut begin, mut points) = (0, None, 0);
        for entry in self.entries() {
            if entry.call == Call::Process {
                let mut rest = entry.input;
                while let Some((kind, frame, after)) = frame::first_data(rest) {
                    match kind {
                        Kind::Begin => (begin, points) = (Some(offset), 0),
                        Kind::End => begin = None,
                        _ => points += 1,
                    }
                    offset += frame.len();
                    rest = after;
                }
            } else {
                offset += entry.input.len();
            }
        }
        let Some(begin) = begin else { return 0 };
        self.input.truncate(begin);
        let whole = self.entries.iter().take_while(|(_, end, _)| *end <= begin).count();
        let cut = self.entries.get(whole).map(|(call, ..)| *call);
        self.entries.truncate(whole);
        let kept = self.entries.last().map_or(0, |(_, end, _)| *end);
        if let Some(call) = cut.filter(|_| kept < begin) {
            self.entries.push((call, begin, None));
        }
        self.points = self.points.saturating_sub(points);
        points
    }

    /// Bytes that it holds with `more` bytes of input.
    pub fn size_with(&self, more: usize) -> usize {
        let needs = self.input.len() + more;
        if self.exceeded || needs > self.limit {
            return 0;
        }
        // A vector that is full doubles its capacity.
        let input = self.input.capacity();
        let grown = if needs > input { needs.max(2 * input) } else { input };
        grown
            + self.entries.capacity().max(2 * (self.entries.len() + 1))
                * size_of::<(Call, usize, Option<usize>)>()
    }

    /// Bytes that it holds.
    pub fn size(&self) -> usize {
        self.input.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{BeginBatch, EndBatch, Point, RequestMessage, put_request};

    fn frames(messages: impl IntoIterator<Item = RequestMessage>) -> Vec<u8> {
        let mut bytes = Vec::new();
        messages.into_iter().for_each(|message| put_request(message, &mut bytes));
        bytes
    }

    fn push(journal: &mut Journal, input: &[u8], points: u64) {
        journal.push(
            JournalEntry { call: Call::Process, input, returned: Some(1) },
            points,
            Duration::from_millis(1),
        );
    }

    fn point(time: i64) -> RequestMessage {
        RequestMessage::Point(Point { time, ..Point::default() })
    }

    fn begin() -> RequestMessage {
        RequestMessage::Begin(BeginBatch::default())
    }

    fn end() -> RequestMessage {
        RequestMessage::End(EndBatch::default())
    }

    #[test]
    fn an_open_batch_is_cut_out_wherever_its_begin_is() {
        let whole = frames([begin(), point(1), end()]);
        let open = frames([begin(), point(2)]);
        let more = frames([point(3)]);
        let mut journal = Journal::new(1000);
        push(&mut journal, &[&whole[..], &open[..]].concat(), 2);
        push(&mut journal, &more, 1);
        assert_eq!(journal.cut_open_batch(), 2);
        let entries: Vec<_> = journal.entries().collect();
        assert_eq!(entries, [JournalEntry { call: Call::Process, input: &whole, returned: None }]);
        assert_eq!(journal.cut_open_batch(), 0);

        push(&mut journal, &open, 1);
        assert_eq!(journal.cut_open_batch(), 1);
        assert_eq!(journal.entries().count(), 1);
    }

    #[test]
    fn more_than_the_limit_is_counted_only() {
        let mut journal = Journal::new(20);
        let input = frames([point(1), point(2)]);
        push(&mut journal, &input, 2);
        assert_eq!(journal.lost(), None);
        for _ in 0..3 {
            push(&mut journal, &input, 2);
        }
        assert_eq!((journal.lost(), journal.entries().count()), (Some(8), 0));
        assert!(journal.is_due(0, 0));
        journal.clear();
        assert_eq!(journal.lost(), None);
    }

    #[test]
    fn saving_is_due_by_input_and_by_computing() {
        let mut journal = Journal::new(1 << 20);
        assert!(!journal.is_due(MIN_INPUT, 0) && journal.is_due(MIN_INPUT + 1, 0));
        assert!(!journal.is_due(600_000, 300_000) && journal.is_due(600_001, 300_000));
        // Never more than the limit.
        assert!(journal.is_due((1 << 20) + 1, 1 << 30));
        let entry = JournalEntry { call: Call::Process, input: &[], returned: None };
        journal.push(entry, 0, 2 * MAX_COMPUTED);
        assert!(journal.is_due(0, 0));
    }
}
