//! The calls into a guest since its state was last saved, so that recovery can repeat them.

use std::time::{Duration, Instant};

use crate::protocol::frame::{self, Kind};

/// Maximum computing time between two saves, since a recovery takes as long.
const MAX_COMPUTED: Duration = Duration::from_secs(1);

/// Time after which a slow stream's journal is cut where it has more than [`SLOW_INPUT`], so that it stays small.
const MAX_TIME: Duration = Duration::from_secs(10);

/// Maximum input of a slow stream's journal, in bytes. The saved state would take more memory than that, and time
/// for all of the guest's memory.
const SLOW_INPUT: usize = 16 * 1024;

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
    /// The open batch, if it is larger than `limit`; then the journal holds nothing of it.
    large_batch: Option<OpenBatch>,
}

/// A batch that has begun and not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBatch {
    /// The frame of its Begin.
    pub begin: Vec<u8>,
    /// Number of its points so far.
    pub points: u64,
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
            large_batch: None,
        }
    }

    /// Whether it is better to save the state, which takes time for each byte of `memory`, than to hold `more`
    /// bytes of input.
    pub fn is_due(&self, more: usize, memory: usize) -> bool {
        // To go over the memory twice then takes a few percent of the time that processing the input takes.
        let enough = (2 * memory).max(MIN_INPUT).min(self.limit);
        let input = self.input.len() + more;
        self.exceeded
            || self.large_batch.is_some()
            || input > enough
            || self.computed > MAX_COMPUTED
            || input > SLOW_INPUT && self.since.elapsed() > MAX_TIME
    }

    /// Appends a call that has succeeded. `in_batch`: it has left a batch open.
    ///
    /// If the batch does not fit, the journal holds what came before it, so that a failure costs only the batch.
    pub fn push(&mut self, entry: JournalEntry<'_>, points: u64, computed: Duration, in_batch: bool) {
        self.computed += computed;
        if let Some(batch) = self.large_batch.as_mut().filter(|_| in_batch) {
            batch.points += points;
            return;
        }
        self.points += points;
        if self.exceeded || self.large_batch.is_some() {
            self.give_up();
            return;
        }
        self.input.extend_from_slice(entry.input);
        self.entries.push((entry.call, self.input.len(), entry.returned));
        if self.input.len() > self.limit && in_batch {
            self.large_batch = self.cut_open_batch();
        }
        if self.input.len() > self.limit {
            self.give_up();
        }
    }

    /// Drops everything, since it is of no use.
    pub fn give_up(&mut self) {
        self.exceeded = true;
        self.points += self.large_batch.take().map_or(0, |batch| batch.points);
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
        self.large_batch = None;
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

    /// The Begin of the open batch, if the journal holds nothing else of the batch.
    pub fn large_batch(&self) -> Option<&[u8]> {
        self.large_batch.as_ref().map(|batch| &batch.begin[..])
    }

    /// Removes the batch that has begun and not ended, and returns it.
    pub fn cut_open_batch(&mut self) -> Option<OpenBatch> {
        if let Some(batch) = self.large_batch.take() {
            return Some(batch);
        }

        let (mut offset, mut open, mut points) = (0, None, 0);
        for entry in self.entries() {
            if entry.call == Call::Process {
                let mut rest = entry.input;
                while let Some((kind, frame, after)) = frame::first_data(rest) {
                    match kind {
                        Kind::Begin => (open, points) = (Some(offset..offset + frame.len()), 0),
                        Kind::End => open = None,
                        _ => points += 1,
                    }
                    offset += frame.len();
                    rest = after;
                }
            } else {
                offset += entry.input.len();
            }
        }
        let open = open?;
        let (begin, frame) = (open.start, self.input[open].to_vec());
        self.input.truncate(begin);
        let whole = self.entries.iter().take_while(|(_, end, _)| *end <= begin).count();
        let cut = self.entries.get(whole).map(|(call, ..)| *call);
        self.entries.truncate(whole);
        let kept = self.entries.last().map_or(0, |(_, end, _)| *end);
        if let Some(call) = cut.filter(|_| kept < begin) {
            self.entries.push((call, begin, None));
        }
        self.points = self.points.saturating_sub(points);
        Some(OpenBatch { begin: frame, points })
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
            frames_end_in_batch(input),
        );
    }

    fn frames_end_in_batch(input: &[u8]) -> bool {
        let (mut rest, mut inside) = (input, false);
        while let Some((kind, _, after)) = frame::first_data(rest) {
            rest = after;
            inside = match kind {
                Kind::Begin => true,
                Kind::End => false,
                _ => inside,
            };
        }
        inside
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
        let cut = OpenBatch { begin: frames([begin()]), points: 2 };
        assert_eq!(journal.cut_open_batch(), Some(cut));
        let entries: Vec<_> = journal.entries().collect();
        assert_eq!(entries, [JournalEntry { call: Call::Process, input: &whole, returned: None }]);
        assert_eq!(journal.cut_open_batch(), None);

        push(&mut journal, &open, 1);
        assert_eq!(journal.cut_open_batch().map(|batch| batch.points), Some(1));
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
    fn a_batch_larger_than_the_limit_leaves_what_came_before_it() {
        let mut journal = Journal::new(40);
        let before = frames([point(1)]);
        push(&mut journal, &[&before[..], &frames([begin()])].concat(), 1);
        let points = frames([point(2), point(3), point(4)]);
        for _ in 0..4 {
            journal.push(
                JournalEntry { call: Call::Process, input: &points, returned: None },
                3,
                Duration::ZERO,
                true,
            );
        }
        assert_eq!(journal.large_batch(), Some(&frames([begin()])[..]));
        assert_eq!((journal.lost(), journal.points()), (None, 1));
        assert!(journal.is_due(0, 0));
        let entries: Vec<_> = journal.entries().map(|entry| entry.input).collect();
        assert_eq!(entries, [&before[..]]);
        // Its end can't be held without the rest.
        let mut ended = journal.clone();
        push(&mut ended, &frames([end()]), 0);
        assert_eq!((ended.lost(), ended.large_batch()), (Some(13), None));
        assert_eq!(journal.cut_open_batch().map(|batch| batch.points), Some(12));
        assert!(!journal.is_due(0, 0));
    }

    #[test]
    fn saving_is_due_by_input_and_by_computing() {
        let mut journal = Journal::new(1 << 20);
        assert!(!journal.is_due(MIN_INPUT, 0) && journal.is_due(MIN_INPUT + 1, 0));
        assert!(!journal.is_due(600_000, 300_000) && journal.is_due(600_001, 300_000));
        // Never more than the limit.
        assert!(journal.is_due((1 << 20) + 1, 1 << 30));
        let entry = JournalEntry { call: Call::Process, input: &[], returned: None };
        journal.push(entry, 0, 2 * MAX_COMPUTED, false);
        assert!(journal.is_due(0, 0));
    }

    #[test]
    fn slow_streams_are_saved_once_there_is_something_to_drop() {
        let mut journal = Journal::new(1 << 20);
        journal.since -= MAX_TIME;
        assert!(!journal.is_due(SLOW_INPUT, 1 << 20) && journal.is_due(SLOW_INPUT + 1, 1 << 20));
        journal.clear();
        assert!(!journal.is_due(SLOW_INPUT + 1, 1 << 20));
    }
}
