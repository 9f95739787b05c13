//! The process that compiles one module, seen from both sides.
//!
//! The process gets the module on stdin, and says on stdout what came of it: a word, the length and the SHA-256 of
//! what follows, and that: machine code or a reason. Whatever is not such a reply, however the process ended, is a
//! refusal. The host never concludes from an exit code that a module was compiled or is invalid.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::admission_error::one_line;
use super::instrument::instrumented;
use crate::digest::hex;
use crate::sandbox::CodeCompiler;
use crate::units::{Bytes, Span};

/// Steps by which the priority of the process is lower than the host's: it gets a tenth of a core that others want.
const NICE: i32 = 10;

/// Interval at which the process compares its computing time with the deadline.
const CHECK: Duration = Duration::from_millis(5);

/// Time after its deadline at which the system ends the process, should it not do so itself.
const GRACE: u64 = 5;

/// Interval after which a process is started again that could not start, and the last such interval; each is twice as
/// long as the one before.
const START_AGAIN: Duration = Duration::from_millis(50);
const LAST_START: Duration = Duration::from_secs(2);

/// Maximum length of the first line of a reply.
const MAX_HEAD: usize = 128;

/// Maximum size of a reason, and of what the process writes to stderr, in bytes.
const MAX_REASON: u64 = 4096;

/// Limits of one compilation.
#[derive(Clone, Copy, Debug)]
pub struct CompileLimits {
    /// `limits.stack`, which is part of the engine's settings.
    pub stack: Bytes,
    /// Maximum computing time.
    pub time: Span,
    /// Maximum address space.
    pub memory: Bytes,
}

/// What the process says.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    /// The machine code.
    Compiled(Vec<u8>),
    /// The bytes are not a module that the host can run, and why.
    Refused(String),
    /// It needs more than the computing time that it may take.
    Deadline,
    /// It could not do its work, and why.
    Failed(String),
    /// It could not begin, since the machine was short of something, and why.
    Unstarted(String),
}

/// Why there is no machine code.
#[derive(Debug, Error)]
pub(super) enum CompileError {
    /// The module is not valid, or has what the host does not support.
    #[error("{0}")]
    Refused(String),
    /// It takes more computing time than it may.
    #[error("the deadline has passed")]
    Deadline,
    /// It takes more memory than it may.
    #[error("the memory is not enough")]
    Memory,
    /// The process said that it could not do its work, or ended without saying anything.
    #[error("{0}")]
    Ended(String),
    /// The process can't be started.
    #[error("{0}")]
    Start(io::Error),
    /// The process was started and could not begin, since the machine was short of something.
    #[error("{0}")]
    Short(String),
}

impl CompileError {
    /// Whether the process could not start since the machine was short of something just now.
    fn is_shortage(&self) -> bool {
        match self {
            Self::Start(e) => is_shortage(e),
            Self::Short(_) => true,
            _ => false,
        }
    }
}

impl Reply {
    fn write(&self, to: &mut impl io::Write) -> io::Result<()> {
        let (word, body) = match self {
            Self::Compiled(code) => ("compiled", &**code),
            Self::Refused(reason) => ("refused", reason.as_bytes()),
            Self::Deadline => ("deadline", &b""[..]),
            Self::Failed(reason) => ("failed", reason.as_bytes()),
            Self::Unstarted(reason) => ("unstarted", reason.as_bytes()),
        };
        writeln!(to, "{word} {} {}", body.len(), hex(&Sha256::digest(body)))?;
        to.write_all(body)?;
        to.flush()
    }

