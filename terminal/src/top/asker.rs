//! Asks the host on a thread of its own, so that a slow host delays no key.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use kapacitor_wasm_status::{Query, Status};

use super::Ask;

/// What the host has answered, and to which query.
pub struct Answer {
    /// What was asked.
    pub query: Query,
    /// What it has answered, or why it could not be asked.
    pub status: Result<Status, String>,
}

/// Asks one question at a time.
pub struct Asker {
    queries: SyncSender<Query>,
    answers: Receiver<Answer>,
}

impl Asker {
    /// Starts the thread. It ends with the process, which does not wait for an answer.
    ///
    /// # Errors
    ///
    /// When the system has no room for it.
    pub fn start(mut ask: Ask) -> io::Result<Self> {
        let (queries, asked) = sync_channel::<Query>(0);
        let (answered, answers) = sync_channel(1);
        thread::Builder::new().name("asker".to_owned()).spawn(move || {
            while let Ok(query) = asked.recv() {
                let status = ask(&query);
                if answered.send(Answer { query, status }).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { queries, answers })
    }

    /// Asks, unless an answer is still awaited.
    pub fn ask(&self, query: Query) -> bool {
        self.queries.try_send(query).is_ok()
    }

    /// The answer, if it has come.
    pub fn answer(&self) -> Option<Answer> {
        self.answers.try_recv().ok()
    }
}
