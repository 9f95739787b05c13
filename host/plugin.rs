//! A plugin: one `.wasm` file, admitted, compiled once, shared by all its sandboxes.
//!
//! A file is admitted only if everything that can be known before a task needs it is right. Each
//! refusal is one sentence: the file, what is wrong, what to do.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost::Message;
use sha2::{Digest, Sha256};
use thiserror::Error;
use wasmtime::{ExternType, InstancePre, Module, ValType};

use crate::checkpoint::hex;
use crate::compile::{Compiled, Compiler};
use crate::config::{Edges, is_identifier};
use crate::engine::Engine;
use crate::image::Image;
use crate::limits::Limits;
use crate::protocol::{EdgeType, InfoResponse, ValueType};
use crate::sandbox::{Guest, GuestError, Sandbox, Surroundings};
use crate::units::{Bytes, Span};
use crate::who::Who;

/// Version of the guest interface that this host speaks.
pub const ABI: u32 = 1;

/// Largest InfoResponse of a plugin.
const MAX_INFO: Bytes = Bytes::kib(64);

/// Most options of one plugin.
const MAX_OPTIONS: usize = 256;

/// What the name of the ABI's marker begins with; its version follows.
const MARKER: &str = "kapacitor_udf_abi_";

/// The functions of WASI preview 1 that a plugin may import. With nothing granted they find no
/// files, no arguments and no environment; what is missing would be a socket.
const WASI: [&str; 42] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "random_get",
    "sched_yield",
    "proc_raise",
];

/// Why a file was not admitted.
#[derive(Debug, Error)]
#[error("{}: {problem}", .path.display())]
pub struct Refusal {
    /// The file.
    pub path: PathBuf,
    /// What is wrong and what to do.
    pub problem: Problem,
}

/// What can be wrong with a file.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each one's message says it")]
pub enum Problem {
    #[error("can't be read: {0}")]
    Read(io::Error),
    #[error("was deleted: put it back")]
    Deleted,
    #[error(
        "is larger than host.module = {0}: build it with --release and strip its debug information, or raise it"
    )]
    TooLarge(Bytes),
    #[error("takes longer to compile than host.compile-deadline = {0}: make it smaller, or raise it")]
    Compile(Span),
    #[error("takes more memory to compile than host.compile-memory = {0}: make it smaller, or raise it")]
    CompileMemory(Bytes),
    #[error("is not a WebAssembly module: it does not begin with \\0asm")]
    NotWasm,
    #[error("is a WebAssembly component: build a core module, for wasm32-unknown-unknown or wasm32-wasip1")]
    Component,
    #[error("is not a valid module: {0}; build it again, without WebAssembly proposals beyond 2.0")]
    Invalid(String),
    #[error(
        "imports `{0}`, which the host does not give: a plugin gets kapacitor.log and WASI preview 1 without sockets"
    )]
    Import(String),
    #[error(
        "has no export kapacitor_udf_abi_1, so it is no plugin of this host: a Rust plugin needs `register!`"
    )]
    NoMarker,
    #[error(
        "is made for guest interface {found}, and this host speaks {ABI}: build it with a kapacitor-guest of the same version as the host"
    )]
    OtherAbi { found: String },
    #[error("has no export `{name}: {expected}`: a plugin must export all functions of the guest interface")]
    Export { name: &'static str, expected: &'static str },
    #[error("needs {needs} of memory to start, more than limits.memory = {limit}: raise it")]
    Memory { needs: Bytes, limit: Bytes },
    #[error(
        "exports only one of udf_snapshot and udf_restore: export both, or none to have its memory saved"
    )]
    HalfSnapshot,
    #[error("fails at its first call: {0}")]
    Call(GuestError),
    #[error("describes itself wrongly: {0}")]
    Info(String),
}

/// An admitted plugin.
pub struct Plugin {
    /// File name without `.wasm`.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// What the plugin says of itself; the options sorted by name.
    pub info: InfoResponse,
    /// Whether it has a snapshot format of its own.
    pub own_format: bool,
    /// Version of that format, zero if it does not say one.
    pub state_version: u32,
    /// Its memory when freshly instantiated, or why its state can't be captured.
    pub image: Result<Image, String>,
    /// Whether it asks for the time.
    pub reads_clock: bool,
    /// Memory that an instance begins with.
    pub min_memory: Bytes,
    pre: InstancePre<Guest>,
}

