//! The input of one session: bytes as they came, cut into runs and requests.
//!
//! A run is as many whole Begin, Point and End frames as are waiting without a request between them;
//! a sandbox gets it in one call. Keepalives are taken out as soon as they arrive, since they must
//! never wait for a guest.

use std::collections::VecDeque;
use std::mem;

use bytes::BytesMut;

use crate::config::OnFull;
use crate::protocol::RequestMessage;
use crate::protocol::Run;
use crate::protocol::frame::{self, FrameError, Kind};
use crate::units;

/// InboxLimits made for a read, least and most. Kapacitor writes each message with two small writes, so one read
/// collects many; what fills the room gets more of it the next time.
const LEAST_READ: usize = 2 * 1024;
const MOST_READ: usize = 128 * 1024;

/// What a entry counts for beside its bytes.
const ENTRY_COST: usize = 128;

/// A buffer that a message made larger than this is not kept.
const RETAINED_CAPACITY: usize = 1024 * 1024;

/// A run ends after the frame that reaches this length, so that the call deadline bounds a known
/// amount of work and the guest's input buffer stays small.
const MAX_RUN: usize = 128 * 1024;

/// What was waiting first.
#[derive(Debug)]
pub enum InboxItem {
    /// Frames for the sandbox.
    Run(Run),
    /// A request, in its place between the runs.
    Request(Box<RequestMessage>),
}

/// How much of a session's input may wait, and what happens to more.
#[derive(Clone, Copy, Debug)]
pub struct InboxLimits {
    /// Largest message.
    pub message: units::Bytes,
    /// All that waits, or one message if that is larger.
    pub queue: units::Bytes,
    /// What happens when it is full.
    pub on_full: OnFull,
}

/// Input that was read and not yet taken.
pub struct Inbox {
    /// The runs' bytes, and then what was not yet sorted.
    bytes: BytesMut,
    entries: VecDeque<Entry>,
    /// InboxLimits made for the next read, and what the last one was offered, behind so many bytes.
    room: usize,
    offered: (usize, usize),
    /// How many bytes are in runs.
    sorted: usize,
    /// How many requests are in `entries`, and their bytes.
    request_count: usize,
    request_bytes: usize,
    /// Whether a batch is open after the last entry.
    in_batch: bool,
    /// Whether what arrives is dropped until the batch ends, since its beginning was.
    dropping: bool,
    /// Points that were dropped.
    dropped: u64,
    /// Snapshot requests that came inside the open batch and wait for its end.
    held: Vec<RequestMessage>,
    max_message: units::Bytes,
    max_queue: usize,
    on_full: OnFull,
}

enum Entry {
    Run {
        length: usize,
        /// Whether it begins inside a batch.
        inside: bool,
        /// Without its frames, which it gets when it is taken.
        run: Run,
    },
    Request {
        length: usize,
        message: Box<RequestMessage>,
    },
}

impl Inbox {
    /// An empty inbox.
    pub fn new(room: InboxLimits) -> Self {
        Self {
            bytes: BytesMut::new(),
            entries: VecDeque::new(),
            room: LEAST_READ,
            offered: (0, 0),
            sorted: 0,
            request_count: 0,
            request_bytes: 0,
            in_batch: false,
            dropping: false,
            dropped: 0,
            held: Vec::new(),
            max_message: room.message,
            // At least one byte, or nothing would ever be read.
            max_queue: room.queue.as_usize().max(1),
            on_full: room.on_full,
        }
    }

    fn is_full(&self) -> bool {
        self.queued() >= self.max_queue && !self.entries.is_empty()
    }

    fn queued(&self) -> usize {
        self.sorted + self.request_bytes + self.entries.len() * ENTRY_COST
    }

    /// Whether more should be read now. False when enough waits for the sandbox, and nothing of it or
    /// of what comes can be dropped.
    pub fn has_room(&self) -> bool {
        // A batch that has begun is not cut.
        !self.is_full() || (self.on_full == OnFull::DropNewest && !self.in_batch)
    }

