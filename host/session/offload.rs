//! Where a session's work is done: on the session's own thread, or where it is in nobody's way.

use std::future::{Future, pending, poll_fn};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::sandbox::TICK;
use crate::session::executor::{Executor, Outcome, Work};

/// A piece of work that is done.
pub(crate) struct FinishedWork {
    pub executor: Box<Executor>,
    /// What Kapacitor gets for it, less [`Executor::take_output`].
    pub out: Vec<u8>,
    pub outcome: Outcome,
}

/// A piece of work under way.
///
/// It begins on the session's own thread, where most are done at the first poll. One that is not is
/// a guest that computes for longer than a tick: it moves to the threads for guests, and the ones
/// that serve connections stay free.
pub(crate) enum RunningWork {
    Inline(WorkFuture, Handle),
    Offloaded(JoinHandle<FinishedWork>, Instant),
}

type WorkFuture = Pin<Box<dyn Future<Output = FinishedWork> + Send>>;

impl RunningWork {
    /// Begins to do `work`, with `out` as room for what Kapacitor gets; on the threads of `compute` if it will be
    /// `slow`.
    pub fn start(
        mut executor: Box<Executor>,
        work: Work,
        mut out: Vec<u8>,
        compute: &Handle,
        slow: bool,
    ) -> Self {
        let future = Box::pin(async move {
            let outcome = executor.run(work, &mut out).await;
            FinishedWork { executor, out, outcome }
        });
        if slow { Self::offload(future, compute) } else { Self::Inline(future, compute.clone()) }
    }

    fn offload(future: WorkFuture, compute: &Handle) -> Self {
        Self::Offloaded(compute.spawn(future), Instant::now())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Option<FinishedWork>, bool)> {
        if let Self::Inline(future, compute) = self {
            let start = Instant::now();
            if let Poll::Ready(done) = future.as_mut().poll(cx) {
                return Poll::Ready((Some(done), start.elapsed() > TICK));
            }
            let future = mem::replace(future, Box::pin(pending()));
            *self = Self::offload(future, &compute.clone());
        }
        match self {
            Self::Offloaded(handle, since) => {
                let slow = since.elapsed() > TICK;
                Pin::new(handle).poll(cx).map(|done| (done.ok(), slow))
            }
            Self::Inline(..) => Poll::Pending,
        }
    }
}

impl Drop for RunningWork {
    fn drop(&mut self) {
        if let Self::Offloaded(handle, _) = self {
            handle.abort();
        }
    }
}

/// Waits for the end of a job: what it has done, unless it panicked, and whether it took long.
pub(crate) async fn finished(job: &mut Option<RunningWork>) -> (Option<FinishedWork>, bool) {
    match job {
        Some(job) => poll_fn(|cx| job.poll(cx)).await,
        None => pending().await,
    }
}
