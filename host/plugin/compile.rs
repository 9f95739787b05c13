//! Compiles the bytes of a `.wasm` file to machine code.
//!
//! A file of a few kilobytes can make a compiler run for hours and take gigabytes, and nothing can interrupt it.
//! So a file is compiled by a process of its own, with a limit for its time and one for its memory. The machine
//! code comes back through a folder that only this program writes to, and that keeps it for the next start.

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;

use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use wasmtime::Module;

use super::code_folder::make_private;
use crate::config::HostLimits;
use crate::digest::hex;
use crate::plugin::admission_error::{AdmissionErrorKind, invalid, one_line};
use crate::sandbox::{Engine, NotCapturable, cores};
use crate::units::{Bytes, Span};

/// A module in machine code.
pub(crate) struct Compiled {
    pub module: Module,
    /// Whether a snapshot can hold the state of its instances, or why not.
    pub captured: Result<(), NotCapturable>,
}

/// How plugins are compiled.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// This program, which compiles in a process of its own; `None` compiles in this process.
    pub program: Option<PathBuf>,
    /// Limits of one plugin.
    pub limits: HostLimits,
    /// `limits.stack`, which is part of the engine's settings.
    pub stack: Bytes,
    /// The folder of machine code: see `code_folder.rs`.
    pub folder: PathBuf,
}

impl Compiler {
    /// Compiles `bytes`, whose hash is `sha256`.
    ///
    /// # Errors
    ///
    /// When they are not a module, or the module exceeds the limits.
    pub(crate) async fn compile(
        &self,
        engine: &Arc<Engine>,
        bytes: Vec<u8>,
        sha256: &[u8; 32],
    ) -> Result<Compiled, AdmissionErrorKind> {
        // A file that is plainly wrong needs no process.
        check_header(&bytes)?;
        let deadline = self.limits.compile_deadline;
        // Nor does a file that was compiled within these limits before.
        let marker = self.passed_limits_marker(sha256);
        let known = marker.exists();
        if let Some(program) = self.program.as_ref().filter(|_| !known) {
            let apart = self.compile_apart(program, &bytes);
            match tokio::time::timeout(deadline.0, apart).await {
                Ok(result) => result?,
                Err(_) => return Err(AdmissionErrorKind::Compile(deadline)),
            }
        }
        // This finds the machine code that the other process has left in the folder, or the same mistake.
        let (done, compiled) = tokio::sync::oneshot::channel();
        let engine = Arc::clone(engine);
        thread::Builder::new()
            .name("compile".to_owned())
            .spawn(move || drop(done.send(if known { compile_known } else { compile }(&engine, &bytes))))
            .map_err(AdmissionErrorKind::Read)?;
        match tokio::time::timeout(deadline.0, compiled).await {
            Ok(Ok(compiled)) => {
                if compiled.is_ok() && !known && self.program.is_some() {
                    // Without the marker, the next start takes a little longer.
                    let _ =
                        marker.parent().map_or(Ok(()), make_private).and_then(|()| fs::write(&marker, ""));
                }
                compiled
            }
            // The thread panicked; its message is on stderr.
            Ok(Err(_)) => Err(AdmissionErrorKind::Invalid("the compiler failed on it".to_owned())),
            Err(_) => Err(AdmissionErrorKind::Compile(deadline)),
        }
    }

    /// The file whose existence says that this version of the host has compiled bytes with this hash within these
    /// limits. It lies beside the machine code, so it is trusted as much.
    fn passed_limits_marker(&self, sha256: &[u8; 32]) -> PathBuf {
        let HostLimits { compile_deadline, compile_memory, .. } = self.limits;
        let mut key = Sha256::new();
        key.update(format!(
            "{} {} {compile_deadline} {compile_memory} ",
            env!("CARGO_PKG_VERSION"),
            self.stack
        ));
        key.update(sha256);
        self.folder.join("within-limits").join(hex(&key.finalize()))
    }

    async fn compile_apart(&self, program: &Path, bytes: &[u8]) -> Result<(), AdmissionErrorKind> {
        let mut child = Command::new(program)
            .arg("compile")
            .args(["--stack", &self.stack.to_string()])
            .args(["--compile-deadline", &self.limits.compile_deadline.to_string()])
            .args(["--compile-memory", &self.limits.compile_memory.to_string()])
            .arg(&self.folder)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            // A signal to the host's group, as a Ctrl-C, is for the host to obey.
            .process_group(0)
            .spawn()
            .map_err(AdmissionErrorKind::Read)?;
        if let Some(mut stdin) = child.stdin.take() {
            // If the process has ended already, its status says so.
            let _ = stdin.write_all(bytes).await;
        }
        self.outcome_of(child.wait().await.map_err(AdmissionErrorKind::Read)?)
    }

