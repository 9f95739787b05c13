//! Why a file is not admitted as a plugin.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::logging::shown;
use crate::regular_file::FileError;
use crate::sandbox::{CallError, CallErrorKind, LoadError};
use crate::units::{Bytes, Span};

/// Why a file was not admitted.
#[derive(Debug, Error)]
#[error("{}: {kind}", shown(.path))]
pub struct AdmissionError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong and what to do.
    pub kind: AdmissionErrorKind,
}

/// What can be wrong with a file.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "each one's message says it")]
pub enum AdmissionErrorKind {
    #[error("can't be read: {0}{advice}", advice = advice(.0))]
    Read(io::Error),
    #[error("{0}: put a .wasm file there, or remove it")]
    File(FileError),
    #[error("can't be read within {0}: the disk may hang")]
    SlowDisk(Span),
    #[error("is empty: copy it again")]
    Empty,
    #[error("has a name that {0}: rename it")]
    Name(&'static str),
    #[error("was deleted: put it back")]
    Deleted,
    #[error("does not have the bytes that were pulled: run `kapacitor-wasm pull`")]
    Digest,
    #[error("{0}")]
    NotPulled(String),
    #[error(
        "is larger than host.module = {0}: build it with --release and strip its debug information, or raise it"
    )]
    TooLarge(Bytes),
    #[error("takes longer to compile than host.compile-deadline = {0}: make it smaller, or raise it")]
    Compile(Span),
    #[error("takes more memory to compile than host.compile-memory = {0}: make it smaller, or raise it")]
    CompileMemory(Bytes),
    #[error(
        "can't be compiled: {reason}; if it needs more memory than host.compile-memory = {memory}, or than the machine has, make it smaller, or raise it"
    )]
    CompileEnded { reason: String, memory: Bytes },
    #[error("can't be compiled, since no process can be started for it: {0}")]
    CompileStart(io::Error),
    #[error("{0}")]
    Load(LoadError),
    #[error("is not a WebAssembly module: it does not begin with \\0asm")]
    NotWasm,
    #[error(
        "is WebAssembly in the text format: make a binary module of it, as with `wat2wasm` or `wasm-tools parse`"
    )]
    Text,
    #[error(
        "ends too early ({0}): if it is still being copied, the rest is awaited; otherwise copy it again"
    )]
    CutOff(String),
    #[error(
        "is a WebAssembly component: build a core module, for wasm32-unknown-unknown or wasm32-wasip1 and without `wasm-tools component new`"
    )]
    Component,
    #[error("is not a valid module: {0}; build it again, without WebAssembly proposals beyond 2.0")]
    Invalid(String),
    #[error(
        "imports `{name}`, which the host does not provide (a plugin gets kapacitor.log and WASI preview 1 without sockets): {advice}"
    )]
    Import { name: String, advice: &'static str },
    #[error(
        "has no export kapacitor_udf_abi_1, so it is not a kapacitor-wasm plugin: a Rust plugin needs `register!`"
    )]
    NoMarker,
    #[error(
        "is made for guest interface {found}, and this host speaks {spoken}: build it with a kapacitor-guest of the same version as the host"
    )]
    OtherAbi { found: String, spoken: u32 },
    #[error("has no export `{name}: {expected}`: a plugin must export all functions of the guest interface")]
    Export { name: &'static str, expected: &'static str },
    #[error("needs {needs} of memory to start, more than limits.memory = {limit}: raise it")]
    Memory { needs: Bytes, limit: Bytes },
    #[error(
        "exports only one of udf_snapshot and udf_restore: export both, or none to have its memory saved"
    )]
    HalfSnapshot,
    #[error("fails at its first call: {0}")]
    Call(CallError),
    #[error("describes itself wrongly: {0}")]
    Info(String),
    #[error(
        "exports only one of udf_metrics and udf_metric_values: export both, or none if it has no metrics"
    )]
    HalfMetrics,
    #[error("describes its metrics wrongly: {0}")]
    Metrics(String),
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => ": let the user that the host runs as read it",
        _ => "",
    }
}

impl AdmissionErrorKind {
    /// Whether the same file may be admitted at another time, since the machine was short of something.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Read(_)
                | Self::SlowDisk(_)
                | Self::CompileStart(_)
                | Self::Load(LoadError::Io { .. })
                | Self::Call(CallError { kind: CallErrorKind::NoMemory(_), .. })
        )
    }
}

pub(super) fn invalid(error: wasmtime::Error) -> AdmissionErrorKind {
    refused(one_line(&error))
}

/// A module that wasmtime does not accept for `reason`.
pub(super) fn refused(reason: String) -> AdmissionErrorKind {
    if reason.contains("unexpected end") {
        AdmissionErrorKind::CutOff(reason)
    } else {
        AdmissionErrorKind::Invalid(reason)
    }
}

/// Text from a module, for a message.
pub(super) fn printable(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_default).collect()
}

/// An error and its causes as one line.
pub(super) fn one_line(error: &wasmtime::Error) -> String {
    let causes: Vec<String> = error.chain().map(|cause| cause.to_string().replace('\n', " ")).collect();
    causes.join(": ")
}
