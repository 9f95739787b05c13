//! The log in a native build: lines go to stderr, and a test can collect them.

use std::cell::{Cell, RefCell};

use crate::log_level::Level;

/// What was told to the host, for which a test stands.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub lines: Vec<(Level, String)>,
    /// Why points and batches were skipped.
    pub skips: Vec<String>,
}

impl Told {
    /// Adds what was told later.
    pub fn add(&mut self, later: Self) {
        self.lines.extend(later.lines);
        self.skips.extend(later.skips);
    }
}

/// Most entries that are kept of each kind until they are taken, so that a program that runs a plugin natively without end
/// does not fill its memory.
const MOST: usize = 10_000;

thread_local! {
    /// What was told since it was taken last. Tests run in several threads, each of which has its own.
    static TOLD: RefCell<Told> = RefCell::default();
    static MUTED: Cell<bool> = const { Cell::new(false) };
}

/// Writes a line.
pub fn put(level: Level, text: &str) {
    const NAMES: [&str; 4] = ["debug", "info", "warn", "error"];
    if MUTED.get() {
        return;
    }
    eprintln!("{}: {text}", NAMES[level as usize]);
    TOLD.with_borrow_mut(|told| {
        if told.lines.len() < MOST {
            told.lines.push((level, text.to_owned()));
        }
    });
}

/// Keeps the reason of a skip.
pub fn skipped_because(reason: impl ToString) {
    TOLD.with_borrow_mut(|told| {
        if told.skips.len() < MOST {
            told.skips.push(reason.to_string());
        }
    });
}

/// The number of points that a call has skipped by itself: the reasons are kept instead.
pub fn skipped(_: u64) {}

/// Whether lines are left out from now on.
pub fn mute(muted: bool) {
    MUTED.set(muted);
}

/// What was told since the last time.
pub fn take() -> Told {
    TOLD.take()
}