    /// Whether input is dropped rather than left unread.
    pub fn may_drop(&self) -> bool {
        self.on_full != OnFull::Block
    }

    /// Whether something waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Points that were dropped since this was last asked.
    pub fn take_dropped(&mut self) -> u64 {
        mem::take(&mut self.dropped)
    }

    /// Where to read to; never empty.
    pub fn space(&mut self) -> &mut BytesMut {
        if self.bytes.capacity() - self.bytes.len() < self.room / 4 {
            self.bytes.reserve(self.room);
        }
        self.offered = (self.bytes.len(), self.bytes.capacity());
        &mut self.bytes
    }

    /// Makes more room where a read has filled it, and less where it has left nearly all.
    fn fit_room(&mut self) {
        let (before, offered) = self.offered;
        let read = self.bytes.len().saturating_sub(before);
        if self.bytes.len() >= offered {
            self.room = (self.room * 4).min(MOST_READ);
        } else if read < self.room / 16 {
            self.room = (self.room / 2).max(LEAST_READ);
        }
    }

    /// Memory for bytes that are not there.
    pub fn capacity(&self) -> usize {
        if self.bytes.is_empty() { self.bytes.capacity() } else { 0 }
    }

    /// Gives memory back that nothing is in.
    pub fn shrink(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
        self.entries.shrink_to_fit();
        self.room = LEAST_READ;
    }

    /// Whether the bytes end inside a frame.
    pub fn is_cut(&self) -> bool {
        self.sorted < self.bytes.len()
    }

    /// Sorts what was read; gives each keepalive's time to `keepalive` at once.
    ///
    /// # Errors
    ///
    /// When what was read is no frame of Kapacitor's. What came before it can still be taken.
    pub fn sort(&mut self, mut keepalive: impl FnMut(i64)) -> Result<(), FrameError> {
        self.fit_room();
        // Frames that are not entry of a run are taken out, and what follows them moves up.
        let mut read = self.sorted;
        let result = loop {
            let frame = match frame::first(&self.bytes[read..], self.max_message) {
                Ok(Some(frame)) => frame,
                Ok(None) => break Ok(()),
                Err(e) => break Err(e),
            };
            let message = &self.bytes[read + frame.start..read + frame.end];
            let kind = match frame::kind(message) {
                Ok(kind) => kind,
                Err(e) => break Err(e),
            };
            if self.place(kind, frame.end, &mut keepalive) {
                if read > self.sorted {
                    self.bytes.copy_within(read..read + frame.end, self.sorted);
                }
                self.sorted += frame.end;
            }
            read += frame.end;
            if !self.in_batch && !self.held.is_empty() {
                self.release_held();
            }
        };
        if read > self.sorted {
            self.bytes.copy_within(read.., self.sorted);
            self.bytes.truncate(self.bytes.len() - (read - self.sorted));
            if self.bytes.capacity() > 4 * RETAINED_CAPACITY && self.bytes.len() < RETAINED_CAPACITY {
                self.bytes = BytesMut::from(&self.bytes[..]);
            }
        }
        if self.on_full == OnFull::DropOldest && self.is_full() {
            self.drop_oldest();
        }
        result
    }