    fn outcome_of(&self, status: ExitStatus) -> Result<(), AdmissionErrorKind> {
        const PANIC: i32 = 101;
        match (status.code(), status.signal().and_then(Signal::from_named_raw)) {
            // The process reports only that it refused the file; compiling it again here yields the reason.
            (Some(0 | 1), _) => Ok(()),
            (Some(PANIC), _) => Err(AdmissionErrorKind::Invalid("the compiler failed on it".to_owned())),
            // Rust aborts when an allocation fails.
            (_, Some(Signal::ABORT | Signal::SEGV)) => {
                Err(AdmissionErrorKind::CompileMemory(self.limits.compile_memory))
            }
            (_, Some(Signal::XCPU | Signal::KILL)) => {
                Err(AdmissionErrorKind::Compile(self.limits.compile_deadline))
            }
            _ => Err(AdmissionErrorKind::Invalid(format!("compiling it ended with {status}"))),
        }
    }
}

/// Limits the time and the memory of this process.
///
/// # Errors
///
/// What the system says.
pub fn limit_this_process(time: Span, memory: Bytes) -> io::Result<()> {
    // The limit counts the time of all cores, on which the compiler runs.
    let seconds = time.0.as_secs().saturating_mul(cores() as u64).saturating_add(1);
    let limit = |current: u64| Rlimit { current: Some(current), maximum: Some(current) };
    setrlimit(Resource::Cpu, limit(seconds))?;
    setrlimit(Resource::As, limit(memory.0))?;
    setrlimit(Resource::Core, limit(0))?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

fn check_header(bytes: &[u8]) -> Result<(), AdmissionErrorKind> {
    match bytes {
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => Ok(()),
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => Err(AdmissionErrorKind::Component),
        _ => Err(AdmissionErrorKind::NotWasm),
    }
}

/// Compiles `bytes` in this process, or finds their machine code in the engine's folder.
pub(crate) fn compile(engine: &Engine, bytes: &[u8]) -> Result<Compiled, AdmissionErrorKind> {
    Module::validate(&engine.wasmtime, bytes).map_err(invalid)?;
    compile_known(engine, bytes)
}

/// The same for bytes that are known to be valid.
fn compile_known(engine: &Engine, bytes: &[u8]) -> Result<Compiled, AdmissionErrorKind> {
    // The instrumentation exports the globals that a snapshot needs. A module for which that is not enough runs
    // unchanged, without snapshots.
    let (instrumented, captured) = match wasmtime_wizer::Wizer::new().instrument(bytes) {
        Ok((_, instrumented)) => (instrumented, Ok(())),
        Err(e) => (Vec::new(), Err(NotCapturable(one_line(&e)))),
    };
    let code = if captured.is_ok() { &instrumented } else { bytes };
    let module = Module::new(&engine.wasmtime, code).map_err(invalid)?;
    Ok(Compiled { module, captured })
}

/// Compiles `bytes` into the engine's folder; true if they are a module.
pub fn compile_into_folder(engine: &Engine, bytes: &[u8]) -> bool {
    compile(engine, bytes).is_ok()
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
        assert!(check(b"").is_err());
    }

    #[test]
    fn end_of_the_compiling_process_says_which_limit_was_reached() {
        let limits = HostLimits::default();
        let compiler = Compiler { program: None, limits, stack: Bytes::kib(512), folder: PathBuf::new() };
        let outcome = |raw| compiler.outcome_of(ExitStatus::from_raw(raw)).map_err(|kind| kind.to_string());
        // Wait statuses: the exit code in the second byte, or the signal in the first.
        assert_eq!((outcome(0), outcome(1 << 8)), (Ok(()), Ok(())));
        assert!(outcome(101 << 8).unwrap_err().contains("the compiler failed on it"));
        for signal in [Signal::ABORT, Signal::SEGV] {
            assert!(outcome(signal.as_raw()).unwrap_err().contains("host.compile-memory"));
        }
        for signal in [Signal::XCPU, Signal::KILL] {
            assert!(outcome(signal.as_raw()).unwrap_err().contains("host.compile-deadline"));
        }
        assert!(outcome(3 << 8).unwrap_err().contains("ended with"));
    }
}
