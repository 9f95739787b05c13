//! One connection of Kapacitor, from accept to close.
//!
//! Reads, writes and answers keepalives while the executor does the work in order; none of the three
//! waits for another. At the end of the input pending work is finished, within a deadline.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use bytes::BytesMut;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout, timeout_at};

use super::account::Account;
use super::arrivals::Arrivals;
use super::backpressure::{Backpressure, Stall};
use super::drain::Drain;
use super::end::{HangUp, room_for_read};
use super::executor::{Executor, Outcome, Work};
use super::gather::{Gather, MAX_GATHERED, SMALL};
use super::heartbeat::Heartbeat;
use super::inbox::{Inbox, InboxItem, InboxLimits};
use super::link::Link;
use super::offload::{FinishedWork, Worker};
use super::outbox::Outbox;
use super::timer::Timer;
use crate::logging::{Labels, log_for};
use crate::metrics::SessionMeter;
use crate::protocol::frame::Control;
use crate::protocol::{ErrorResponse, KeepaliveResponse, ResponseMessage};
use crate::routing::Function;
use crate::sandbox::CallClock;
use crate::shared::Shared;
use crate::state::Ending;
use crate::task::{Reply, Trial};

/// High-water mark of unsent bytes: above it no new work is given to the executor.
const OUT_HIGH: usize = 256 * 1024;

/// Maximum number of unsent bytes. Above it reading stops, since Kapacitor does not read.
const OUT_FULL: usize = 8 * 1024 * 1024;

/// Idle time after which a session frees its buffers.
const IDLE: Duration = Duration::from_secs(1);

/// Capacity in bytes below which buffers are not worth freeing.
const SMALL_BUFFERS: usize = 8 * 1024;

/// Time for which the host continues to read after its last response, so that Kapacitor can read the response.
const LINGER: Duration = Duration::from_millis(250);

/// Time that a session takes on its thread before others on the same thread get their turn.
const TURN: Duration = Duration::from_millis(1);

/// Number of small reads in a row after which a connection is not watched for room to write, unless something waits to be
/// written. To change that takes two system calls.
const LONE_READS: u32 = 16;

/// One connection.
pub struct Session {
    link: Link,
    gather: Gather,
    inbox: Inbox,
    outbox: Outbox,
    worker: Worker,
    drain: Drain,
    timers: Timers,
    heartbeat: Heartbeat,
    backpressure: Backpressure,
    arrivals: Arrivals,
    /// What the task of the session does; `None` before it has started.
    meter: Option<Arc<SessionMeter>>,
    /// Counts the memory of the buffers.
    account: Account,
    /// Capacity in bytes of the buffer that the work under way has got.
    buffer_at_work: usize,
    /// Time of the last keepalive whose answer waits until Kapacitor reads.
    keepalive: Option<i64>,
    /// How long the session has used its thread since others had their turn.
    turn: Duration,
    /// Number of small reads in a row while Kapacitor took all that was written at once.
    lone_reads: u32,
    /// Whether what waits for Kapacitor is to be written as soon as no work is under way: a tick was before.
    answer_due: bool,
    /// What Kapacitor's side of the connection is known to be.
    peer: Peer,
    /// The labels of the session's log lines, as the executor knew them last.
    labels: Arc<Labels>,
    /// Measures the calls into the guest.
    clock: Arc<CallClock>,
    /// Whether there is a state that no checkpoint holds yet.
    dirty: bool,
    /// Set when nothing more is read, so that the next session of the same task can wait for its state.
    ending: Ending,
    /// Set when Kapacitor is known to have the last snapshot.
    received: Arc<AtomicBool>,
    /// Becomes true when the host stops.
    stopping: watch::Receiver<bool>,
    /// Whether the session ends because the host stops, and not because Kapacitor has ended its input.
    leaving: bool,
    compute: Handle,
    intervals: Intervals,
}

/// The timers of a session. Each comment says what happens when the timer runs out.
#[derive(Default)]
struct Timers {
    /// A waiting snapshot request overtakes the input.
    snapshot: Timer,
    /// The state is written to the checkpoint.
    checkpoint: Timer,
    /// Kapacitor gets a keepalive.
    heartbeat: Timer,
    /// The buffers are freed.
    idle: Timer,
    /// The session looks for memory again.
    memory: Timer,
    /// The plugin has its share of a core again, and gets the next run. Requests do not wait for that.
    share: Timer,
}

