//! One connection of Kapacitor, from accept to close.
//!
//! Reads, writes and answers keepalives while the executor does the work in order; none of the three
//! waits for another. At the end of the input what is pending is finished, within a deadline.

use std::future::{Future, poll_fn};
use std::io;
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::logging::{Labels, log_for};
use crate::protocol::{KeepaliveResponse, RequestMessage, ResponseMessage, put_response};
use crate::routing::Function;
use crate::sandbox::CallClock;
use crate::session::backpressure::{Backpressure, Stall};
use crate::session::executor::{Executor, Outcome, Work};
use crate::session::inbox::{Inbox, InboxItem, InboxLimits};
use crate::session::offload::{FinishedWork, RunningWork, finished};
use crate::shared::Shared;
use crate::state::Ending;

/// With so many bytes unsent the sandbox waits until Kapacitor has read some.
const OUT_HIGH: usize = 256 * 1024;

/// With so many bytes unsent nothing more is read: Kapacitor sends and does not read.
const OUT_FULL: usize = 8 * 1024 * 1024;

/// A buffer that grew beyond this is given back once it is empty.
const RETAINED_CAPACITY: usize = 1024 * 1024;

/// How often Kapacitor is told at least that the session is alive while the sandbox computes or input
/// waits.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How often before Kapacitor's timeout is known.
const FIRST_HEARTBEAT: Duration = Duration::from_millis(200);

/// How often at most.
const FASTEST_HEARTBEAT: Duration = Duration::from_millis(5);

/// A session without work for so long gives its buffers back.
const IDLE: Duration = Duration::from_secs(1);

/// Buffers that are not worth giving back.
const SMALL: usize = 8 * 1024;

/// How long the host reads on after it has said all, so that Kapacitor gets to read it.
const LINGER: Duration = Duration::from_millis(250);

/// Where Kapacitor's requests come from.
pub type Reader = Box<dyn AsyncRead + Send + Unpin>;

/// Where Kapacitor's responses go.
pub type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// One connection.
pub struct Session {
    reader: Reader,
    writer: Writer,
    inbox: Inbox,
    /// Whole frames; the first `sent` bytes are gone.
    outbox: Vec<u8>,
    sent: usize,
    /// An empty buffer for the next job's output.
    spare: Vec<u8>,
    /// Resting while it works. In a box, since it goes into each job and comes back.
    executor: Option<Box<Executor>>,
    job: Option<RunningWork>,
    /// Whether the last job was long, so that the next one had better not begin here.
    slow: bool,
    compute: Handle,
    stage: Stage,
    /// Since when the job runs, and how long jobs ran after the end of the input.
    job_since: Instant,
    drained: Duration,
    /// Whose log lines these are, as the executor knew it last.
    labels: Arc<Labels>,
    drain: Duration,
    snapshot_deadline: Duration,
    checkpoint_interval: Duration,
    /// Whether there is a state that was not kept yet, and when it is to be.
    dirty: bool,
    checkpoint_due: Option<Instant>,
    /// Set when nothing more is read.
    ending: Ending,
    /// Whether the host stops.
    stopping: watch::Receiver<bool>,
    /// Whether the session ends although the task might go on.
    leaving: bool,
    /// Measures the calls into the guest.
    clock: Arc<CallClock>,
    /// When Kapacitor's last keepalive was sent, by its own clock, in nanoseconds.
    keepalive: Option<i64>,
    opened: Instant,
    heartbeat: Duration,
    backpressure: Backpressure,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Kapacitor may send more.
    Open,
    /// It will not; what is pending is finished until then.
    Draining(Instant),
    /// All is said; what is unsent goes out until then.
    Closing(Instant),
}

impl Session {
    /// A connection to `function`.
    pub fn new(shared: Arc<Shared>, function: Arc<Function>, reader: Reader, writer: Writer) -> Self {
        let limits = shared.config.sessions;
        let checkpoint_interval = shared.config.state.checkpoint_interval.0;
        let stopping = shared.stopping();
        let compute = shared.compute().clone();
        let on_full = function.policy.on_full;
        let room = InboxLimits { message: limits.message, queue: limits.queue, on_full };
        let executor = Box::new(Executor::new(shared, function));
        let ending = Arc::clone(&executor.ending);
        Self {
            reader,
            writer,
            inbox: Inbox::new(room),
            clock: Arc::clone(&executor.clock),
            keepalive: None,
            opened: Instant::now(),
            heartbeat: FIRST_HEARTBEAT,
            backpressure: Backpressure::default(),
            outbox: Vec::new(),
            sent: 0,
            spare: Vec::new(),
            labels: Arc::clone(&executor.labels),
            executor: Some(executor),
            job: None,
            slow: false,
            compute,
            stage: Stage::Open,
            job_since: Instant::now(),
            drained: Duration::ZERO,
            drain: limits.drain_deadline.0,
            snapshot_deadline: limits.snapshot_deadline.0,
            checkpoint_interval,
            dirty: false,
            checkpoint_due: None,
            ending,
            stopping,
            leaving: false,
        }
    }

