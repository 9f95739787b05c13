//! The input of one session: bytes as they came, cut into runs and requests.
//!
//! A run consists of the whole Begin, Point and End frames that wait without a request between them; a sandbox
//! gets it in one call. Keepalives are taken out as soon as they arrive, since they must never wait for a guest.

mod read_sizer;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::mem;

use bytes::BytesMut;
use prost::Message as _;

use self::read_sizer::ReadSizer;
use crate::config::OnFull;
use crate::protocol::frame::{self, Control, FrameError, Kind, MAX_WAITING};
use crate::protocol::{BatchCursor, InitRequest, Run};
use crate::sandbox::aside;
use crate::units;

/// Bytes that an entry takes beside its frames: the queue of entries doubles when it is full.
const ENTRY_COST: usize = 2 * size_of::<Entry>();

/// Bytes that a request takes beside its entry and its contents, with the allocator's share.
const REQUEST_COST: usize = size_of::<Control>() + 32;

/// Bytes that an option or a value of an Init request takes decoded, beside its contents.
const OPTION_COST: usize = 96;

/// Number of copies of an Init request that there are while its task starts, at most.
const COPIES_OF_INIT: usize = 6;

/// Capacity in bytes above which a buffer is freed once it is empty: a large message made it so.
const RETAINED_CAPACITY: usize = 1024 * 1024;

/// Length in bytes at which a run ends, after the frame that reaches it: so the call deadline bounds a known
/// amount of work, and the guest's input buffer stays small.
const MAX_RUN: usize = 128 * 1024;

/// The item that has been waiting longest.
#[derive(Debug)]
pub enum InboxItem {
    /// Frames for the sandbox.
    Run(Run),
    /// A request, in its place between the runs.
    Control(Box<Control>),
}

/// Memory in bytes that a decoded Init request takes with its copies.
pub fn size_of_init(request: &InitRequest) -> usize {
    let entries: usize = request.options.iter().map(|option| 1 + option.values.len()).sum();
    COPIES_OF_INIT * (request.encoded_len() + entries * OPTION_COST)
}

/// How much of a session's input may wait, and what happens to more.
#[derive(Clone, Copy, Debug)]
pub struct InboxLimits {
    /// Maximum size of one message.
    pub message: units::Bytes,
    /// Maximum size of everything that waits; one message may be larger.
    pub queue: units::Bytes,
    /// What happens to input beyond that.
    pub on_full: OnFull,
}

/// Input that was read and not yet taken.
pub struct Inbox {
    limits: InboxLimits,
    /// The runs' bytes, and then what was not yet sorted.
    bytes: BytesMut,
    /// Number of bytes in runs.
    sorted: usize,
    entries: VecDeque<Entry>,
    sizer: ReadSizer,
    /// Bytes of the requests in `entries`, decoded.
    request_bytes: usize,
    /// Number of requests in `entries`.
    request_count: usize,
    /// Greatest length of `bytes` since its memory was allocated.
    longest: usize,
    /// Bytes that were taken from the start of this memory.
    taken: usize,
    /// Memory of the item that was taken last, which lasts until its work is done.
    lent: usize,
    /// Memory of the rest of a run that waits, which is that of the whole run.
    kept: usize,
    /// Where in a batch the input behind the last entry is; what arrives is dropped while the cursor skips.
    cursor: BatchCursor,
    /// Number of points that were dropped.
    dropped: u64,
    /// Number of points among them that [`Inbox::take_dropped`] has told of.
    dropped_told: u64,
    /// Whether the state of the task belongs to the client: see `InitRequest.clientState`.
    client_state: bool,
    /// Number of snapshot requests that came inside the open batch and wait for its end.
    held: usize,
    /// Number of entries that were taken so far. The first entry has this position, and each later one the next.
    first: u64,
    /// Position of the last run that no request but snapshots follow.
    last_run: Option<u64>,
    /// Position of the last run before the last snapshot request that has one.
    before_snapshot: Option<u64>,
}

enum Entry {
    Run {
        length: usize,
        /// Whether it begins inside a batch.
        inside: bool,
        /// The run, which gets its frames when it is taken.
        run: Run,
    },
    /// The rest of a run that was taken, with its frames. It is never dropped.
    Rest(Run),
    Control {
        length: usize,
        request: Box<Control>,
    },
}

impl Inbox {
    /// An empty inbox.
    pub fn new(limits: InboxLimits) -> Self {
        Self {
            limits,
            bytes: BytesMut::new(),
            sorted: 0,
            entries: VecDeque::new(),
            sizer: ReadSizer::new(),
            request_bytes: 0,
            request_count: 0,
            longest: 0,
            taken: 0,
            lent: 0,
            kept: 0,
            cursor: BatchCursor::default(),
            dropped: 0,
            dropped_told: 0,
            client_state: false,
            held: 0,
            first: 0,
            last_run: None,
            before_snapshot: None,
        }
    }