/// What Kapacitor's side of a connection is known to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    /// Open.
    Open,
    /// Kapacitor has ended its input.
    HungUp,
    /// Nobody reads the responses any more, and there may be input that was sent before.
    LostUnread,
    /// Nobody reads the responses any more, and all input was read.
    Lost,
}

impl Peer {
    /// Whether nobody reads the responses any more.
    fn is_lost(self) -> bool {
        matches!(self, Self::LostUnread | Self::Lost)
    }
}

/// Spans of time of `udf.toml`.
struct Intervals {
    drain: Duration,
    snapshot: Duration,
    /// Zero for no checkpoints while the session lasts.
    checkpoint: Duration,
}

/// What happens next on a connection.
enum Event {
    /// A piece of work is done; `None` if it panicked.
    Finished(Option<FinishedWork>),
    /// Kapacitor has taken this number of bytes.
    Written(usize),
    /// This number of bytes was read.
    Read(usize),
    /// Nobody reads the responses.
    Unwritable(io::Error),
    /// Nothing can be read any more.
    Unreadable(io::Error),
    /// It is time to read and to write, since the session gathers.
    Tick,
    /// The deadline of the session's end has passed.
    GivenUp,
    /// The session has been idle.
    Idle,
    /// A snapshot request has waited for too long.
    SnapshotDue,
    /// The state is to be written.
    CheckpointDue,
    /// The host stops.
    Stopping,
    /// Kapacitor is to get a keepalive.
    HeartbeatDue,
    /// There may be memory by now.
    MemoryDue,
    /// The plugin has its share of a core again.
    ShareDue,
    /// Kapacitor has closed its side, while nothing is read.
    HungUp(HangUp),
}

impl Session {
    /// A connection to `function`.
    pub fn new(shared: Arc<Shared>, function: Arc<Function>, link: Link) -> Self {
        Self::on_trial(shared, function, link, Trial::default())
    }

    /// A connection of the workbench to `function`.
    pub fn on_trial(shared: Arc<Shared>, function: Arc<Function>, link: Link, trial: Trial) -> Self {
        let config = shared.config();
        let sessions = config.sessions;
        let intervals = Intervals {
            drain: sessions.drain_deadline.0,
            snapshot: sessions.snapshot_deadline.0,
            checkpoint: config.state.checkpoint_interval.0,
        };
        let stopping = shared.stopping();
        let compute = shared.compute().clone();
        let on_full = function.policy.on_full;
        let limits = InboxLimits { message: sessions.message, queue: sessions.queue, on_full };
        let account = Account::new(shared.budget().reservation());
        let gather = Gather::new(Arc::clone(shared.gather_clock()));
        let executor = Box::new(Executor::new(shared, function, trial));
        Self {
            link,
            gather,
            inbox: Inbox::new(limits),
            outbox: Outbox::default(),
            drain: Drain::new(intervals.drain),
            timers: Timers::default(),
            heartbeat: Heartbeat::new(),
            backpressure: Backpressure::default(),
            arrivals: Arrivals::default(),
            meter: None,
            account,
            buffer_at_work: 0,
            keepalive: None,
            turn: Duration::ZERO,
            lone_reads: LONE_READS,
            answer_due: false,
            peer: Peer::Open,
            labels: Arc::clone(executor.labels()),
            clock: Arc::clone(executor.clock()),
            ending: Arc::clone(executor.ending()),
            received: Arc::clone(executor.received()),
            worker: Worker::new(executor, compute.clone()),
            dirty: false,
            stopping,
            leaving: false,
            compute,
            intervals,
        }
    }

    /// Serves the connection until it ends. What goes wrong is logged.
    pub async fn run(mut self) {
        match self.serve().await {
            Ok(()) => {
                self.flush().await;
                self.linger().await;
            }
            Err(e) => {
                // Kapacitor closes in the middle of things whenever a task is stopped.
                log_for!(debug, self.labels, err = e.to_string(), "connection lost");
            }
        }
        self.leave().await;
        self.backpressure.end(&self.labels);
    }

