//! The threads that touch the disk for sessions.
//!
//! A disk may hang for minutes, as a network file system does whose server is gone. So no thread that serves
//! connections or guests opens, reads or writes a file of the state folder: the few threads here do, and what
//! waits for them is bounded. A session that needs an answer waits for it as for a timer, for [`PATIENCE`] at
//! most.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::faults::{caught, keep};

/// Maximum time that a session waits for the disk.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Maximum time that a session waits for a disk that has not answered for [`PATIENCE`].
const LITTLE_PATIENCE: Duration = Duration::from_millis(250);

/// Time after which a thread without work ends.
const REST: Duration = Duration::from_secs(10);

/// Maximum number of pieces of work that wait for one kind of threads.
const MOST_WAITING: usize = 65_536;

/// Maximum size in bytes of all states that wait for the disk.
pub const MOST_BYTES: usize = 256 << 20;

/// Size in bytes that a state of no length counts for: what it takes beside its bytes.
const OVERHEAD: usize = 1024;

/// Why the disk gives no answer.
#[derive(Debug, Error)]
pub enum DiskError {
    /// It was asked, and is still silent.
    #[error("the disk of state-dir does not answer")]
    Hangs,
    /// Too much waits for it.
    #[error("too much waits for the disk of state-dir")]
    Full,
    /// It can't be asked.
    #[error("there is no thread for the disk: {0}")]
    Thread(io::Error),
    /// The work panicked.
    #[error("a fault of the host")]
    Fault,
}

/// All threads that touch the disk.
#[derive(Debug)]
pub struct Disk {
    /// Reads what a session waits for.
    pub reads: Lane,
    /// Writes states.
    pub writes: Lane,
    /// Writes what is only for people to read.
    pub records: Lane,
    bytes: Arc<AtomicUsize>,
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            reads: Lane::new("state-read", 2),
            writes: Lane::new("state-write", 4),
            records: Lane::new("record-write", 1),
            bytes: Arc::default(),
        }
    }
}

impl Disk {
    /// Room for `length` bytes that are to wait for the disk, if there is any. What is larger than all of the room
    /// waits alone.
    pub fn reserve(&self, length: usize) -> Option<Reservation> {
        let length = length.saturating_add(OVERHEAD).min(MOST_BYTES);
        let more = |used: usize| used.checked_add(length).filter(|sum| *sum <= MOST_BYTES);
        self.bytes.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Reservation { bytes: Arc::clone(&self.bytes), length })
    }

    /// Whether there is room for more.
    pub fn has_room(&self) -> bool {
        self.bytes.load(Relaxed) < MOST_BYTES / 2
    }

    /// Returns once nothing waits for the disk, and nothing is under way.
    #[cfg(test)]
    pub async fn idle(&self) {
        for lane in [&self.reads, &self.writes, &self.records] {
            lane.idle().await;
        }
    }

    /// Returns once nothing waits for the disk and nothing is under way, or when the disk has not answered for
    /// [`PATIENCE`].
    pub async fn settled(&self) {
        for lane in [&self.writes, &self.records] {
            while timeout(PATIENCE / 10, lane.idle()).await.is_err() && !lane.is_silent() {}
        }
    }

    /// What is written or waits to be written, in the order in which it came.
    pub fn unwritten(&self) -> Vec<String> {
        let mut unwritten = self.writes.pending();
        unwritten.extend(self.records.pending());
        unwritten
    }
}

/// Room for bytes that wait for the disk, until this is dropped.
#[derive(Debug)]
pub struct Reservation {
    bytes: Arc<AtomicUsize>,
    length: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.bytes.fetch_sub(self.length, Relaxed);
    }
}

/// A few threads for one kind of work, which is begun in the order in which it came.
#[derive(Clone, Debug)]
pub struct Lane(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: &'static str,
    most_threads: usize,
    queue: Mutex<Queue>,
    arrived: Condvar,
    /// Number of pieces of work that wait or are under way.
    pending: watch::Sender<usize>,
}

#[derive(Debug)]
struct Queue {
    waiting: VecDeque<Job>,
    /// What is under way, by its number.
    running: BTreeMap<u64, String>,
    next: u64,
    threads: usize,
    resting: usize,
    /// When work last ended or, before that, began.
    progress: Instant,
}