    /// Serves the connection until it ends. What goes wrong is logged.
    pub async fn run(mut self) {
        match self.serve().await {
            Ok(()) => self.linger().await,
            Err(e) => {
                // Kapacitor closes in the middle of things whenever a task is stopped.
                log_for!(debug, self.labels, err = e.to_string(), "connection lost");
            }
        }
        self.leave().await;
        self.backpressure.end(&self.labels);
    }

    /// Keeps the state of a task that did not come to its end. A call that is under way may end, since only
    /// then there is a state.
    async fn leave(&mut self) {
        self.ending.store(true, Relaxed);
        let until = Instant::now() + self.drain;
        if self.job.is_some()
            && let Ok((Some(done), _)) = timeout_at(until, finished(&mut self.job)).await
        {
            self.executor = Some(done.executor);
        }
        self.job = None;
        if let Some(mut executor) = self.executor.take().filter(|executor| executor.is_dirty()) {
            let leave = async move {
                executor.run(Work::Leave, &mut Vec::new()).await;
            };
            let _ = timeout_at(until, self.compute.spawn(leave)).await;
        }
    }

    async fn serve(&mut self) -> io::Result<()> {
        let mut snapshot_due = None;
        let mut heartbeat = None;
        let mut idle = None;
        loop {
            self.start_job();
            let unsent = self.outbox.len() - self.sent;
            let open = self.stage == Stage::Open;
            // Where input may be dropped, Kapacitor need not wait for what it does not read.
            let reading = open && self.inbox.has_room() && (unsent < OUT_FULL || self.inbox.may_drop());
            if unsent == 0 && self.job.is_none() && matches!(self.stage, Stage::Closing(_)) {
                return Ok(());
            }
            let deadline = match self.stage {
                Stage::Open => None,
                Stage::Draining(at) | Stage::Closing(at) => Some(at),
            };
            let busy = self.job.is_some() || (open && !reading);
            set_while(busy, &mut heartbeat, self.heartbeat);
            self.backpressure.set_stalled_on(
                if unsent >= OUT_HIGH {
                    Some(Stall::Kapacitor)
                } else if self.job.is_some() && !self.inbox.is_empty() {
                    Some(Stall::Plugin)
                } else {
                    None
                },
                open && !reading,
            );
            set_while(self.inbox.holds_snapshot(), &mut snapshot_due, self.snapshot_deadline);
            let keeping = self.dirty && open && !self.checkpoint_interval.is_zero();
            set_while(keeping, &mut self.checkpoint_due, self.checkpoint_interval);
            let at_rest = open && unsent == 0 && self.job.is_none() && self.inbox.is_empty();
            set_while(at_rest && self.has_buffers(), &mut idle, IDLE);
            // While there is work, it comes before the next piece of it.
            let checkpoint_due =
                self.checkpoint_due.filter(|_| self.job.is_none() && self.executor.is_some());
            let Self { reader, writer, inbox, outbox, sent, job, stopping, .. } = &mut *self;
            tokio::select! {
                biased;
                done = finished(job), if job.is_some() => self.finish_job(done).await?,
                written = writer.write(&outbox[*sent..]), if unsent > 0 => {
                    let written = written?;
                    if written == 0 {
                        return Err(io::ErrorKind::WriteZero.into());
                    }
                    self.advance(written);
                }
                read = reader.read_buf(inbox.space()), if reading => {
                    if !self.sort(read?) {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                }
                () = until(deadline), if deadline.is_some() => {
                    self.give_up();
                    return Ok(());
                }
                () = until(idle), if idle.is_some() => self.shrink(),
                () = until(snapshot_due), if snapshot_due.is_some() => self.inbox.hurry_snapshots(),
                () = until(checkpoint_due), if checkpoint_due.is_some() => self.start_checkpoint(),
                () = stop(stopping), if open => self.end(true),
                () = until(heartbeat), if heartbeat.is_some() => {
                    self.beat();
                    heartbeat = None;
                }
            }
        }
    }

    /// Whether there are buffers to be given back.
    fn has_buffers(&self) -> bool {
        self.outbox.capacity() + self.spare.capacity() + self.inbox.capacity() > SMALL
    }

    /// Gives the buffers back.
    fn shrink(&mut self) {
        self.outbox = Vec::new();
        self.spare = Vec::new();
        self.inbox.shrink();
    }

    /// Begins the next piece of work, if there is one and nothing hinders it.
    fn start_job(&mut self) {
        if self.job.is_some() || self.outbox.len() - self.sent >= OUT_HIGH {
            return;
        }
        if self.stage == Stage::Open && self.checkpoint_due.is_some_and(|due| due <= Instant::now()) {
            self.start_checkpoint();
            return;
        }
        let work = match (self.inbox.take(), self.stage) {
            (_, Stage::Closing(_)) => return,
            (Some(item), _) => Work::InboxItem(item),
            (None, Stage::Draining(_)) => {
                if self.leaving {
                    Work::Leave
                } else {
                    Work::Finish
                }
            }
            (None, Stage::Open) => return,
        };
        self.start(work);
    }

    fn start_checkpoint(&mut self) {
        self.checkpoint_due = None;
        self.start(Work::Checkpoint);
    }

    fn start(&mut self, work: Work) {
        // Saving and loading memory takes long without ever computing in the guest.
        let long = match &work {
            Work::InboxItem(InboxItem::Request(request)) => {
                matches!(**request, RequestMessage::Snapshot(_) | RequestMessage::Restore(_))
            }
            Work::InboxItem(InboxItem::Run(_)) => false,
            Work::Finish | Work::Checkpoint | Work::Leave => self.dirty,
        };
        if matches!(self.stage, Stage::Draining(_)) {
            self.job_since = Instant::now();
        }
        if let Some(executor) = self.executor.take() {
            let out = mem::take(&mut self.spare);
            self.job = Some(RunningWork::start(executor, work, out, &self.compute, self.slow || long));
        }
    }

    async fn finish_job(&mut self, (done, slow): (Option<FinishedWork>, bool)) -> io::Result<()> {
        self.job = None;
        self.slow = slow;
        if matches!(self.stage, Stage::Draining(_)) {
            self.drained += self.job_since.elapsed();
            if self.drained > self.drain {
                // Kapacitor's slow reading has moved the deadline, and the plugin has used it up.
                self.stage = Stage::Draining(Instant::now());
            }
        }
        let Some(FinishedWork { mut executor, mut out, outcome }) = done else {
            // The task of the runtime panicked; its message is on stderr.
            log_for!(error, self.labels, "the session is lost to a fault of the host");
            self.close();
            return Ok(());
        };
        // What is gone makes room, or a Kapacitor that always lags a little would cost ever more.
        self.outbox.drain(..mem::take(&mut self.sent));
        let mut written = Ok(0);
        match executor.take_output() {
            Some(output) if self.outbox.is_empty() && out.is_empty() => {
                // Straight from the guest's memory, as far as Kapacitor takes it now.
                written = write_now(&mut self.writer, output).await;
                self.outbox.extend_from_slice(&output[*written.as_ref().unwrap_or(&0)..]);
            }
            Some(output) => out.extend_from_slice(output),
            None => {}
        }
        self.labels = Arc::clone(&executor.labels);
        self.dirty = executor.is_dirty();
        self.executor = Some(executor);
        if self.outbox.is_empty() {
            mem::swap(&mut self.outbox, &mut out);
        } else {
            self.outbox.extend_from_slice(&out);
        }
        self.spare = out;
        self.spare.clear();
        give_back(&mut self.spare);
        if outcome == Outcome::Close {
            self.close();
        }
        if written? > 0 && matches!(self.stage, Stage::Closing(_)) {
            // Before that, the plugin may be what is waited for next.
            self.wait_on();
        }
        Ok(())
    }

    /// Kapacitor reads, if slowly: it is waited for once more, unless the plugin is what is waited for.
    fn wait_on(&mut self) {
        if self.job.is_none() && self.drained <= self.drain {
            match &mut self.stage {
                Stage::Open => {}
                Stage::Draining(at) | Stage::Closing(at) => *at = Instant::now() + self.drain,
            }
        }
    }

    fn advance(&mut self, written: usize) {
        self.sent += written;
        self.wait_on();
        if self.sent == self.outbox.len() {
            self.sent = 0;
            self.outbox.clear();
            give_back(&mut self.outbox);
        }
    }

    /// Takes in what was read. False if it ends the session without a word.
    fn sort(&mut self, read: usize) -> bool {
        let Self { inbox, outbox, keepalive, heartbeat, opened, .. } = self;
        let sorted = inbox.sort(|time| {
            put_response(ResponseMessage::Keepalive(KeepaliveResponse { time }), outbox);
            // Kapacitor sends one each half of its timeout, the first one so long after it connected.
            let interval = match keepalive.replace(time) {
                Some(last) => Duration::from_nanos(u64::try_from(time.saturating_sub(last)).unwrap_or(0)),
                None => opened.elapsed(),
            };
            if !interval.is_zero() {
                *heartbeat = (interval / 2).clamp(FASTEST_HEARTBEAT, HEARTBEAT);
            }
        });
        self.backpressure.dropped(self.inbox.take_dropped(), &self.labels);
        if let Err(e) = sorted {
            log_for!(
                error,
                self.labels,
                err = e.to_string(),
                "connection closed: Kapacitor's bytes are no frames"
            );
            return false;
        }
        if read == 0 {
            if self.inbox.is_cut() {
                log_for!(error, self.labels, "connection closed: Kapacitor's input ends inside a message");
                return false;
            }
            self.end(false);
        }
        true
    }

    /// Nothing more is read: Kapacitor has ended its input, or the session is `leaving`.
    fn end(&mut self, leaving: bool) {
        self.leaving = leaving;
        self.ending.store(true, Relaxed);
        self.inbox.release_held();
        self.job_since = Instant::now();
        self.stage = Stage::Draining(Instant::now() + self.drain);
    }

    /// A sign of life, unless the guest should have given up long ago.
    fn beat(&mut self) {
        self.backpressure.report(&self.labels);
        if self.sent < self.outbox.len() || self.clock.is_overdue() {
            return;
        }
        let response = ResponseMessage::Keepalive(KeepaliveResponse::default());
        put_response(response, &mut self.outbox);
    }

    fn close(&mut self) {
        let at = match self.stage {
            Stage::Open => Instant::now() + self.drain,
            Stage::Draining(at) | Stage::Closing(at) => at,
        };
        self.stage = Stage::Closing(at);
    }

    fn give_up(&mut self) {
        let what = if self.job.is_some() || self.drained > self.drain {
            "the plugin still computes"
        } else {
            "Kapacitor does not read"
        };
        let unsent = (self.outbox.len() - self.sent).to_string();
        log_for!(warn, self.labels, reason = what, unsent, "closed at sessions.drain-deadline");
    }

    /// Ends the connection so that Kapacitor gets to read what was sent: a socket that is closed
    /// with unread input looks broken to the other side.
    async fn linger(&mut self) {
        let until = Instant::now() + LINGER;
        let mut scrap = vec![0; 4096];
        let _ = timeout_at(until, async {
            let _ = self.writer.shutdown().await;
            while !matches!(self.reader.read(&mut scrap).await, Ok(0) | Err(_)) {}
        })
        .await;
    }
}

/// Writes as much as is taken without waiting.
async fn write_now(writer: &mut Writer, bytes: &[u8]) -> io::Result<usize> {
    let mut write = pin!(writer.write(bytes));
    match poll_fn(|cx| Poll::Ready(write.as_mut().poll(cx))).await {
        Poll::Ready(Ok(0)) if !bytes.is_empty() => Err(io::ErrorKind::WriteZero.into()),
        Poll::Ready(written) => written,
        Poll::Pending => Ok(0),
    }
}

/// Frees an empty buffer that grew large.
fn give_back(buffer: &mut Vec<u8>) {
    if buffer.capacity() > RETAINED_CAPACITY {
        *buffer = Vec::new();
    }
}

/// Sets a time that begins to run out when `condition` comes to hold.
fn set_while(condition: bool, time: &mut Option<Instant>, span: Duration) {
    if !condition {
        *time = None;
    } else if time.is_none() {
        *time = Some(Instant::now() + span);
    }
}

/// Waits until the host is to stop.
pub(crate) async fn stop(stopping: &mut watch::Receiver<bool>) {
    // The sender is the host's.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn until(at: Option<Instant>) {
    if let Some(at) = at {
        sleep_until(at).await;
    }
}