    async fn serve(&mut self) -> io::Result<()> {
        loop {
            // Before all that depends on what Kapacitor has taken: no event says that this was written.
            if self.link.is_watched() && self.is_alone() && self.outbox.unsent() > 0 {
                self.write_now();
            }
            self.start_work();
            if self.answer_due && self.worker.is_idle() {
                self.answer_due = false;
                self.write_now();
            }
            if self.drain.is_closing() && self.outbox.unsent() == 0 && !self.worker.is_busy() {
                return Ok(());
            }
            let reading = self.may_read();
            self.refuse_without_memory(reading);
            self.set_timers(reading);
            if let Err(e) = self.watch_or_gather() {
                log_for!(
                    warn,
                    self.labels,
                    err = e.to_string(),
                    "connection closed: the system refuses to watch it"
                );
                return Err(e);
            }
            if self.turn > TURN {
                self.turn = Duration::ZERO;
                yield_now().await;
            }
            match self.next_event(reading).await {
                Event::Finished(finished) => self.finish_work(finished),
                Event::Written(count) => {
                    self.gather.note_wake(count);
                    self.lone_reads = 0;
                    self.after_write();
                }
                Event::Read(count) => {
                    self.gather.note_wake(count);
                    self.lone_reads = if count <= SMALL { self.lone_reads.saturating_add(1) } else { 0 };
                    self.take_in(count)?;
                }
                Event::Unwritable(e) => self.lose(&e),
                Event::Unreadable(e) => self.lose_input(&e),
                Event::Tick => self.tick()?,
                // On a busy machine the plugin may not have had its time yet.
                Event::GivenUp if self.worker.is_busy() && self.drain.may_go_on(self.clock.total()) => {}
                Event::GivenUp if !self.worker.is_busy() && self.write_unwatched()? > 0 => {}
                Event::GivenUp => {
                    self.report_given_up();
                    return Ok(());
                }
                Event::Idle => {
                    self.outbox.shrink();
                    self.inbox.shrink();
                    self.account.settle(self.memory());
                }
                Event::SnapshotDue => {
                    let start = Instant::now();
                    self.inbox.hurry_snapshots();
                    self.turn += start.elapsed();
                }
                Event::CheckpointDue => self.start_checkpoint(),
                Event::Stopping => self.end_input(true),
                Event::HeartbeatDue => {
                    self.beat();
                    self.timers.heartbeat.stop();
                }
                Event::MemoryDue => self.timers.memory.stop(),
                Event::ShareDue => self.timers.share.stop(),
                Event::HungUp(hang_up) => self.note_hang_up(hang_up),
            }
        }
    }

    /// Whether input is read now.
    fn may_read(&mut self) -> bool {
        let memory = self.memory();
        self.account.hold(memory);
        // Where input may be dropped, Kapacitor need not wait for what it does not read.
        (self.drain.is_open() || self.peer == Peer::LostUnread)
            && self.inbox.has_room()
            && (self.outbox.unsent() < OUT_FULL || self.inbox.may_drop())
            && self.account.may_hold(memory + self.inbox.next_read())
    }

    /// Memory in bytes of the buffers.
    fn memory(&self) -> usize {
        self.inbox.memory() + self.outbox.capacity() + self.buffer_at_work
    }

    /// Ends a session that has waited for memory for too long and has nothing to do meanwhile that would free some.
    /// Otherwise sessions could wait for each other for ever.
    fn refuse_without_memory(&mut self, reading: bool) {
        if reading || self.worker.is_busy() || !self.inbox.is_empty() || self.outbox.unsent() > 0 {
            return;
        }
        let Some(full) = self.account.exhausted().filter(|_| self.drain.is_open()) else { return };
        let err = format!("the rest of a message needs {full}");
        log_for!(error, self.labels, err, "connection closed: there is no memory for its input");
        self.outbox.put(ResponseMessage::Error(ErrorResponse { error: err }));
        self.inbox.clear();
        self.ending.store(true, Relaxed);
        self.drain.close();
    }

