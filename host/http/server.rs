//! The thread that serves all addresses of `http.listen`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::Either;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout, timeout_at};
use tracing::{error, info};

use super::answer::Answers;
use super::host_header::Door;
use super::listener::{Listener, Stream};
use super::tap;
use crate::faults::keep_task;
use crate::metrics::NOTE_RATES;
use crate::shared::Shared;

/// Maximum number of connections to one address. The oldest one makes room for one more, so that no client keeps others
/// out, however slow it is or whatever it asks for.
const MOST_CONNECTIONS: usize = 16;

/// Age at which a connection may have to make room. A request takes much less, and one more connection waits no longer
/// than this: a flood that fills the system's queue of them delays others by seconds, and not until they give up.
const SERVED: Duration = Duration::from_millis(100);

/// Maximum time that the head of a request takes to come, and that a connection is kept without one.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// Maximum time for which a connection is kept, however many requests it has: a client that reads slowly holds an
/// answer.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(60);

/// Maximum size of the head of a request in bytes, and of its headers in number.
const MOST_HEAD: usize = 16 * 1024;
const MOST_HEADERS: usize = 64;

/// Interval after which a connection is accepted again, where the system has refused it.
const RETRY: Duration = Duration::from_millis(100);

/// Serves all addresses of `http.listen` until it is dropped.
pub struct Server(Option<Runtime>);

impl Server {
    /// Serves the addresses of `udf.toml`. An address that can't be had is logged: tasks go on without it.
    ///
    /// # Errors
    ///
    /// When the thread can't start.
    pub fn start(shared: &Arc<Shared>) -> Result<Self> {
        let config = shared.config();
        if config.http.listen.is_empty() {
            return Ok(Self(None));
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("http")
            .enable_all()
            .build()
            .context("the thread for HTTP can't start")?;
        let entered = runtime.enter();
        let answers = Arc::new(Answers::new(shared));
        let noted = Arc::clone(shared);
        runtime.spawn(keep_task(move || note_rates(Arc::clone(&noted))));
        for address in &config.http.listen {
            match Listener::bind(address, &config) {
                Ok(listener) => {
                    info!(address = listener.shown(), "answers over HTTP");
                    let (answers, listener) = (Arc::clone(&answers), Arc::new(listener));
                    runtime.spawn(keep_task(move || accept(Arc::clone(&answers), Arc::clone(&listener))));
                }
                Err(e) => error!(err = format!("{e:#}"), "no answers over HTTP at an address of http.listen"),
            }
        }
        drop(entered);
        Ok(Self(Some(runtime)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // The sockets' files go away with the tasks.
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

/// Notes the rates of the tasks for ever.
async fn note_rates(shared: Arc<Shared>) {
    let mut interval = interval(NOTE_RATES);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        shared.board().note_rates();
    }
}

/// Accepts connections for ever.
async fn accept(answers: Arc<Answers>, listener: Arc<Listener>) {
    let mut open = Connections::default();
    loop {
        match listener.accept().await {
            Ok(stream) => {
                open.make_room().await;
                open.add(tokio::spawn(serve(stream, Arc::clone(&answers), listener.door())));
            }
            Err(_) => sleep(RETRY).await,
        }
    }
}

/// The connections to one address, the oldest first.
#[derive(Default)]
struct Connections(VecDeque<(Instant, JoinHandle<()>)>);

impl Connections {
    /// Waits until there is room for one more. The oldest one is closed if there is none else.
    async fn make_room(&mut self) {
        self.0.retain(|(_, connection)| !connection.is_finished());
        if self.0.len() >= MOST_CONNECTIONS
            && let Some((since, mut oldest)) = self.0.pop_front()
            && timeout_at(since + SERVED, &mut oldest).await.is_err()
        {
            oldest.abort();
            // Its memory is free when it has ended.
            let _ = oldest.await;
        }
    }

    fn add(&mut self, connection: JoinHandle<()>) {
        self.0.push_back((Instant::now(), connection));
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.0.iter().for_each(|(_, connection)| connection.abort());
    }
}

/// Serves one connection. What goes wrong concerns its client only.
async fn serve(stream: Box<dyn Stream>, answers: Arc<Answers>, door: Door) {
    let is_tap = AtomicBool::new(false);
    let service = service_fn(|request: Request<_>| {
        let response = if request.uri().path() == tap::PATH {
            let response = tap::answer(answers.shared(), door, &request);
            is_tap.store(response.status() == StatusCode::OK, Relaxed);
            response.map(Either::Right)
        } else {
            answers.to(door, &request).map(Either::Left)
        };
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(MOST_HEAD)
        .max_headers(MOST_HEADERS)
        // A client that has closed its side still reads.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // A tap has a time of its own, after which its answer ends.
    for deadline in [CONNECTION_DEADLINE, tap::LONGEST] {
        if timeout(deadline, &mut connection).await.is_ok() || !is_tap.load(Relaxed) {
            return;
        }
    }
}
