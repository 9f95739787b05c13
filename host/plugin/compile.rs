//! Compiles the bytes of a `.wasm` file to machine code.
//!
//! A file of a few kilobytes can make a compiler run for hours and take gigabytes, and nothing can interrupt it.
//! So a file is compiled by a process of its own, with a limit for its time and one for its memory. The host has
//! no compiler: it loads the machine code that the process returns, and keeps it for the next start.
//!
//! One process at a time compiles, on one core. Each file has a short time for that at first, in which nearly all
//! plugins are compiled. A file that needs longer begins anew once it is its turn among such files, and stands still
//! whenever another file has its first turn.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use wasmtime::Module;

use super::code_store::{CodeKey, CodeStore};
use super::compile_lane::{Lane, Turn};
use super::compile_process::{self, CompileError, CompileLimits, compile_apart};
use super::instrument::instrumented;
use crate::config::HostLimits;
use crate::plugin::admission_error::{AdmissionErrorKind, invalid, refused};
use crate::sandbox::{CodeCompiler, Engine, LoadError, NotCapturable};
use crate::units::{Bytes, Span};

/// Computing time of a file's first turn.
const FIRST_TURN: Duration = Duration::from_millis(500);

/// Maximum size of machine code, as a multiple of `host.module`, and a size for what all machine code has.
const EXPANSION: u64 = 16;
const LEAST_CODE: u64 = 16 << 20;

/// Maximum number of files that are read and looked up in the store at a time.
const LOOKED_UP: usize = 16;

/// Why a semaphore here always has a permit in the end.
const NEVER_CLOSED: &str = "the semaphores are never closed";

/// Maximum number of plugins that are tried at a time, each in a sandbox.
const TRIED: usize = 64;

/// A module in machine code.
pub(crate) struct Compiled {
    pub module: Module,
    /// Whether a snapshot can hold the state of its instances, or why not.
    pub captured: Result<(), NotCapturable>,
}

/// The turns of a file on its way to machine code. It is read anew for each, so that few files are in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its machine code is looked up in the store.
    Stored,
    /// It may be compiled within [`FIRST_TURN`].
    First,
    /// It may be compiled within `host.compile-deadline`.
    Last,
}

impl Stage {
    /// All of them in their order.
    pub const ALL: [Self; 3] = [Self::Stored, Self::First, Self::Last];
}

/// The right of a file to be at a stage. It is given back when this is dropped.
#[derive(Debug)]
pub struct Place {
    stage: Stage,
    _right: Right,
}

#[derive(Debug)]
#[expect(dead_code, reason = "a right is held, and nothing else is done with it")]
enum Right {
    Look(OwnedSemaphorePermit),
    Compile(Turn),
}

/// How plugins are compiled.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// Limits of one plugin.
    pub limits: HostLimits,
    /// This program, which compiles in a process of its own; `None` compiles in this process.
    program: Option<PathBuf>,
    /// `limits.stack`, which is part of the engine's settings.
    stack: Bytes,
    /// The machine code of earlier starts.
    store: CodeStore,
    /// The hash of all that machine code depends on beside its module, as the compiler states it.
    environment: [u8; 32],
    queue: Arc<CompileQueue>,
}

/// The files that wait, for the whole process.
#[derive(Debug)]
struct CompileQueue {
    looking: Arc<Semaphore>,
    trials: Semaphore,
    first: Arc<Lane>,
    last: Arc<Lane>,
}

impl Compiler {
    /// A compiler for engines with `stack` bytes of guest stack. It compiles in processes of `program` or, without
    /// one, in this process and without limits.
    ///
    /// # Errors
    ///
    /// When wasmtime can't compile for this machine with these settings.
    pub fn new(
        program: Option<PathBuf>,
        limits: HostLimits,
        stack: Bytes,
        store: CodeStore,
    ) -> wasmtime::Result<Self> {
        // Creating a compiler takes a while, and without a store there are no keys.
        let environment =
            if store.is_used() { CodeCompiler::new(stack)?.environment() } else { Default::default() };
        let queue = CompileQueue {
            looking: Arc::new(Semaphore::new(LOOKED_UP)),
            trials: Semaphore::new(TRIED),
            first: Lane::new(),
            last: Lane::new(),
        };
        Ok(Self { limits, program, stack, store, environment, queue: Arc::new(queue) })
    }