    /// Starts and stops the timers, and notes which side stalls.
    fn set_timers(&mut self, reading: bool) {
        let (open, busy, unsent) = (self.drain.is_open(), self.worker.is_busy(), self.outbox.unsent());
        let waiting = !self.inbox.is_empty();
        let stall = if unsent >= OUT_HIGH {
            Some(Stall::Kapacitor)
        } else if (busy || self.timers.share.is_set()) && waiting {
            Some(Stall::Plugin)
        } else {
            None
        };
        let stopped = open && !reading;
        self.backpressure.set_stalled_on(stall, stopped);
        let Self { timers, intervals, .. } = self;
        timers.heartbeat.run_while(busy || stopped, self.heartbeat.interval());
        timers.snapshot.run_while(self.inbox.holds_snapshot(), intervals.snapshot);
        let checkpointing = self.dirty && open && !intervals.checkpoint.is_zero();
        timers.checkpoint.run_while(checkpointing, intervals.checkpoint);
        let capacity = self.outbox.capacity() + self.inbox.capacity();
        let idle = open && unsent == 0 && !busy && !waiting && capacity > SMALL_BUFFERS;
        timers.idle.run_while(idle, IDLE);
        let retry = self.account.retry().filter(|_| open);
        timers.memory.run_while(retry.is_some(), retry.unwrap_or_default());
    }

    /// Whether messages come now and then only, and Kapacitor has taken all answers at once.
    fn is_alone(&self) -> bool {
        self.lone_reads >= LONE_READS
    }

    /// Has the runtime watch the connection or, while little is read and written at a time, the session gather it. A
    /// connection with a message now and then is watched for input only.
    fn watch_or_gather(&mut self) -> io::Result<()> {
        if self.link.is_watched() {
            if self.drain.is_open() && self.gather.is_due() && self.link.unwatch()? {
                self.gather.begin();
            }
        } else if !self.drain.is_open() || !self.gather.is_worth_while() {
            self.gather.end();
            self.link.watch()?;
            self.lone_reads = 0;
        }
        if !self.link.is_watched() {
            return Ok(());
        }
        self.link.watch_for(self.is_alone() && self.outbox.unsent() == 0)
    }

    /// Waits for the next event. If several are ready, the first one in the list below wins.
    async fn next_event(&mut self, reading: bool) -> Event {
        let deadline = Timer::from(self.drain.deadline());
        let (open, busy, unsent) = (self.drain.is_open(), self.worker.is_busy(), self.outbox.unsent());
        // While there is work, it comes before the next checkpoint.
        let may_checkpoint = self.worker.is_idle();
        let watched = self.link.is_watched();
        let listening = reading || (open && self.peer == Peer::Open);
        let Self { link, gather, inbox, outbox, worker, stopping, timers, .. } = self;
        tokio::select! {
            biased;
            finished = worker.finished(), if busy => Event::Finished(finished),
            written = outbox.write(link), if unsent > 0 && watched => written.map_or_else(Event::Unwritable, Event::Written),
            input = next_input(link, inbox, reading), if watched && listening => input,
            () = gather.tick(), if !watched => Event::Tick,
            () = deadline.expired(), if deadline.is_set() => Event::GivenUp,
            () = timers.idle.expired(), if timers.idle.is_set() => Event::Idle,
            () = timers.snapshot.expired(), if timers.snapshot.is_set() => Event::SnapshotDue,
            () = timers.checkpoint.expired(), if timers.checkpoint.is_set() && may_checkpoint => {
                Event::CheckpointDue
            }
            () = stop(stopping), if open => Event::Stopping,
            () = timers.heartbeat.expired(), if timers.heartbeat.is_set() => Event::HeartbeatDue,
            () = timers.memory.expired(), if timers.memory.is_set() => Event::MemoryDue,
            () = timers.share.expired(), if timers.share.is_set() => Event::ShareDue,
        }
    }

    /// Begins the next piece of work, if there is one and nothing hinders it.
    fn start_work(&mut self) {
        if self.worker.is_busy() || self.outbox.unsent() >= OUT_HIGH {
            return;
        }
        if self.drain.is_open() && self.timers.checkpoint.has_expired() {
            self.start_checkpoint();
            return;
        }
        // At the end of its input the plugin has until its deadline anyway.
        if self.timers.share.is_set() && self.drain.is_open() && self.inbox.is_run_next() {
            return;
        }
        let item = self.inbox.take();
        if self.drain.is_closing() {
            return;
        }
        match item {
            Some(item) => self.start(Work::Item(item)),
            None if self.drain.is_open() || self.peer == Peer::LostUnread => {}
            None => self.start(if self.leaving || self.peer.is_lost() { Work::Leave } else { Work::Finish }),
        }
    }

