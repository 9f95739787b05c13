//! Faults of the host: panics, which are bugs, and must cost no more than what they happen in.
//!
//! Each has one line in the log, with the name of its thread. A panic in the work of a session ends that session. What
//! serves the whole host goes on: its threads and tasks are run by [`keep`] and [`keep_task`], which begin anew what
//! has panicked.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use tracing::error;

/// Time before what has panicked begins anew, so that a fault that always comes back does not fill the log.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 1000 });

/// A panic, which the log has.
#[derive(Debug)]
pub struct Fault;

/// Tells of each panic in one line of the log from now on. `log_thread` is the name of the thread that writes the log:
/// nothing but stderr can tell of that one.
pub fn log_panics(log_thread: &'static str) {
    std::panic::set_hook(Box::new(move |info| {
        let thread = thread::current();
        let thread = thread.name().unwrap_or("without a name");
        let (err, at) = (reason(info.payload()), place(info));
        if thread == log_thread {
            eprintln!("lvl=error msg=\"a fault of the host\" thread={thread} err={err:?} at={at}");
        } else {
            error!(thread, err, at, "a fault of the host: please report this line");
        }
    }));
}

/// What the panic says.
fn reason(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("it does not say why")
}

/// Where in the source it is.
fn place(info: &PanicHookInfo<'_>) -> String {
    info.location().map_or(String::new(), ToString::to_string)
}

/// Does `work`, again and again if it panics, until it returns.
pub fn keep(mut work: impl FnMut()) {
    while caught(&mut work).is_err() {
        thread::sleep(PAUSE);
    }
}

/// Does `work`, again and again if it panics, until it is done.
pub async fn keep_task<F: Future<Output = ()>>(mut work: impl FnMut() -> F) {
    while caught_task(work()).await.is_err() {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Does `work`.
///
/// # Errors
///
/// When it panics.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Fault)
}

/// As [`caught`], for a task.
///
/// # Errors
///
/// When it panics.
pub async fn caught_task<T>(work: impl Future<Output = T>) -> Result<T, Fault> {
    let mut work = pin!(work);
    poll_fn(|cx| match caught(|| work.as_mut().poll(cx)) {
        Ok(poll) => poll.map(Ok),
        // It is not polled again.
        Err(fault) => Poll::Ready(Err(fault)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;
    use crate::config::LogLevel;
    use crate::logging;

    /// Set in the process in which the test below panics: a hook is one for the whole process.
    const PANICS: &str = "KAPACITOR_WASM_TEST_PANICS";

    fn panic_in_three_threads() {
        let log = logging::start(LogLevel::Info, logging::LineFormat::Kapacitor);
        log_panics(logging::THREAD);
        for (name, number) in [("watcher", 1), ("state-write", 2), ("log", 3)] {
            let thread = thread::Builder::new().name(name.to_owned());
            assert!(thread.spawn(move || panic!("fault\n{number}")).unwrap().join().is_err());
        }
        drop(log);
    }

    #[test]
    fn panic_has_one_line_with_its_thread_and_place() {
        if std::env::var_os(PANICS).is_some() {
            return panic_in_three_threads();
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        let this = "faults::tests::panic_has_one_line_with_its_thread_and_place";
        command.args(["--exact", this, "--nocapture"]).env(PANICS, "1");
        let output = command.env("RUST_BACKTRACE", "1").output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 3, "{told}");
        for (thread, number) in [("watcher", 1), ("state-write", 2), ("log", 3)] {
            let parts = [
                format!("thread={thread} "),
                format!("err=\"fault\\n{number}\""),
                "at=host/faults.rs:".to_owned(),
            ];
            let line = lines.iter().find(|line| parts.iter().all(|part| line.contains(part)));
            let line = line.unwrap_or_else(|| panic!("{parts:?}: {told}"));
            assert!(line.contains("lvl=error msg=\"a fault of the host"), "{line}");
        }
    }

    #[test]
    fn work_goes_on_after_a_panic() {
        let mut left = 2;
        keep(|| {
            left -= 1;
            assert!(left == 0, "not yet");
        });
        assert_eq!(left, 0);
    }

    #[tokio::test]
    async fn task_goes_on_after_a_panic_wherever_it_waits() {
        let runs = AtomicU32::new(0);
        keep_task(|| async {
            if runs.fetch_add(1, Relaxed) < 2 {
                tokio::task::yield_now().await;
                panic!("not yet");
            }
        })
        .await;
        assert_eq!(runs.load(Relaxed), 3);
        assert_eq!(caught_task(async { 5 }).await.unwrap(), 5);
        assert!(caught(|| panic!("at once")).is_err());
    }
}