    /// Finds the place of a frame of `length` bytes. True if it belongs to the last run.
    fn place(&mut self, kind: Kind, length: usize, keepalive: &mut impl FnMut(i64)) -> bool {
        match kind {
            Kind::Management(message) => {
                match *message {
                    RequestMessage::Keepalive(request) => keepalive(request.time),
                    RequestMessage::Snapshot(_) if self.in_batch => self.held.push(*message),
                    _ => self.put_request(length, message),
                }
                return false;
            }
            Kind::Unknown => return false,
            Kind::Point | Kind::Begin | Kind::End => {}
        }
        let is_point = matches!(kind, Kind::Point);
        if self.drops(&kind) {
            self.dropped += u64::from(is_point);
            return false;
        }
        let inside = self.in_batch;
        self.in_batch = match kind {
            Kind::Begin => true,
            Kind::End => false,
            _ => inside,
        };
        // Runs that may have to be dropped are short, and of one batch each.
        let (most, apart) = match self.on_full {
            OnFull::DropOldest => (MAX_RUN.min(self.max_queue / 8), matches!(kind, Kind::Begin)),
            _ => (MAX_RUN, false),
        };
        match self.entries.back_mut() {
            Some(Entry::Run { length: all, run, .. }) if *all < most && !apart => {
                *all += length;
                run.count(is_point, length, self.in_batch);
            }
            _ => {
                let mut run = Run::default();
                run.count(is_point, length, self.in_batch);
                self.entries.push_back(Entry::Run { length, inside, run });
            }
        }
        true
    }

    /// Whether a data frame that has arrived is dropped.
    fn drops(&mut self, kind: &Kind) -> bool {
        if self.dropping {
            self.dropping = !matches!(kind, Kind::End);
            return true;
        }
        if self.on_full == OnFull::DropNewest && !self.in_batch && self.is_full() {
            self.dropping = matches!(kind, Kind::Begin);
            return true;
        }
        false
    }

    /// Drops what has waited longest, until there is room for a while. What belongs to a batch that
    /// the sandbox has begun with stays.
    fn drop_oldest(&mut self) {
        let target = self.max_queue / 4 * 3;
        let mut queued = self.queued();
        let mut kept = BytesMut::with_capacity(self.bytes.len());
        let (mut at, mut dropping) = (0, false);
        // The newest point or batch stays, however large it is.
        let newest = self.start_of_newest();
        let dropped = &mut self.dropped;
        self.entries.retain(|entry| {
            let Entry::Run { length, inside, run } = entry else { return true };
            dropping = if *inside { dropping } else { queued > target && at < newest };
            let bytes = &self.bytes[at..at + length];
            at += length;
            if dropping {
                queued -= length + ENTRY_COST;
                *dropped += run.points;
            } else {
                kept.extend_from_slice(bytes);
            }
            !dropping
        });
        let sorted = kept.len();
        kept.extend_from_slice(&self.bytes[at..]);
        (self.bytes, self.sorted) = (kept, sorted);
        if dropping && self.in_batch {
            // Its end is still to come.
            (self.dropping, self.in_batch) = (true, false);
            self.release_held();
        }
    }

    /// Where the last run begins that does not begin inside a batch.
    fn start_of_newest(&self) -> usize {
        let (mut at, mut newest) = (0, 0);
        for entry in &self.entries {
            if let Entry::Run { length, inside, .. } = entry {
                newest = if *inside { newest } else { at };
                at += length;
            }
        }
        newest
    }

    fn put_request(&mut self, length: usize, message: Box<RequestMessage>) {
        self.request_count += 1;
        self.request_bytes += length;
        self.entries.push_back(Entry::Request { length, message });
    }

    /// Whether a snapshot request waits: for the end of its batch, or for the input that came before it.
    ///
    /// A snapshot from the middle of a batch would be of no use: whoever gets it back begins with
    /// another batch.
    pub fn holds_snapshot(&self) -> bool {
        !self.held.is_empty() || (self.request_count > 0 && self.snapshot_behind_data().is_some())
    }

    /// Lets snapshot requests wait for the end of their batch no longer.
    pub fn release_held(&mut self) {
        for message in mem::take(&mut self.held) {
            self.put_request(0, Box::new(message));
        }
    }

    /// Lets snapshot requests wait no longer: they overtake the data before them.
    pub fn hurry_snapshots(&mut self) {
        self.release_held();
        while let Some((from, to)) = self.snapshot_behind_data() {
            if let Some(entry) = self.entries.remove(from) {
                self.entries.insert(to, entry);
            }
        }
    }