    /// Maximum of [`Inbox::queued`]; at least one byte, or nothing would ever be read.
    fn max_queued(&self) -> usize {
        self.limits.queue.as_usize().max(1)
    }

    fn is_full(&self) -> bool {
        self.queued() >= self.max_queued() && !(self.entries.is_empty() && self.held == 0)
    }

    /// Bytes that wait.
    pub fn queued(&self) -> usize {
        let runs = self.entries.len() - self.request_count;
        self.sorted + runs * ENTRY_COST + self.requested()
    }

    /// Bytes that requests take, which are never dropped.
    fn requested(&self) -> usize {
        self.request_bytes + (self.request_count + self.held) * (ENTRY_COST + REQUEST_COST)
    }

    /// Memory in bytes that the inbox takes, with the item that was taken last.
    #[inline]
    pub fn memory(&self) -> usize {
        let entries = self.entries.capacity() * size_of::<Entry>();
        let requests = self.request_bytes + self.request_count * REQUEST_COST;
        self.buffer() + entries + requests + self.lent + self.kept
    }

    /// Memory in bytes that the buffer takes, at most: bytes are appended to it while others are taken from its start,
    /// until it is moved or doubled.
    fn buffer(&self) -> usize {
        self.longest + self.taken.min(self.longest)
    }

    /// Memory in bytes that the next read takes.
    #[inline]
    pub fn next_read(&self) -> usize {
        self.sizer.memory(&self.bytes)
    }

    /// The work on the item that was taken last is done, but for the `rest` of a run: this waits before all others.
    pub fn return_item(&mut self, rest: Option<Run>) {
        let lent = mem::take(&mut self.lent);
        if let Some(run) = rest {
            self.kept = lent;
            self.entries.push_front(Entry::Rest(run));
            self.first -= 1;
            self.find_snapshots();
        }
    }

    /// Whether more should be read now. False when enough waits for the sandbox, and nothing that waits or comes
    /// can be dropped.
    pub fn has_room(&self) -> bool {
        // A batch that has begun is taken in as a whole.
        !self.is_full()
            || (self.limits.on_full == OnFull::DropNewest
                && !self.cursor.is_inside()
                && self.requested() < self.max_queued())
    }

    /// Whether input is dropped rather than left unread.
    pub fn may_drop(&self) -> bool {
        self.limits.on_full != OnFull::Block
    }

    /// Whether something waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the item that has been waiting longest is a run.
    pub fn is_run_next(&self) -> bool {
        matches!(self.entries.front(), Some(Entry::Run { .. } | Entry::Rest(_)))
    }

    /// Number of points that were dropped since the last call of this.
    pub fn take_dropped(&mut self) -> u64 {
        self.dropped - mem::replace(&mut self.dropped_told, self.dropped)
    }

    /// Where to read to; never empty.
    pub fn space(&mut self) -> &mut BytesMut {
        let Self { sizer, bytes, .. } = self;
        if sizer.must_grow(bytes) {
            // All of it may be moved.
            aside(bytes.len(), || sizer.make_room(bytes));
        } else {
            sizer.make_room(bytes);
        }
        &mut self.bytes
    }

    /// Capacity of an empty buffer in bytes.
    pub fn capacity(&self) -> usize {
        if self.bytes.is_empty() { self.bytes.capacity() } else { 0 }
    }

    /// Frees the memory that holds nothing.
    pub fn shrink(&mut self) {
        if self.bytes.is_empty() {
            self.move_bytes();
        }
        self.entries.shrink_to_fit();
        self.sizer = ReadSizer::new();
    }

    /// Drops everything that waits.
    pub fn clear(&mut self) {
        *self = Self {
            dropped: self.dropped,
            dropped_told: self.dropped_told,
            client_state: self.client_state,
            lent: self.lent,
            ..Self::new(self.limits)
        };
    }

    /// Gives the bytes memory of their own, without room for more.
    fn move_bytes(&mut self) {
        self.bytes = BytesMut::from(&self.bytes[..]);
        (self.longest, self.taken) = (self.bytes.len(), 0);
    }

    /// Whether the bytes end inside a frame.
    pub fn is_cut(&self) -> bool {
        self.sorted < self.bytes.len()
    }