struct Job {
    what: String,
    work: Box<dyn FnOnce() + Send>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl Lane {
    fn new(name: &'static str, most_threads: usize) -> Self {
        let queue = Queue {
            waiting: VecDeque::new(),
            running: BTreeMap::new(),
            next: 0,
            threads: 0,
            resting: 0,
            progress: Instant::now(),
        };
        Self(Arc::new(Inner {
            name,
            most_threads,
            queue: Mutex::new(queue),
            arrived: Condvar::new(),
            pending: watch::Sender::new(0),
        }))
    }

    /// Has a thread do `work`; `what` says in the log what it is. The result comes to the receiver.
    ///
    /// # Errors
    ///
    /// When too much waits already, or there can be no thread.
    pub fn submit<T: Send + 'static>(
        &self,
        what: impl Into<String>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, DiskError> {
        let (sender, receiver) = oneshot::channel();
        let job = Job {
            what: what.into(),
            work: Box::new(move || {
                let _ = sender.send(work());
            }),
        };
        let mut queue = self.0.lock();
        if queue.waiting.len() >= MOST_WAITING {
            return Err(DiskError::Full);
        }
        if queue.resting <= queue.waiting.len() && queue.threads < self.0.most_threads {
            let inner = Arc::clone(&self.0);
            let started =
                thread::Builder::new().name(self.0.name.to_owned()).spawn(move || keep(|| inner.serve()));
            match started {
                Ok(_) => queue.threads += 1,
                Err(e) if queue.threads == 0 => return Err(DiskError::Thread(e)),
                // Another one will do it.
                Err(_) => {}
            }
        }
        if queue.waiting.is_empty() && queue.running.is_empty() {
            queue.progress = Instant::now();
        }
        queue.waiting.push_back(job);
        self.0.pending.send_modify(|pending| *pending += 1);
        drop(queue);
        self.0.arrived.notify_one();
        Ok(receiver)
    }

    /// Has a thread do `work`, and waits for the result; for [`PATIENCE`] at most, and hardly at all if the disk has
    /// been silent for as long already.
    ///
    /// # Errors
    ///
    /// When there is no result.
    pub async fn ask<T: Send + 'static>(
        &self,
        what: impl Into<String>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, DiskError> {
        let patience = self.patience().ok_or(DiskError::Hangs)?;
        match timeout(patience, self.submit(what, work)?).await {
            Ok(result) => result.map_err(|_| DiskError::Fault),
            Err(_) => Err(DiskError::Hangs),
        }
    }

    /// As [`Lane::ask`], for a thread that serves no session yet and may wait.
    ///
    /// # Errors
    ///
    /// When there is no result.
    pub fn ask_blocking<T: Send + 'static>(
        &self,
        what: impl Into<String>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, DiskError> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        self.submit(what, move || {
            let _ = sender.send(work());
        })?;
        receiver.recv_timeout(PATIENCE).map_err(|e| match e {
            RecvTimeoutError::Timeout => DiskError::Hangs,
            RecvTimeoutError::Disconnected => DiskError::Fault,
        })
    }

    /// How long a session waits for an answer. `None` if all threads wait for a disk that does not answer.
    pub fn patience(&self) -> Option<Duration> {
        if !self.is_silent() {
            return Some(PATIENCE);
        }
        let queue = self.0.lock();
        if queue.running.len() < self.0.most_threads {
            // Perhaps it is one file that hangs.
            Some(LITTLE_PATIENCE)
        } else {
            None
        }
    }

    /// Whether no work has ended for [`PATIENCE`], although some is under way.
    fn is_silent(&self) -> bool {
        let queue = self.0.lock();
        !queue.running.is_empty() && queue.progress.elapsed() >= PATIENCE
    }

    async fn idle(&self) {
        // The sender lives as long as this lane, so waiting can't fail.
        let _ = self.0.pending.subscribe().wait_for(|pending| *pending == 0).await;
    }

    fn pending(&self) -> Vec<String> {
        let queue = self.0.lock();
        queue.running.values().cloned().chain(queue.waiting.iter().map(|job| job.what.clone())).collect()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One thread: does what comes, and ends when nothing has come for a while.
    fn serve(&self) {
        let mut queue = self.lock();
        loop {
            let Some(Job { what, work }) = queue.waiting.pop_front() else {
                queue.resting += 1;
                let (woken, rest) =
                    self.arrived.wait_timeout(queue, REST).unwrap_or_else(PoisonError::into_inner);
                queue = woken;
                queue.resting -= 1;
                if rest.timed_out() && queue.waiting.is_empty() {
                    queue.threads -= 1;
                    return;
                }
                continue;
            };
            let number = queue.next;
            queue.next += 1;
            queue.running.insert(number, what);
            drop(queue);
            // Whoever waits for the result of work that panics is told.
            let _ = caught(work);
            queue = self.lock();
            queue.running.remove(&number);
            queue.progress = Instant::now();
            self.pending.send_modify(|pending| *pending -= 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn work_is_done_by_a_bounded_number_of_threads() {
        let lane = Lane::new("test", 2);
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        for i in 0..20 {
            let gate = Arc::clone(&gate);
            lane.submit(format!("work {i}"), move || gate.lock().unwrap().recv().unwrap()).unwrap();
        }
        assert_eq!(lane.pending().len(), 20);
        assert!(lane.0.lock().threads <= 2);
        (0..20).for_each(|_| open.send(()).unwrap());
        block_on(lane.idle());
        assert_eq!(lane.pending(), Vec::<String>::new());
        assert_eq!(block_on(lane.ask("sum", || 1 + 1)).unwrap(), 2);
    }

    #[test]
    fn work_that_panics_is_reported_and_others_go_on() {
        let lane = Lane::new("test", 1);
        assert!(matches!(block_on(lane.ask("panic", || panic!("on purpose"))), Err(DiskError::Fault)));
        assert_eq!(block_on(lane.ask("next", || 7)).unwrap(), 7);
    }

    #[test]
    fn bytes_that_wait_are_bounded() {
        let disk = Disk::default();
        let large = disk.reserve(usize::MAX / 2).unwrap();
        assert!(disk.reserve(1).is_none());
        drop(large);
        let half = disk.reserve(MOST_BYTES / 2).unwrap();
        assert!(disk.reserve(MOST_BYTES / 2).is_none());
        drop(half);
        assert!(disk.reserve(MOST_BYTES / 2).is_some());
    }
}