    /// The place of a snapshot request that data comes before, and where it would be without that data.
    fn snapshot_behind_data(&self) -> Option<(usize, usize)> {
        let mut behind_request = 0;
        for (i, entry) in self.entries.iter().enumerate() {
            let Entry::Request { message, .. } = entry else { continue };
            if behind_request < i && matches!(**message, RequestMessage::Snapshot(_)) {
                return Some((i, behind_request));
            }
            behind_request = i + 1;
        }
        None
    }

    /// Takes what has been waiting longest.
    pub fn take(&mut self) -> Option<InboxItem> {
        match self.entries.pop_front()? {
            Entry::Run { length, run, .. } => {
                let frames = self.bytes.split_to(length);
                self.sorted -= length;
                if length > RETAINED_CAPACITY {
                    // The rest moves, so that the large buffer goes with what was in it.
                    self.bytes = BytesMut::from(&self.bytes[..]);
                }
                Some(InboxItem::Run(Run { frames: frames.freeze(), ..run }))
            }
            Entry::Request { length, message } => {
                self.request_count -= 1;
                self.request_bytes -= length;
                Some(InboxItem::Request(message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{
        BeginBatch, EndBatch, KeepaliveRequest, Point, RestoreRequest, SnapshotRequest, put_request,
    };

    fn room(queue: u64, on_full: OnFull) -> InboxLimits {
        InboxLimits { message: units::Bytes::mib(1), queue: units::Bytes(queue), on_full }
    }

    fn inbox(messages: impl IntoIterator<Item = RequestMessage>) -> (Inbox, Vec<i64>) {
        let mut inbox = Inbox::new(room(1 << 20, OnFull::Block));
        let mut bytes = Vec::new();
        for message in messages {
            put_request(message, &mut bytes);
        }
        inbox.space().extend_from_slice(&bytes);
        let mut keepalives = Vec::new();
        inbox.sort(|time| keepalives.push(time)).unwrap();
        (inbox, keepalives)
    }

    fn point() -> RequestMessage {
        RequestMessage::Point(Point::default())
    }

    #[test]
    fn keepalives_overtake_and_requests_keep_their_place() {
        let (mut inbox, keepalives) = inbox([
            point(),
            point(),
            RequestMessage::Keepalive(KeepaliveRequest { time: 7 }),
            RequestMessage::Snapshot(SnapshotRequest {}),
            point(),
        ]);
        assert_eq!(keepalives, [7]);
        assert!(matches!(inbox.take(), Some(InboxItem::Run(Run { points: 2, .. }))));
        assert!(matches!(inbox.take(), Some(InboxItem::Request(_))));
        assert!(matches!(inbox.take(), Some(InboxItem::Run(Run { points: 1, .. }))));
        assert!(inbox.take().is_none());
    }

    #[test]
    fn a_run_knows_where_in_a_batch_it_ends() {
        let begin = || RequestMessage::Begin(BeginBatch::default());
        let end = || RequestMessage::End(EndBatch::default());
        let snapshot = || RequestMessage::Snapshot(SnapshotRequest {});
        let (mut inbox, _) = inbox([
            begin(),
            point(),
            end(),
            begin(),
            point(),
            point(),
            RequestMessage::Restore(RestoreRequest::default()),
            point(),
            RequestMessage::Restore(RestoreRequest::default()),
            point(),
            end(),
            snapshot(),
            point(),
        ]);
        let mut runs = Vec::new();
        while let Some(item) = inbox.take() {
            if let InboxItem::Run(Run { points, tail, in_batch, batches, .. }) = item {
                runs.push((points, tail, in_batch, batches));
            }
        }
        assert_eq!(
            runs,
            [(3, 2, true, true), (1, 1, true, false), (1, 0, false, true), (1, 1, false, false)]
        );
    }

    #[test]
    fn a_snapshot_waits_for_the_end_of_its_batch() {
        let batch = [
            RequestMessage::Begin(BeginBatch::default()),
            point(),
            RequestMessage::Snapshot(SnapshotRequest {}),
            point(),
            RequestMessage::End(EndBatch::default()),
            RequestMessage::Begin(BeginBatch::default()),
        ];
        let (mut whole, _) = inbox(batch.clone());
        assert!(whole.held.is_empty());
        let mut points = 0;
        while let Some(InboxItem::Run(run)) = whole.take() {
            points += run.points;
        }
        assert_eq!(points, 2);
        assert!(matches!(whole.take(), Some(InboxItem::Run(Run { points: 0, .. }))));

        let (mut cut, _) = inbox(batch[..4].to_vec());
        assert!(cut.holds_snapshot());
        cut.release_held();
        while let Some(InboxItem::Run(_)) = cut.take() {}
        assert!(!cut.holds_snapshot());
    }

    #[test]
    fn a_snapshot_overtakes_data_and_nothing_else() {
        let (mut inbox, _) = inbox([
            point(),
            RequestMessage::Restore(RestoreRequest::default()),
            point(),
            RequestMessage::Snapshot(SnapshotRequest {}),
            RequestMessage::Snapshot(SnapshotRequest {}),
            point(),
        ]);
        assert!(inbox.holds_snapshot());
        inbox.hurry_snapshots();
        assert!(!inbox.holds_snapshot());
        assert!(matches!(inbox.take(), Some(InboxItem::Run(Run { points: 1, .. }))));
        let mut request = || match inbox.take() {
            Some(InboxItem::Request(message)) => *message,
            other => panic!("{other:?}"),
        };
        assert!(matches!(request(), RequestMessage::Restore(_)));
        assert!(matches!(request(), RequestMessage::Snapshot(_)));
        assert!(matches!(request(), RequestMessage::Snapshot(_)));
        assert!(matches!(inbox.take(), Some(InboxItem::Run(Run { points: 1, .. }))));
        assert!(matches!(inbox.take(), Some(InboxItem::Run(Run { points: 1, .. }))));
        assert!(inbox.take().is_none());
    }

    #[test]
    fn runs_are_bounded() {
        let name = "x".repeat(1000);
        let (mut inbox, _) =
            inbox((0..1000).map(|_| RequestMessage::Point(Point { name: name.clone(), ..Point::default() })));
        let mut points = 0;
        while let Some(InboxItem::Run(run)) = inbox.take() {
            assert!(run.frames.len() < MAX_RUN + 2000);
            points += run.points;
        }
        assert_eq!(points, 1000);
    }

    #[test]
    fn stops_at_the_limit_and_at_garbage() {
        let room = InboxLimits { message: units::Bytes(100), ..room(10, OnFull::Block) };
        let mut inbox = Inbox::new(room);
        let mut bytes = Vec::new();
        put_request(
            RequestMessage::Point(Point { name: "0123456789".to_owned(), ..Point::default() }),
            &mut bytes,
        );
        inbox.space().extend_from_slice(&bytes);
        inbox.space().extend_from_slice(&[101]);
        assert!(matches!(inbox.sort(|_| ()), Err(FrameError::TooLarge { length: 101, .. })));
        assert!(!inbox.has_room());
        assert!(inbox.is_cut());
        assert!(inbox.take().is_some());
    }

    /// What is left of `messages` in an inbox of 2,000 bytes, as numbers: times of points, and -1 and
    /// -2 for begin and end.
    fn left(on_full: OnFull, pieces: &[Vec<RequestMessage>], take_first: bool) -> (Vec<i64>, u64) {
        let mut inbox = Inbox::new(room(2000, on_full));
        let mut left = Vec::new();
        let mut take = |inbox: &mut Inbox| {
            let Some(InboxItem::Run(run)) = inbox.take() else { return false };
            let mut rest = &run.frames[..];
            while let Some((_, frame, after)) = frame::first_data(rest) {
                left.push(match frame::message(frame) {
                    Some(RequestMessage::Point(point)) => point.time,
                    Some(RequestMessage::Begin(_)) => -1,
                    _ => -2,
                });
                rest = after;
            }
            true
        };
        for (i, piece) in pieces.iter().enumerate() {
            let mut bytes = Vec::new();
            piece.iter().for_each(|message| put_request(message.clone(), &mut bytes));
            inbox.space().extend_from_slice(&bytes);
            inbox.sort(|_| ()).unwrap();
            if i == 0 && take_first {
                take(&mut inbox);
            }
        }
        while take(&mut inbox) {}
        assert!(inbox.is_empty() && !inbox.is_cut());
        (left, inbox.take_dropped())
    }

    fn long(time: i64) -> RequestMessage {
        RequestMessage::Point(Point { time, name: "x".repeat(280), ..Point::default() })
    }

    #[test]
    fn the_newest_points_are_dropped_when_it_is_full() {
        let pieces = [(1..=10).map(long).collect::<Vec<_>>()];
        assert_eq!(left(OnFull::Block, &pieces, false), ((1..=10).collect(), 0));
        assert_eq!(left(OnFull::DropNewest, &pieces, false), ((1..=7).collect(), 3));
        // With a frame that has arrived in entry only, and a request in between.
        let mut inbox = Inbox::new(room(2000, OnFull::DropNewest));
        let mut bytes = Vec::new();
        (1..=10).for_each(|time| put_request(long(time), &mut bytes));
        put_request(RequestMessage::Snapshot(SnapshotRequest {}), &mut bytes);
        put_request(long(11), &mut bytes);
        for chunk in bytes.chunks(100) {
            inbox.space().extend_from_slice(chunk);
            inbox.sort(|_| ()).unwrap();
        }
        assert!(matches!(inbox.take(), Some(InboxItem::Run(Run { points: 7, .. }))));
        assert!(matches!(inbox.take(), Some(InboxItem::Request(_))));
        assert!(inbox.take().is_none() && !inbox.is_cut());
        assert_eq!(inbox.take_dropped(), 4);
    }

    #[test]
    fn a_batch_is_dropped_whole_or_not_at_all() {
        let begin = || RequestMessage::Begin(BeginBatch::default());
        let end = || RequestMessage::End(EndBatch::default());
        let batch = |from: i64, points: i64| -> Vec<RequestMessage> {
            let mut batch = vec![begin()];
            batch.extend((from..from + points).map(long));
            batch.push(end());
            batch
        };
        // A batch that has begun when there was room stays.
        let pieces = [batch(1, 5), batch(11, 5), batch(21, 5)];
        let (kept, dropped) = left(OnFull::DropNewest, &pieces, false);
        assert_eq!((kept, dropped), (vec![-1, 1, 2, 3, 4, 5, -2, -1, 11, 12, 13, 14, 15, -2], 5));
        // The oldest ones go; here the first two.
        let (kept, dropped) = left(OnFull::DropOldest, &pieces, false);
        assert_eq!((kept, dropped), (vec![-1, 21, 22, 23, 24, 25, -2], 10));
        // What the sandbox has begun with stays, and its end with it.
        let mut pieces: Vec<_> = batch(1, 12).chunks(2).map(<[_]>::to_vec).collect();
        pieces.extend([batch(21, 3), batch(31, 3)]);
        let (kept, dropped) = left(OnFull::DropOldest, &pieces, true);
        let mut whole: Vec<i64> = (1..=12).collect();
        whole.insert(0, -1);
        whole.push(-2);
        // And the newest one.
        whole.extend([-1, 31, 32, 33, -2]);
        assert_eq!((kept, dropped), (whole, 3));
        // The first one is dropped although its end has not come yet.
        let mut pieces: Vec<_> = batch(1, 12).chunks(2).map(<[_]>::to_vec).collect();
        pieces.push(batch(21, 3));
        assert_eq!(left(OnFull::DropOldest, &pieces, false), (vec![-1, 21, 22, 23, -2], 12));
    }
}