    /// Waits until a file of `size` bytes may be at `stage`. Of those that wait to be compiled, the smallest is next.
    pub async fn enter(&self, stage: Stage, size: u64) -> Place {
        let queue = &self.queue;
        let right = match stage {
            Stage::Stored => {
                let looking = Arc::clone(&queue.looking).acquire_owned().await;
                Right::Look(looking.expect(NEVER_CLOSED))
            }
            Stage::First => Right::Compile(queue.first.enter(size).await),
            Stage::Last => Right::Compile(queue.last.enter(size).await),
        };
        Place { stage, _right: right }
    }

    /// Waits until one more plugin may be tried, which it may until the permit is dropped.
    pub(super) async fn trial(&self) -> SemaphorePermit<'_> {
        self.queue.trials.acquire().await.expect(NEVER_CLOSED)
    }

    /// Compiles `bytes`, whose hash is `sha256`, or finds their machine code in the store. `None` if that is not to
    /// be had at the stage of `place`.
    ///
    /// # Errors
    ///
    /// When they are not a module, or the module exceeds the limits.
    pub(crate) async fn compile(
        &self,
        engine: &Arc<Engine>,
        bytes: Vec<u8>,
        sha256: &[u8; 32],
        place: Place,
    ) -> Result<Option<Compiled>, AdmissionErrorKind> {
        // A file that is plainly wrong needs no process.
        check_header(&bytes)?;
        let (key, most) = (self.key(sha256), self.most_code());
        let bytes = Arc::new(bytes);
        let store = self.store.clone();
        let stored = blocking(move || store.load(&key, most)).await?;
        if let Some(code) = stored {
            match load(engine, &bytes, code).await? {
                Ok((compiled, _)) => return Ok(Some(compiled)),
                Err(LoadError::Unfit(_)) => self.store.forget(&key),
                Err(error) => return Err(AdmissionErrorKind::Load(error)),
            }
        }
        let Some(code) = self.machine_code(engine, &bytes, place.stage).await? else { return Ok(None) };
        drop(place);
        let (compiled, code) = load(engine, &bytes, code).await?.map_err(AdmissionErrorKind::Load)?;
        let store = self.store.clone();
        // Nobody waits for it.
        tokio::task::spawn_blocking(move || store.keep(&key, &code));
        Ok(Some(compiled))
    }

    /// The machine code of `bytes`, which is to be had within the limits of `stage`, or not at all then.
    async fn machine_code(
        &self,
        engine: &Engine,
        bytes: &Arc<Vec<u8>>,
        stage: Stage,
    ) -> Result<Option<Vec<u8>>, AdmissionErrorKind> {
        let HostLimits { compile_deadline, compile_memory, .. } = self.limits;
        let first = compile_deadline.0.min(FIRST_TURN);
        let (time, pause) = match stage {
            Stage::Stored => return Ok(None),
            Stage::First => (Span(first), None),
            Stage::Last => (compile_deadline, Some(self.queue.first.busy())),
        };
        let Some(program) = &self.program else {
            if engine.compiles() {
                return Module::validate(&engine.wasmtime, bytes).map(|()| Some(Vec::new())).map_err(invalid);
            }
            let (bytes, stack) = (Arc::clone(bytes), self.stack);
            let compiled =
                blocking(move || compile_process::compile(&CodeCompiler::new(stack)?, &bytes)).await?;
            return compiled.map(Some).map_err(invalid);
        };
        let limits = CompileLimits { stack: self.stack, time, memory: compile_memory };
        match compile_apart(program, &limits, bytes, self.most_code(), pause).await {
            Ok(code) => Ok(Some(code)),
            Err(CompileError::Deadline) if time < compile_deadline => Ok(None),
            Err(CompileError::Deadline) => Err(AdmissionErrorKind::Compile(compile_deadline)),
            Err(CompileError::Refused(reason)) => Err(refused(reason)),
            Err(CompileError::Memory) => Err(AdmissionErrorKind::CompileMemory(compile_memory)),
            Err(CompileError::Ended(reason)) => {
                Err(AdmissionErrorKind::CompileEnded { reason, memory: compile_memory })
            }
            Err(CompileError::Start(error)) => Err(AdmissionErrorKind::CompileStart(error)),
            Err(CompileError::Short(reason)) => {
                Err(AdmissionErrorKind::CompileStart(io::Error::other(reason)))
            }
        }
    }

    /// The key of the machine code of a module whose hash is `sha256`. It stands for the limits as well: code in the
    /// store was made within them.
    fn key(&self, sha256: &[u8; 32]) -> CodeKey {
        let HostLimits { compile_deadline, compile_memory, .. } = self.limits;
        let build = (env!("CARGO_PKG_VERSION"), env!("WASMTIME_VERSION"), self.stack);
        Sha256::new()
            .chain_update(format!("{build:?} {compile_deadline} {compile_memory} "))
            .chain_update(self.environment)
            .chain_update(sha256)
            .finalize()
            .into()
    }

    /// Maximum size of the machine code of one plugin.
    fn most_code(&self) -> Bytes {
        Bytes(self.limits.module.0.saturating_mul(EXPANSION).saturating_add(LEAST_CODE))
    }
}