    /// Sorts what was read; gives each keepalive's time to `keepalive` at once. Returns the number of whole messages.
    ///
    /// # Errors
    ///
    /// When the bytes are not frames of Kapacitor. Frames that came before them can still be taken.
    pub fn sort(&mut self, mut keepalive: impl FnMut(i64)) -> Result<usize, FrameError> {
        self.sizer.adapt(&self.bytes);
        self.longest = self.longest.max(self.bytes.len());
        // Frames that are not part of a run are taken out, and the bytes behind them move up.
        let (mut read, mut messages) = (self.sorted, 0);
        let result = loop {
            let frame = match frame::first(&self.bytes[read..], self.limits.message) {
                Ok(Some(frame)) => frame,
                Ok(None) => break Ok(messages),
                Err(e) => break Err(e),
            };
            let message = &self.bytes[read + frame.start..read + frame.end];
            let kind = match frame::kind(message) {
                Ok(kind) => kind,
                Err(e) => break Err(e),
            };
            if matches!(kind, Kind::Control(_)) && self.request_count + self.held >= MAX_WAITING {
                break Err(FrameError::TooManyRequests);
            }
            if self.place(kind, frame.end, &mut keepalive) {
                if read > self.sorted {
                    self.bytes.copy_within(read..read + frame.end, self.sorted);
                }
                self.sorted += frame.end;
            }
            read += frame.end;
            messages += 1;
            if !self.cursor.is_inside() && self.held > 0 {
                self.release_held();
            }
        };
        if read > self.sorted {
            self.bytes.copy_within(read.., self.sorted);
            self.bytes.truncate(self.bytes.len() - (read - self.sorted));
            if self.bytes.capacity() > 4 * RETAINED_CAPACITY && self.bytes.len() < RETAINED_CAPACITY {
                self.move_bytes();
            }
        }
        if self.limits.on_full == OnFull::DropOldest && self.is_full() {
            // What stays is copied, which takes long for a large queue.
            aside(self.bytes.len(), || self.drop_oldest());
        }
        self.release_held_alone();
        result
    }