    /// Reads a whole reply with at most `most` bytes of code. `None` if what comes is anything else.
    async fn read(from: &mut (impl AsyncRead + Unpin), most: Bytes) -> io::Result<Option<Self>> {
        let mut head = Vec::new();
        while head.last() != Some(&b'\n') {
            if head.len() == MAX_HEAD {
                return Ok(None);
            }
            head.push(from.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let words: Vec<&str> = head.split_whitespace().collect();
        let &[word, length, sum] = &*words else { return Ok(None) };
        let most = if word == "compiled" { most.0 } else { MAX_REASON };
        let Some(length) = length.parse().ok().filter(|length: &u64| *length <= most) else {
            return Ok(None);
        };
        let mut body = Vec::new();
        from.take(length).read_to_end(&mut body).await?;
        if body.len() as u64 != length || hex(&Sha256::digest(&body)) != sum {
            return Ok(None);
        }
        let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
        Ok(match word {
            "compiled" => Some(Self::Compiled(body)),
            "refused" => Some(Self::Refused(text(&body))),
            "deadline" => Some(Self::Deadline),
            "failed" => Some(Self::Failed(text(&body))),
            "unstarted" => Some(Self::Unstarted(text(&body))),
            _ => None,
        })
    }
}

/// Compiles `wasm` in a process of `program`; its code has at most `most` bytes. The process stands still while
/// `pause` is true. A process that can't start, since the machine is short of something, is tried again for some
/// seconds.
pub(super) async fn compile_apart(
    program: &Path,
    limits: &CompileLimits,
    wasm: &[u8],
    most: Bytes,
    pause: Option<watch::Receiver<bool>>,
) -> Result<Vec<u8>, CompileError> {
    unless_short(|| compile_once(program, limits, wasm, most, pause.clone())).await
}

/// Does `work` until it does not fail at starting a process, or does so for a reason that will last.
async fn unless_short<T, F: Future<Output = Result<T, CompileError>>>(
    work: impl Fn() -> F,
) -> Result<T, CompileError> {
    let mut again = START_AGAIN;
    loop {
        match work().await {
            Err(e) if again <= LAST_START && e.is_shortage() => {
                tokio::time::sleep(again).await;
                again *= 2;
            }
            result => return result,
        }
    }
}

/// Whether the system had no room for something just now: memory, processes or open files.
fn is_shortage(error: &io::Error) -> bool {
    let shortage = [Errno::NOMEM, Errno::AGAIN, Errno::MFILE, Errno::NFILE];
    error.raw_os_error().is_some_and(|code| shortage.iter().any(|errno| errno.raw_os_error() == code))
}

async fn compile_once(
    program: &Path,
    limits: &CompileLimits,
    wasm: &[u8],
    most: Bytes,
    pause: Option<watch::Receiver<bool>>,
) -> Result<Vec<u8>, CompileError> {
    let mut child = Command::new(program)
        .arg("compile")
        .args(["--stack", &limits.stack.to_string()])
        .args(["--compile-deadline", &limits.time.to_string()])
        .args(["--compile-memory", &limits.memory.to_string()])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        // A signal to the host's group, as a Ctrl-C, is for the host to obey.
        .process_group(0)
        .spawn()
        .map_err(CompileError::Start)?;
    let taken = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(mut stdout), Some(stderr)) = taken else {
        return Err(CompileError::Ended("the process that compiles it has no pipes".to_owned()));
    };
    let give = async {
        // If the process has ended already, its reply or its end says so.
        let _ = stdin.write_all(wasm).await;
        drop(stdin);
    };
    let mut told = Vec::new();
    let mut stderr = stderr.take(MAX_REASON);
    let talk = async {
        // Stdout is closed then: a process that goes on writing ends.
        let reply = async move { tokio::join!(give, Reply::read(&mut stdout, most)).1 };
        tokio::join!(reply, stderr.read_to_end(&mut told)).0
    };
    let reply = tokio::select! {
        reply = talk => reply.ok().flatten(),
        () = watch_over(&child, limits.time, pause) => return Err(CompileError::Deadline),
    };
    match reply {
        Some(Reply::Compiled(code)) => return Ok(code),
        Some(Reply::Refused(reason)) => return Err(CompileError::Refused(reason)),
        Some(Reply::Deadline) => return Err(CompileError::Deadline),
        Some(Reply::Failed(reason)) => return Err(CompileError::Ended(reason)),
        Some(Reply::Unstarted(reason)) => return Err(CompileError::Short(reason)),
        None => {}
    }
    // A reply that is too long is not read to its end, so the process may wait for ever.
    let _ = child.start_kill();
    let status = child.wait().await.map_err(CompileError::Start)?;
    Err(end(status, &String::from_utf8_lossy(&told)))
}

/// The error of a process that ended without a reply.
fn end(status: ExitStatus, told: &str) -> CompileError {
    // Rust's own message, before it aborts.
    if told.contains("memory allocation of") {
        return CompileError::Memory;
    }
    let told = told.trim().replace('\n', " ");
    let colon = if told.is_empty() { "" } else { ": " };
    CompileError::Ended(format!("the process that compiles it ended with {status}{colon}{told}"))
}

/// Stops and continues the process, as `pause` says. Returns when it has existed for much longer than the time that
/// it may compute, which the process measures itself.
async fn watch_over(child: &Child, time: Span, mut pause: Option<watch::Receiver<bool>>) {
    let process = child.id().and_then(|id| Pid::from_raw(id as i32));
    let signal = |signal| {
        if let Some(process) = process {
            // The process may have ended.
            let _ = kill_process(process, signal);
        }
    };
    let mut left = time.0 * 10 + Duration::from_secs(60);
    loop {
        let paused = pause.as_mut().is_some_and(|pause| *pause.borrow_and_update());
        signal(if paused { Signal::STOP } else { Signal::CONT });
        let changed = async {
            let ended = match &mut pause {
                Some(pause) => pause.changed().await.is_err(),
                None => true,
            };
            if ended {
                std::future::pending::<()>().await;
            }
        };
        if paused {
            changed.await;
            continue;
        }
        let began = tokio::time::Instant::now();
        tokio::select! {
            () = changed => left = left.saturating_sub(began.elapsed()),
            () = tokio::time::sleep(left) => return,
        }
    }
}

/// Compiles the module on stdin, as the process that [`compile_apart`] starts, and replies on stdout.
///
/// # Errors
///
/// When nobody takes the reply.
pub fn compile_stdin(limits: &CompileLimits) -> io::Result<()> {
    let answered = Arc::new(Mutex::new(false));
    let reply = compile_within(limits, &answered).unwrap_or_else(|error| {
        let mut reason = format!("{error:#}");
        cut_reason(&mut reason);
        let short = error.downcast_ref::<io::Error>().is_some_and(is_shortage);
        if short { Reply::Unstarted(reason) } else { Reply::Failed(reason) }
    });
    answer(&answered, &reply)
}

fn compile_within(limits: &CompileLimits, answered: &Arc<Mutex<bool>>) -> anyhow::Result<Reply> {
    // Before the limit of its memory, so that a thread that can't be started is the machine's fault.
    watch_own_time(limits.time.0, Arc::clone(answered)).context("no thread can be started")?;
    limit_this_process(limits)?;
    let mut wasm = Vec::new();
    io::Read::read_to_end(&mut io::stdin().lock(), &mut wasm)?;
    let compiler = CodeCompiler::new(limits.stack).map_err(anyhow::Error::from)?;
    Ok(match compile(&compiler, &wasm) {
        Ok(code) => Reply::Compiled(code),
        // wasmtime reports memory that it does not get like any other error.
        Err(error) if error.is::<wasmtime::error::OutOfMemory>() => return Err(error.into()),
        Err(error) => {
            let mut reason = one_line(&error);
            cut_reason(&mut reason);
            Reply::Refused(reason)
        }
    })
}

fn cut_reason(reason: &mut String) {
    reason.truncate(reason.floor_char_boundary(MAX_REASON as usize));
}

/// The machine code of a module, with the globals exported that a snapshot needs.
pub(super) fn compile(compiler: &CodeCompiler, wasm: &[u8]) -> wasmtime::Result<Vec<u8>> {
    compiler.validate(wasm)?;
    compiler.compile(&instrumented(wasm).0)
}

/// Replies, unless there was a reply before.
fn answer(answered: &Mutex<bool>, reply: &Reply) -> io::Result<()> {
    let mut answered = answered.lock().unwrap_or_else(PoisonError::into_inner);
    if std::mem::replace(&mut *answered, true) {
        return Ok(());
    }
    reply.write(&mut io::stdout().lock())
}

/// Limits what this process may take, and gives it a low priority.
fn limit_this_process(limits: &CompileLimits) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::process::nice(NICE)?;
    let limit = |resource, most: u64| {
        // The host may have a lower limit itself, which can't be raised.
        let most = getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
    };
    limit(Resource::Core, 0)?;
    limit(Resource::Cpu, limits.time.0.as_secs().saturating_add(GRACE))?;
    limit(Resource::As, limits.memory.0)?;
    Ok(())
}