fn check_header(bytes: &[u8]) -> Result<(), AdmissionErrorKind> {
    match bytes {
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => Ok(()),
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => Err(AdmissionErrorKind::Component),
        _ if b"\0asm\x01\0\0\0".starts_with(bytes) => {
            Err(AdmissionErrorKind::CutOff("it has no more than the first bytes".to_owned()))
        }
        _ if is_text(bytes) => Err(AdmissionErrorKind::Text),
        _ => Err(AdmissionErrorKind::NotWasm),
    }
}

/// Whether a file begins as WebAssembly's text format does: with a parenthesis or a comment, after white space.
fn is_text(bytes: &[u8]) -> bool {
    let begin = bytes.trim_ascii_start();
    [&b"(module"[..], b"(component", b"(func", b"(;", b";;"].iter().any(|text| begin.starts_with(text))
}

/// Does `work` on a thread that may take long over it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AdmissionErrorKind> {
    // The work panicked, as the log says.
    let failed = |_| AdmissionErrorKind::Invalid("the host failed on it".to_owned());
    tokio::task::spawn_blocking(work).await.map_err(failed)
}

/// Loads the valid module `bytes` from its machine code, and returns that, too.
async fn load(
    engine: &Arc<Engine>,
    bytes: &Arc<Vec<u8>>,
    code: Vec<u8>,
) -> Result<Result<(Compiled, Vec<u8>), LoadError>, AdmissionErrorKind> {
    let (engine, bytes) = (Arc::clone(engine), Arc::clone(bytes));
    blocking(move || {
        let (wasm, captured) = instrumented(&bytes);
        let module = engine.load(&wasm, &code)?;
        Ok((Compiled { module, captured }, code))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_tells_modules_components_and_other_files_apart() {
        let check = |bytes: &[u8]| check_header(bytes).map_err(|kind| kind.to_string());
        assert_eq!(check(b"\0asm\x01\0\0\0rest"), Ok(()));
        assert!(check(b"\0asm\x0d\0\x01\0").unwrap_err().contains("component"));
        assert!(check(b"#!/bin/sh").unwrap_err().contains("does not begin with"));
        assert!(check(b"\0asm").unwrap_err().contains("ends too early"));
        for text in [&b"(module)"[..], b"\n ;; a comment\n(module)", b"(; a comment ;) (module)"] {
            assert!(check(text).unwrap_err().contains("text format"));
        }
    }

    #[test]
    fn machine_code_is_of_one_module_one_build_and_one_set_of_limits() {
        let compiler =
            |limits, stack| Compiler::new(None, limits, stack, CodeStore::default()).unwrap().key(&[1; 32]);
        let (limits, stack) = (HostLimits::default(), Bytes::kib(512));
        let key = compiler(limits, stack);
        assert_eq!(compiler(limits, stack), key);
        assert_ne!(compiler(limits, Bytes::kib(256)), key);
        assert_ne!(compiler(HostLimits { compile_memory: Bytes::mib(1), ..limits }, stack), key);
        let mut other = Compiler::new(None, limits, stack, CodeStore::default()).unwrap();
        assert_ne!(other.key(&[2; 32]), key);
        other.environment[0] ^= 1;
        assert_ne!(other.key(&[1; 32]), key);
    }
}