    /// Finds the place of a frame of `length` bytes. True if it belongs to the last run.
    #[inline]
    fn place(&mut self, kind: Kind, length: usize, keepalive: &mut impl FnMut(i64)) -> bool {
        match kind {
            Kind::Keepalive(time) => {
                keepalive(time);
                return false;
            }
            Kind::Control(request) => {
                self.place_request(length, request);
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
        let inside = self.cursor.is_inside();
        self.cursor.advance(&kind);
        let in_batch = self.cursor.is_inside();
        // Runs that may have to be dropped are short, and of one batch each.
        let (most, apart) = match self.limits.on_full {
            OnFull::DropOldest => (MAX_RUN.min(self.max_queued() / 8), matches!(kind, Kind::Begin)),
            _ => (MAX_RUN, false),
        };
        match self.entries.back_mut() {
            // The run of a large batch ends with it, so that the plugin's output is the batch and nothing else, and
            // the state can be saved between two batches.
            Some(Entry::Run { length: all, run, inside: began_inside })
                if *all < most && !apart && (inside || !*began_inside) =>
            {
                *all += length;
                run.count(is_point, length, in_batch);
            }
            _ => {
                let mut run = Run::default();
                run.count(is_point, length, in_batch);
                self.last_run = Some(self.first + self.entries.len() as u64);
                self.entries.push_back(Entry::Run { length, inside, run });
            }
        }
        true
    }

    /// Finds the place of a request, which was `length` bytes long.
    #[cold]
    fn place_request(&mut self, length: usize, mut request: Box<Control>) {
        match &mut *request {
            Control::Snapshot if self.cursor.is_inside() && !self.client_state => {
                self.held += 1;
                return;
            }
            Control::Fence(fence) => fence.dropped = self.dropped,
            Control::Init(init) if init.client_state => {
                // A point that is dropped would count no time, and the client would not learn of it.
                (self.client_state, self.limits.on_full) = (true, OnFull::Block);
            }
            _ => {}
        }
        self.put_request(length, request);
    }

    /// Whether the state of the task belongs to the client: see `InitRequest.clientState`.
    pub fn has_client_state(&self) -> bool {
        self.client_state
    }

    /// Whether a data frame that has arrived is dropped.
    #[inline]
    fn drops(&mut self, kind: &Kind) -> bool {
        if self.cursor.skips(kind) {
            return true;
        }
        if self.limits.on_full == OnFull::DropNewest && !self.cursor.is_inside() && self.is_full() {
            if matches!(kind, Kind::Begin) {
                self.cursor.skip_batch();
            }
            return true;
        }
        false
    }

    /// Drops the input that has waited longest, until there is room for a while. The rest of a batch that the
    /// sandbox has begun stays.
    fn drop_oldest(&mut self) {
        let target = self.max_queued() / 4 * 3;
        let mut queued = self.queued();
        let mut kept = BytesMut::with_capacity(self.bytes.len());
        let (mut at, mut dropping) = (0, false);
        // The newest point or batch stays, however large it is.
        let newest = self.start_of_newest();
        let before = self.dropped;
        let dropped = &mut self.dropped;
        self.entries.retain_mut(|entry| {
            let (length, inside, run) = match entry {
                Entry::Run { length, inside, run } => (length, inside, run),
                Entry::Control { request, .. } => {
                    if let Control::Fence(fence) = &mut **request {
                        fence.dropped += *dropped - before;
                    }
                    return true;
                }
                Entry::Rest(_) => return true,
            };
            dropping = if *inside { dropping } else { queued > target && at < newest };
            let bytes = &self.bytes[at..at + *length];
            at += *length;
            if dropping {
                queued -= *length + ENTRY_COST;
                *dropped += run.points;
            } else {
                kept.extend_from_slice(bytes);
            }
            !dropping
        });
        let sorted = kept.len();
        kept.extend_from_slice(&self.bytes[at..]);
        (self.bytes, self.sorted) = (kept, sorted);
        (self.longest, self.taken) = (self.bytes.len(), 0);
        self.find_snapshots();
        if dropping && self.cursor.is_inside() {
            // Its end is still to come.
            self.cursor.lose_batch();
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

    fn put_request(&mut self, length: usize, request: Box<Control>) {
        let length = if let Control::Init(init) = &*request { size_of_init(init) } else { length };
        self.request_count += 1;
        self.request_bytes += length;
        self.note_request(&request);
        self.entries.push_back(Entry::Control { length, request });
    }

    /// Notes where the runs are that come before a request at the end of the entries.
    fn note_request(&mut self, request: &Control) {
        if *request != Control::Snapshot {
            self.last_run = None;
        } else if self.last_run.is_some() {
            self.before_snapshot = self.last_run;
        }
    }

    /// Whether a snapshot request waits: for the end of its batch, or for the input that came before it.
    ///
    /// A snapshot from the middle of a batch would be of no use: the task that gets it back begins with another
    /// batch.
    ///
    /// One of a task whose state belongs to the client is not held: it waits for its turn, however long.
    pub fn holds_snapshot(&self) -> bool {
        let waits = self.held > 0 || self.before_snapshot.is_some_and(|run| run >= self.first);
        waits && !self.client_state
    }

    /// Lets snapshot requests wait for the end of their batch no longer.
    pub fn release_held(&mut self) {
        for _ in 0..mem::take(&mut self.held) {
            self.put_request(0, Box::new(Control::Snapshot));
        }
    }

    /// Lets snapshot requests wait for the end of their batch no longer if they alone fill the queue: nothing more
    /// is read then, and the end would not come.
    fn release_held_alone(&mut self) {
        if self.entries.is_empty() && self.is_full() {
            self.release_held();
        }
    }

    /// Lets snapshot requests wait no longer: they overtake the data before them, and no other request.
    pub fn hurry_snapshots(&mut self) {
        self.release_held();
        let mut overtaken = Vec::new();
        for entry in mem::take(&mut self.entries) {
            match &entry {
                Entry::Run { .. } | Entry::Rest(_) => overtaken.push(entry),
                Entry::Control { request, .. } => {
                    if **request != Control::Snapshot {
                        self.entries.extend(overtaken.drain(..));
                    }
                    self.entries.push_back(entry);
                }
            }
        }
        self.entries.extend(overtaken);
        self.find_snapshots();
    }

    /// Finds the runs that come before snapshot requests anew, after entries have moved.
    fn find_snapshots(&mut self) {
        (self.last_run, self.before_snapshot) = (None, None);
        let entries = mem::take(&mut self.entries);
        for (position, entry) in (self.first..).zip(&entries) {
            match entry {
                Entry::Run { .. } | Entry::Rest(_) => self.last_run = Some(position),
                Entry::Control { request, .. } => self.note_request(request),
            }
        }
        self.entries = entries;
    }

    /// Takes the item that has been waiting longest.
    pub fn take(&mut self) -> Option<InboxItem> {
        let entry = self.entries.pop_front()?;
        self.first += 1;
        self.last_run = self.last_run.filter(|run| *run >= self.first);
        match entry {
            Entry::Run { length, run, .. } => {
                let frames = self.bytes.split_to(length);
                self.sorted -= length;
                self.taken += length;
                if length > RETAINED_CAPACITY || (self.bytes.is_empty() && self.longest > RETAINED_CAPACITY) {
                    // The rest moves, so that the large buffer is freed with the run.
                    self.lent = self.buffer();
                    self.move_bytes();
                }
                self.release_held_alone();
                Some(InboxItem::Run(run.with_frames(frames.freeze())))
            }
            Entry::Rest(run) => {
                self.lent = mem::take(&mut self.kept);
                self.release_held_alone();
                Some(InboxItem::Run(run))
            }
            Entry::Control { length, request } => {
                self.request_count -= 1;
                self.request_bytes -= length;
                self.lent = length;
                self.release_held_alone();
                Some(InboxItem::Control(request))
            }
        }
    }
}