/// Replies and ends this process once it has computed for `time`.
fn watch_own_time(time: Duration, answered: Arc<Mutex<bool>>) -> io::Result<()> {
    let watch = move || {
        loop {
            let used = clock_gettime(ClockId::ProcessCPUTime);
            let used = Duration::new(used.tv_sec as u64, used.tv_nsec as u32);
            if used >= time && answer(&answered, &Reply::Deadline).is_ok() {
                break;
            }
            thread::sleep(CHECK);
        }
        end_process();
    };
    thread::Builder::new().name("deadline".to_owned()).stack_size(64 << 10).spawn(watch).map(drop)
}

#[expect(clippy::exit, reason = "nothing else ends a compiler")]
fn end_process() {
    std::process::exit(0)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::ready;
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    async fn read(mut bytes: &[u8]) -> Option<Reply> {
        Reply::read(&mut bytes, Bytes(16)).await.ok().flatten()
    }

    #[tokio::test]
    async fn only_whole_replies_count() {
        let written = |reply: &Reply| {
            let mut bytes = Vec::new();
            reply.write(&mut bytes).unwrap();
            bytes
        };
        let replies = [
            Reply::Compiled(b"code".to_vec()),
            Reply::Refused("no".to_owned()),
            Reply::Deadline,
            Reply::Unstarted("no".to_owned()),
        ];
        for reply in replies {
            let bytes = written(&reply);
            for length in 0..bytes.len() {
                assert_eq!(read(&bytes[..length]).await, None, "{reply:?} {length}");
            }
            assert_eq!(read(&bytes).await, Some(reply));
        }
        assert_eq!(read(b"").await, None);
        assert_eq!(read(b"compiled\n").await, None);
        assert_eq!(read(b"compiled 4 00\ncode").await, None);
        assert_eq!(read(&written(&Reply::Compiled(vec![0; 17]))).await, None);
        assert_eq!(read(&[b'x'; 1000]).await, None);
    }

    #[tokio::test]
    async fn process_that_finds_the_machine_short_of_something_is_started_again() {
        let errors = [Errno::NOMEM, Errno::AGAIN, Errno::MFILE, Errno::NFILE];
        let starts = errors.map(|errno| CompileError::Start(errno.into()));
        let last = CompileError::Start(Errno::NOENT.into());
        for shortage in starts.into_iter().chain([CompileError::Short("no thread".to_owned())]) {
            let results = RefCell::new(vec![Ok(b"code"), Err(shortage)]);
            let compiled = unless_short(|| ready(results.borrow_mut().pop().unwrap())).await;
            assert!(matches!(compiled, Ok(b"code")));
        }
        for lasts in [last, CompileError::Memory, CompileError::Ended("at once".to_owned())] {
            let results = RefCell::new(vec![Err::<(), _>(lasts)]);
            assert!(unless_short(|| ready(results.borrow_mut().pop().unwrap())).await.is_err());
        }
    }

    #[test]
    fn end_without_a_reply_is_told_as_it_is() {
        // Wait statuses: the exit code in the second byte, or the signal in the first.
        let end = |raw, told| end(ExitStatus::from_raw(raw), told);
        assert!(matches!(end(6, "memory allocation of 64 bytes failed\n"), CompileError::Memory));
        for (raw, told, expected) in [
            (0, "", "ended with exit status: 0"),
            (1 << 8, "", "ended with exit status: 1"),
            (101 << 8, "thread panicked at x\n", "ended with exit status: 101: thread panicked at x"),
            (9, "", "ended with signal: 9 (SIGKILL)"),
            (11, "", "ended with signal: 11 (SIGSEGV)"),
        ] {
            let CompileError::Ended(text) = end(raw, told) else { panic!("{raw}") };
            assert!(text.ends_with(expected), "{text}");
        }
    }
}