impl Plugin {
    /// Reads, checks and compiles `path`, and asks the plugin once for its Info, under `limits`.
    ///
    /// # Errors
    ///
    /// At the first thing that is wrong.
    pub async fn admit(
        engine: &Arc<Engine>,
        path: &Path,
        limits: &Limits,
        compiler: &Compiler,
    ) -> Result<Self, Refusal> {
        let refuse = |problem| Refusal { path: path.to_owned(), problem };
        let bytes = read(path, compiler.limits.module).map_err(refuse)?;
        Self::from_bytes(engine, &name_of(path), bytes, limits, compiler).await.map_err(refuse)
    }

    pub(crate) async fn from_bytes(
        engine: &Arc<Engine>,
        name: &str,
        bytes: Vec<u8>,
        limits: &Limits,
        compiler: &Compiler,
    ) -> Result<Self, Problem> {
        let sha256: [u8; 32] = Sha256::digest(&bytes).into();
        let Compiled { module, captured } = compiler.compile(engine, bytes, &sha256).await?;
        let min_memory = check_interface(&module)?;
        if min_memory > limits.memory {
            return Err(Problem::Memory { needs: min_memory, limit: limits.memory });
        }
        let pre = engine.linker.instantiate_pre(&module).map_err(invalid)?;

        let who = Who { plugin: name.to_owned(), ..Who::default() };
        let surroundings = Surroundings::alone(who, *limits);
        let mut sandbox = Sandbox::new(&pre, &surroundings).await.map_err(Problem::Call)?;
        let image = captured.map(|()| Image::of(&mut sandbox, &module));
        let info = sandbox.info().await.map_err(Problem::Call)?;
        let info = check_info(info)?;
        let state_version = sandbox.state_version().await.map_err(Problem::Call)?;
        Ok(Self {
            name: name.to_owned(),
            sha256,
            info,
            own_format: module.get_export("udf_snapshot").is_some(),
            state_version,
            image,
            reads_clock: module.imports().any(|import| import.name() == "clock_time_get"),
            pre,
            min_memory,
        })
    }

    /// Its version as logs show it: how its SHA-256 begins.
    pub fn version(&self) -> String {
        hex(&self.sha256[..4])
    }

    /// What the plugin takes and gives.
    pub fn edges(&self) -> Edges {
        Edges { wants: self.info.wants(), provides: self.info.provides() }
    }

    /// A new instance.
    ///
    /// # Errors
    ///
    /// When the plugin can't start under these limits.
    pub async fn start(&self, surroundings: &Surroundings) -> Result<Sandbox, GuestError> {
        Sandbox::new(&self.pre, surroundings).await
    }

    /// Whether a sandbox can start with so much memory.
    ///
    /// # Errors
    ///
    /// When it can't.
    pub fn check_limits(&self, limits: &Limits) -> Result<(), Problem> {
        if self.min_memory > limits.memory {
            return Err(Problem::Memory { needs: self.min_memory, limit: limits.memory });
        }
        Ok(())
    }
}

pub(crate) fn invalid(error: wasmtime::Error) -> Problem {
    Problem::Invalid(one_line(&error))
}

/// The plugin's name: the file's, without `.wasm`.
pub fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The `.wasm` files of a folder by name.
///
/// # Errors
///
/// When the folder can't be read.
pub fn files_in(folder: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "wasm") {
            files.insert(name_of(&path), path);
        }
    }
    Ok(files)
}

fn read(path: &Path, most: Bytes) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    // What the file's length claims is not relied on.
    let file = fs::File::open(path).map_err(Problem::Read)?;
    if file.metadata().map_err(Problem::Read)?.is_dir() {
        return Err(Problem::Read(io::ErrorKind::IsADirectory.into()));
    }
    file.take(most.0.saturating_add(1)).read_to_end(&mut bytes).map_err(Problem::Read)?;
    if bytes.len() as u64 > most.0 {
        return Err(Problem::TooLarge(most));
    }
    Ok(bytes)
}

