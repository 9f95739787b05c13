//! Where a session's work is done: on the session's own thread, or on the threads for guests.
//!
//! Work begins on the session's own thread, where most is done at the first poll. Work that is not is a guest
//! that computes for longer than a tick: it moves to the threads for guests, and the ones that serve connections
//! stay free.

use std::future::{pending, poll_fn};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::executor::{Executor, Outcome, Work};
use crate::sandbox::TICK;
use crate::task::Reply;

/// A piece of work that is done.
pub struct FinishedWork {
    /// The executor, ready for the next piece.
    pub executor: Box<Executor>,
    /// What Kapacitor gets for it.
    pub reply: Reply,
    /// Whether the session goes on.
    pub outcome: Outcome,
}

type WorkFuture = Pin<Box<dyn Future<Output = FinishedWork> + Send>>;

/// The executor of a session, resting or at work.
pub struct Worker {
    state: State,
    /// Whether the last work was long, so that the next had better not begin on the session's thread.
    slow: bool,
    /// How long the last work has taken on the session's own thread.
    inline: Duration,
    compute: Handle,
}

enum State {
    /// The executor rests. In a box, since it goes into each piece of work and comes back.
    Idle(Box<Executor>),
    /// Work is done on the session's own thread.
    Inline(WorkFuture),
    /// Work is done on the threads for guests, since this time.
    Offloaded(JoinHandle<FinishedWork>, Instant),
    /// The executor was lost with work that panicked, or has left.
    Lost,
}

impl Worker {
    /// A worker whose long work is done on the threads of `compute`.
    pub fn new(executor: Box<Executor>, compute: Handle) -> Self {
        Self { state: State::Idle(executor), slow: false, inline: Duration::ZERO, compute }
    }

    /// Whether work is under way.
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Inline(_) | State::Offloaded(..))
    }

    /// Whether the executor rests.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle(_))
    }

    /// Begins to do `work`, with `buffer` as capacity for the reply; on the threads for guests if it will be
    /// `long`. Does nothing unless the executor rests.
    pub fn start(&mut self, work: Work, buffer: Vec<u8>, long: bool) {
        let Some(mut executor) = self.take() else { return };
        let future = Box::pin(async move {
            let mut reply = Reply::with_buffer(buffer);
            let outcome = executor.run(work, &mut reply).await;
            FinishedWork { executor, reply, outcome }
        });
        self.state = if self.slow || long { self.offload(future) } else { State::Inline(future) };
    }

    /// How long the last work has taken on the session's own thread, the first time that this is called.
    pub fn take_inline(&mut self) -> Duration {
        mem::take(&mut self.inline)
    }

    /// Lets `executor` rest again.
    pub fn rest(&mut self, executor: Box<Executor>) {
        self.state = State::Idle(executor);
    }

    /// Takes the executor out, if it rests.
    pub fn take(&mut self) -> Option<Box<Executor>> {
        match mem::replace(&mut self.state, State::Lost) {
            State::Idle(executor) => Some(executor),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Gives up the work that is under way.
    pub fn abort(&mut self) {
        if let State::Offloaded(handle, _) = &self.state {
            handle.abort();
        }
        if self.is_busy() {
            self.state = State::Lost;
        }
    }

    /// Waits until the work that is under way is done, for ever if there is none. `None` if it panicked.
    pub async fn finished(&mut self) -> Option<FinishedWork> {
        if !self.is_busy() {
            return pending().await;
        }
        let finished = poll_fn(|cx| self.poll(cx)).await;
        self.state = State::Lost;
        finished
    }

    fn offload(&self, future: WorkFuture) -> State {
        State::Offloaded(self.compute.spawn(future), Instant::now())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<FinishedWork>> {
        if let State::Inline(future) = &mut self.state {
            let start = Instant::now();
            if let Poll::Ready(finished) = future.as_mut().poll(cx) {
                self.inline = start.elapsed();
                self.slow = self.inline > TICK;
                return Poll::Ready(Some(finished));
            }
            let future = mem::replace(future, Box::pin(pending()));
            self.state = self.offload(future);
        }
        match &mut self.state {
            State::Offloaded(handle, since) => {
                let slow = since.elapsed() > TICK;
                let polled = Pin::new(handle).poll(cx);
                if polled.is_ready() {
                    self.slow = slow;
                }
                polled.map(Result::ok)
            }
            State::Idle(_) | State::Inline(_) | State::Lost => Poll::Pending,
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.abort();
    }
}