    fn start_checkpoint(&mut self) {
        self.timers.checkpoint.stop();
        self.start(Work::Checkpoint);
    }

    fn start(&mut self, work: Work) {
        // Saving, loading and giving back memory takes long without ever computing in the guest.
        let long = match &work {
            Work::Item(InboxItem::Control(request)) => {
                matches!(**request, Control::Snapshot | Control::Restore(_))
            }
            Work::Item(InboxItem::Run(_)) => false,
            Work::Checkpoint => self.dirty,
            Work::Finish | Work::Leave => true,
        };
        if self.worker.is_idle() {
            let buffer = self.outbox.take_spare();
            self.buffer_at_work = buffer.capacity();
            self.worker.start(work, buffer, long);
        }
    }

    /// Takes in the result of a piece of work.
    fn finish_work(&mut self, mut finished: Option<FinishedWork>) {
        self.drain.work_ended(self.clock.total());
        self.turn += self.worker.take_inline();
        self.buffer_at_work = 0;
        let rest = finished.as_mut().and_then(|finished| finished.executor.take_rest());
        self.inbox.return_item(rest);
        let Some(FinishedWork { mut executor, mut reply, outcome }) = finished else {
            // The work panicked, as the log says.
            log_for!(error, self.labels, "the session is lost to a fault of the host");
            self.drain.close();
            return;
        };
        let room = reply.take_room();
        let output = executor.output(&reply);
        let written = self.outbox.accept(reply, output, &self.link);
        let answers_fence = executor.take_answers_fence();
        if executor.take_sends_snapshot() {
            self.outbox.expect_receipt();
        }
        self.account.hold(self.memory());
        drop(room);
        self.labels = Arc::clone(executor.labels());
        self.dirty = executor.is_dirty();
        if let Some(meter) = executor.publish()
            && self.meter.is_none()
        {
            self.meter = Some(Arc::clone(meter));
        }
        self.publish();
        self.timers.share = Timer::from(executor.wait_for_share().map(|wait| Instant::now() + wait));
        self.worker.rest(executor);
        if outcome == Outcome::Close {
            self.drain.close();
        }
        match written {
            Err(e) => self.lose(&e),
            // Until then, the plugin may be the side that stalls next, and its deadline is not extended.
            Ok(1..) if self.drain.is_closing() => self.extend_drain(),
            Ok(_) => {}
        }
        if answers_fence && !self.link.is_watched() {
            // The client waits for it, and need not wait for the work behind it, too.
            self.write_now();
        }
    }

    /// Tells the meter what waits.
    fn publish(&mut self) {
        if let Some(meter) = &self.meter {
            let queued = self.inbox.queued();
            meter.set_waiting(queued, self.arrivals.oldest(queued), self.outbox.unsent());
            let (for_plugin, for_kapacitor) = self.backpressure.waited();
            meter.set_waited(for_plugin, for_kapacitor);
        }
    }

    /// Kapacitor reads, if slowly: it gets more time, unless the plugin is the side that stalls.
    fn extend_drain(&mut self) {
        if !self.worker.is_busy() {
            self.drain.extend(self.clock.total(), self.leaving);
        }
    }