/// Checks imports and exports; returns the memory that an instance begins with.
fn check_interface(module: &Module) -> Result<Bytes, Problem> {
    for import in module.imports() {
        let allowed = matches!(import.ty(), ExternType::Func(_))
            && match import.module() {
                "kapacitor" => import.name() == "log",
                "wasi_snapshot_preview1" => WASI.contains(&import.name()),
                _ => false,
            };
        if !allowed {
            return Err(Problem::Import(printable(&format!("{}.{}", import.module(), import.name()))));
        }
    }

    let marker = format!("{MARKER}{ABI}");
    if !matches!(module.get_export(&marker), Some(ExternType::Func(_))) {
        let other = module.exports().find_map(|e| e.name().strip_prefix(MARKER).map(printable));
        return Err(other.map_or(Problem::NoMarker, |found| Problem::OtherAbi { found }));
    }

    use ValType::{I32, I64};
    let call = |name, expected, params, results, required| Call { name, expected, params, results, required };
    for call in [
        call("udf_info", "() -> i64", &[], &[I64], true),
        call("udf_input", "(i32) -> i32", &[I32], &[I32], true),
        call("udf_init", "(i32, i32) -> i64", &[I32, I32], &[I64], true),
        call("udf_process", "(i32, i32) -> i64", &[I32, I32], &[I64], true),
        call("udf_finish", "() -> i64", &[], &[I64], true),
        call("udf_snapshot", "() -> i64", &[], &[I64], false),
        call("udf_restore", "(i32, i32) -> i64", &[I32, I32], &[I64], false),
        call("udf_state_version", "() -> i32", &[], &[I32], false),
        call("_initialize", "() -> ()", &[], &[], false),
    ] {
        if !call.is_of(module) {
            return Err(Problem::Export { name: call.name, expected: call.expected });
        }
    }
    if module.get_export("udf_snapshot").is_some() != module.get_export("udf_restore").is_some() {
        return Err(Problem::HalfSnapshot);
    }
    match module.get_export("memory") {
        Some(ExternType::Memory(memory)) => Ok(Bytes(memory.minimum() << 16)),
        _ => Err(Problem::Export { name: "memory", expected: "memory" }),
    }
}

/// A function of the guest interface.
struct Call {
    name: &'static str,
    expected: &'static str,
    params: &'static [ValType],
    results: &'static [ValType],
    required: bool,
}

impl Call {
    /// Whether `module` exports it as it is to be, or need not export it.
    fn is_of(&self, module: &Module) -> bool {
        let same = |found: &[ValType], expected: &[ValType]| {
            found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| a.matches(b))
        };
        match module.get_export(self.name) {
            Some(ExternType::Func(ty)) => {
                same(&ty.params().collect::<Vec<_>>(), self.params)
                    && same(&ty.results().collect::<Vec<_>>(), self.results)
            }
            Some(_) => false,
            None => !self.required,
        }
    }
}

fn check_info(bytes: &[u8]) -> Result<InfoResponse, Problem> {
    let wrong = |what: String| Problem::Info(what);
    if bytes.len() > MAX_INFO.as_usize() {
        return Err(wrong(format!("its InfoResponse is larger than {MAX_INFO}")));
    }
    let info = InfoResponse::decode(bytes)
        .map_err(|e| wrong(format!("udf_info does not return an InfoResponse: {e}")))?;
    for edge in [info.wants, info.provides] {
        if EdgeType::try_from(edge).is_err() {
            return Err(wrong(format!("{edge} is no edge type: 0 is stream, 1 is batch")));
        }
    }
    if info.options.len() > MAX_OPTIONS {
        return Err(wrong(format!("it has more than {MAX_OPTIONS} options")));
    }
    for (name, option) in &info.options {
        if !is_identifier(name) {
            return Err(wrong(format!(
                "a TICKscript can't call option `{}`: use letters, digits and `_`",
                printable(name)
            )));
        }
        if let Some(ty) = option.value_types.iter().find(|ty| ValueType::try_from(**ty).is_err()) {
            return Err(wrong(format!("option `{name}` has a value of unknown type {ty}")));
        }
    }
    Ok(info)
}

/// Text from a module, for a message.
fn printable(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_default).collect()
}

/// An error and its causes as one line.
pub(crate) fn one_line(error: &wasmtime::Error) -> String {
    let causes: Vec<String> = error.chain().map(|cause| cause.to_string().replace('\n', " ")).collect();
    causes.join(": ")
}
