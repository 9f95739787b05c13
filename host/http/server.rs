//! The thread that serves all addresses of `http.listen`.

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
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::{error, info};

use super::answer::Answers;
use super::host_header::Door;
use super::listener::{Listener, Stream};
use super::tap;
use crate::faults::keep_task;
use crate::metrics::NOTE_RATES;
use crate::shared::Shared;

/// Maximum number of connections to one address. More of them wait until one of these ends.
const MOST_CONNECTIONS: usize = 16;

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
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        // It is never closed.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let (answers, door) = (Arc::clone(&answers), listener.door());
        match listener.accept().await {
            Ok(stream) => drop(tokio::spawn(async move {
                serve(stream, answers, door).await;
                drop(permit);
            })),
            Err(_) => sleep(RETRY).await,
        }
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
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // A tap has a time of its own, after which its answer ends.
    for deadline in [CONNECTION_DEADLINE, tap::LONGEST] {
        if timeout(deadline, &mut connection).await.is_ok() || !is_tap.load(Relaxed) {
            return;
        }
    }
}