    /// Sorts `count` bytes that were read; returns the number of whole messages.
    ///
    /// # Errors
    ///
    /// When the bytes are malformed: the session then ends without a response.
    fn take_in(&mut self, count: usize) -> io::Result<usize> {
        if self.outbox.note_read(count == 0) {
            self.received.store(true, Relaxed);
            // The next checkpoint says so.
            self.dirty = true;
        }
        let start = Instant::now();
        self.arrivals.note(count, start.into_std());
        let Self { inbox, outbox, heartbeat, keepalive, .. } = self;
        let sorted = inbox.sort(|time| {
            heartbeat.note(time);
            // One answer is as good as many, as long as Kapacitor reads none of them.
            if outbox.unsent() < OUT_HIGH {
                outbox.put(ResponseMessage::Keepalive(KeepaliveResponse { time }));
            } else {
                *keepalive = Some(time);
            }
        });
        self.turn += start.elapsed();
        let dropped = self.backpressure.dropped(self.inbox.take_dropped(), &self.labels);
        if let Some(meter) = &self.meter {
            meter.set_queue_full(dropped);
            if self.worker.is_busy() {
                self.publish();
            }
        }
        let messages = sorted.map_err(|e| {
            let err = e.to_string();
            log_for!(error, self.labels, err, "connection closed: Kapacitor's bytes are no frames");
            io::Error::from(io::ErrorKind::InvalidData)
        })?;
        if count == 0 {
            let cut = self.inbox.is_cut();
            if cut {
                log_for!(error, self.labels, "connection closed: Kapacitor's input ends inside a message");
            }
            // Whole messages that came before are processed. Kapacitor has been cut off, and waits for no end.
            self.end_input(cut);
        }
        Ok(messages)
    }

    /// Kapacitor has taken some bytes.
    fn after_write(&mut self) {
        self.answer_keepalive();
        self.extend_drain();
        if let Some(meter) = &self.meter {
            meter.set_unsent(self.outbox.unsent());
        }
    }

    /// Kapacitor has closed its side, while nothing is read. What was sent before is still read.
    fn note_hang_up(&mut self, hang_up: HangUp) {
        self.ending.store(true, Relaxed);
        match hang_up {
            HangUp::Input => self.peer = Peer::HungUp,
            HangUp::Connection => self.lose(&io::ErrorKind::ConnectionReset.into()),
        }
    }

    /// Nobody reads the responses any more, as when kapacitord has died. The points that it has sent are still
    /// processed, within the time for the end of a session, so that the state has them.
    fn lose(&mut self, e: &io::Error) {
        if self.peer.is_lost() {
            return;
        }
        if self.link.writes_to_file() {
            log_for!(warn, self.labels, err = e.to_string(), "the answers can't be written");
        } else {
            // Kapacitor closes in the middle of things whenever a task is stopped.
            log_for!(debug, self.labels, err = e.to_string(), "connection lost");
        }
        self.outbox.lose();
        self.keepalive = None;
        self.ending.store(true, Relaxed);
        self.peer = Peer::Lost;
        if self.inbox.has_client_state() {
            // The client goes on from the state that it has, and sends this input again.
            self.inbox.clear();
        } else if self.drain.is_open() {
            self.peer = Peer::LostUnread;
        }
        if self.drain.is_open() {
            self.drain.begin(self.clock.total());
        }
    }

    /// Nothing more can be read.
    fn lose_input(&mut self, e: &io::Error) {
        self.lose(e);
        self.end_input(true);
    }

    /// Writes what Kapacitor takes, and reads all that it has written.
    fn tick(&mut self) -> io::Result<()> {
        let written = self.write_now();
        let (mut read, mut messages) = (0, 0);
        if !self.may_read()
            && self.peer == Peer::Open
            && let Some(hang_up) = self.link.hung_up_now()
        {
            self.note_hang_up(hang_up);
        }
        while read < MAX_GATHERED && self.may_read() {
            let space = self.inbox.space();
            let room = room_for_read(space);
            let count = match self.link.read_now(space) {
                Ok(Some(count)) => count,
                Ok(None) => break,
                Err(e) => {
                    self.lose_input(&e);
                    break;
                }
            };
            messages += self.take_in(count)?;
            read += count;
            if count < room {
                break;
            }
        }
        if self.link.was_nearly_full(read, messages) {
            self.gather.note_full();
        }
        self.gather.note_tick(read, messages, written);
        // What waits in the outbox when the messages of this tick are done goes out before the next tick.
        self.answer_due = true;
        Ok(())
    }

    /// Writes what Kapacitor takes without waiting; returns the number of bytes.
    fn write_now(&mut self) -> usize {
        let written = match self.outbox.write_now(&self.link) {
            Ok(written) => written,
            Err(e) => {
                self.lose(&e);
                0
            }
        };
        if written > 0 {
            self.after_write();
        }
        written
    }

