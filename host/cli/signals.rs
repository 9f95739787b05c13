//! The signals that an operator, a service manager or a terminal sends. None of them ends the process by itself.

use std::collections::BTreeSet;
use std::io;

use anyhow::{Context, Result};
use rustix::process::Signal;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Numbers of the first and the last real-time signal. By default each of them ends a process.
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;

/// Signals whose default is to end the process, apart from those that a fault in the process's own code causes.
/// SIGPIPE is ignored from the start, as in every program in Rust.
const ENDING: [Signal; 14] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::VTALARM,
    Signal::PROF,
    Signal::XCPU,
    Signal::XFSZ,
    Signal::IO,
    Signal::POWER,
    Signal::STKFLT,
];

/// What a signal asks of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To end, with the state of all tasks saved.
    Stop,
    /// To read `udf.toml` again.
    Reload,
    /// Nothing.
    Nothing,
}

/// A signal that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its name, such as `SIGHUP`.
    pub name: String,
    /// What it asks for.
    pub asked: Asked,
    /// Whether it is the first of its name.
    pub first: bool,
}

/// The signals that come to this process.
pub struct Signals {
    numbers: mpsc::Receiver<i32>,
    seen: BTreeSet<i32>,
}

impl Signals {
    /// Takes all signals that can be taken. From then on they end nothing.
    ///
    /// # Errors
    ///
    /// When the system does not let SIGHUP, SIGINT, SIGQUIT or SIGTERM be taken.
    pub fn take(runtime: &Runtime) -> Result<Self> {
        let _entered = runtime.enter();
        let (sender, numbers) = mpsc::channel(1);
        for number in ENDING.map(Signal::as_raw).into_iter().chain(REAL_TIME) {
            let mut taken = match signal(SignalKind::from_raw(number)) {
                Ok(taken) => taken,
                Err(e) if asked(number) == Asked::Nothing => {
                    // The C library may keep some of the real-time signals for itself.
                    drop::<io::Error>(e);
                    continue;
                }
                Err(e) => return Err(e).with_context(|| format!("{} can't be taken", name(number))),
            };
            let sender = sender.clone();
            runtime.spawn(async move {
                while taken.recv().await.is_some() && sender.send(number).await.is_ok() {}
            });
        }
        Ok(Self { numbers, seen: BTreeSet::new() })
    }

    /// Waits for the next signal. Nothing is lost if the caller stops waiting.
    pub async fn next(&mut self) -> Received {
        match self.numbers.recv().await {
            Some(number) => {
                Received { name: name(number), asked: asked(number), first: self.seen.insert(number) }
            }
            // The runtime ends.
            None => std::future::pending().await,
        }
    }
}

fn asked(number: i32) -> Asked {
    match Signal::from_named_raw(number) {
        Some(Signal::INT | Signal::QUIT | Signal::TERM | Signal::POWER | Signal::XCPU) => Asked::Stop,
        Some(Signal::HUP) => Asked::Reload,
        _ => Asked::Nothing,
    }
}

fn name(number: i32) -> String {
    let name = match Signal::from_named_raw(number) {
        Some(Signal::HUP) => "SIGHUP",
        Some(Signal::INT) => "SIGINT",
        Some(Signal::QUIT) => "SIGQUIT",
        Some(Signal::TERM) => "SIGTERM",
        Some(Signal::USR1) => "SIGUSR1",
        Some(Signal::USR2) => "SIGUSR2",
        Some(Signal::ALARM) => "SIGALRM",
        Some(Signal::VTALARM) => "SIGVTALRM",
        Some(Signal::PROF) => "SIGPROF",
        Some(Signal::XCPU) => "SIGXCPU",
        Some(Signal::XFSZ) => "SIGXFSZ",
        Some(Signal::IO) => "SIGIO",
        Some(Signal::POWER) => "SIGPWR",
        Some(Signal::STKFLT) => "SIGSTKFLT",
        _ => return format!("signal {number}"),
    };
    name.to_owned()
}