    /// Writes what a slow Kapacitor takes, and has nobody wait for the connection; returns the number of bytes. Linux reports
    /// room in a socket only when it is nearly empty.
    fn write_unwatched(&mut self) -> io::Result<usize> {
        self.link.unwatch()?;
        Ok(self.write_now())
    }

    /// Answers the last keepalive that could not be answered before.
    fn answer_keepalive(&mut self) {
        if self.outbox.unsent() < OUT_HIGH
            && let Some(time) = self.keepalive.take()
        {
            self.outbox.put(ResponseMessage::Keepalive(KeepaliveResponse { time }));
        }
    }

    /// Nothing more is read: Kapacitor has ended its input, or the session is `leaving`.
    fn end_input(&mut self, leaving: bool) {
        self.leaving = leaving;
        if self.peer == Peer::LostUnread {
            self.peer = Peer::Lost;
        }
        self.ending.store(true, Relaxed);
        self.inbox.release_held();
        if self.drain.is_open() {
            self.drain.begin(self.clock.total());
        }
    }

    /// Sends a keepalive, unless the guest is far beyond its deadline.
    fn beat(&mut self) {
        self.backpressure.report(&self.labels);
        self.publish();
        if self.outbox.unsent() == 0 && !self.clock.is_overdue() {
            self.outbox.put(ResponseMessage::Keepalive(KeepaliveResponse::default()));
        }
    }

    fn report_given_up(&self) {
        let reason = if self.worker.is_busy() || self.drain.has_computed_too_long(self.clock.total()) {
            "the plugin still computes"
        } else {
            "Kapacitor does not read"
        };
        let unsent = self.outbox.unsent().to_string();
        log_for!(warn, self.labels, reason, unsent, "closed at sessions.drain-deadline");
    }

    /// Waits until the last answers are in the file or terminal that takes Kapacitor's place.
    async fn flush(&mut self) {
        let flushed = timeout(self.intervals.drain, self.link.flush());
        if let Err(e) = flushed.await.unwrap_or_else(|late| Err(late.into())) {
            log_for!(warn, self.labels, err = e.to_string(), "the answers can't be written");
        }
    }

    /// Ends the connection so that Kapacitor gets to read what was sent: a socket that is closed
    /// with unread input looks broken to the other side.
    async fn linger(&mut self) {
        let until = Instant::now() + LINGER;
        let mut discarded = BytesMut::with_capacity(4096);
        let _ = timeout_at(until, async {
            let _ = self.link.watch();
            let _ = self.link.shutdown().await;
            while !matches!(self.link.read(&mut discarded).await, Ok(0) | Err(_)) {
                discarded.clear();
            }
        })
        .await;
    }

    /// Writes the state of a task that was cut off. It waits for a running call, since a guest has a state only
    /// between two calls.
    async fn leave(&mut self) {
        self.ending.store(true, Relaxed);
        self.drain.leave(self.clock.total());
        while self.worker.is_busy() {
            let until = self.drain.deadline().unwrap_or_else(Instant::now);
            match timeout_at(until, self.worker.finished()).await {
                Ok(Some(finished)) => self.worker.rest(finished.executor),
                Err(_) if self.drain.may_go_on(self.clock.total()) => {}
                Ok(None) | Err(_) => break,
            }
        }
        self.worker.abort();
        if let Some(mut executor) = self.worker.take().filter(|executor| executor.has_task()) {
            // Also without a state to write there is memory to give back, which takes long if there is much.
            let leave = async move {
                executor.run(Work::Leave, &mut Reply::default()).await;
            };
            let _ = timeout(self.intervals.drain, self.compute.spawn(leave)).await;
        }
    }
}

/// Reads, or waits until Kapacitor has closed its side while nothing is read.
async fn next_input(link: &Link, inbox: &mut Inbox, reading: bool) -> Event {
    if reading {
        link.read(inbox.space()).await.map_or_else(Event::Unreadable, Event::Read)
    } else {
        Event::HungUp(link.hung_up().await)
    }
}

/// Waits until the host is to stop.
pub async fn stop(stopping: &mut watch::Receiver<bool>) {
    // The host owns the sender, so waiting can't fail before the host is gone.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
