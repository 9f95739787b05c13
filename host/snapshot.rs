//! Snapshots: the state of one sandbox as Kapacitor stores it.
//!
//! Between two calls a guest's stack is empty, so its linear memory and its mutable globals are its
//! state. A snapshot holds the pages that differ from the freshly instantiated memory, compressed,
//! under a header that says what it fits. The format is written down in `proto/snapshot.proto`.
//!
//! A snapshot is never empty, since Kapacitor drops an empty one and gives an older one back.

use std::io::Read;

use prost::Message;
use sha2::{Digest, Sha256};
use thiserror::Error;
use wasmtime::{ExternType, Module, Mutability, V128, Val};

use crate::plugin::{ABI, Plugin};
use crate::sandbox::Sandbox;
use crate::units::Bytes;

#[allow(missing_docs, clippy::doc_markdown, reason = "generated; the .proto file is the documentation")]
mod format {
    include!(concat!(env!("OUT_DIR"), "/kapacitor_wasm.rs"));
}

pub use format::{PayloadKind, SnapshotHeader};

const MAGIC: [u8; 4] = *b"KWSN";
const FORMAT: u8 = 1;
const PAGE: usize = 4096;
const CHECKSUM: usize = 32;

/// zstd's fastest level; memory pages compress well already here.
const LEVEL: i32 = 1;

/// Largest window that is decompressed with, as a power of two: 8 MiB, and [`LEVEL`] uses 512 KiB. zstd
/// allocates what a payload asks for, up to 128 MiB unless told otherwise.
const WINDOW: u32 = 23;

/// Why a snapshot does not fit, or can't be made.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each one's message says it")]
pub enum SnapshotError {
    #[error("it is not a snapshot of kapacitor-wasm")]
    Magic,
    #[error("its format {0} is newer than this host's {FORMAT}")]
    Format(u8),
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    #[error("it is of plugin `{found}`, and the task runs `{running}`")]
    Plugin { found: String, running: String },
    #[error("it is of another version of plugin `{0}`")]
    Version(String),
    #[error("it was taken with other options")]
    Options,
    #[error("it is of guest interface {0}")]
    Abi(u32),
    #[error("it is the memory of the plugin, and the plugin has a format of its own, or the other way round")]
    Kind,
    #[error("it holds {found}, more than limits.memory = {limit}")]
    TooLarge { found: Bytes, limit: Bytes },
    #[error("the plugin refuses it: {0}")]
    Refused(String),
    #[error(
        "it has {length}, and Kapacitor could not give back more than sessions.message = {most}: raise it"
    )]
    TooLong { length: Bytes, most: Bytes },
    #[error("the plugin has begun a batch and not ended it")]
    InBatch,
    #[error("the plugin can't give it: {0}")]
    Failed(String),
    #[error("the state of this plugin can't be captured: {0}")]
    NotCapturable(String),
}

/// A snapshot taken apart.
#[derive(Debug)]
pub struct Snapshot {
    /// What it is of.
    pub header: SnapshotHeader,
    /// The payload, compressed.
    payload: Vec<u8>,
}

/// What a snapshot is taken of, beside the memory.
#[derive(Clone, Copy, Debug)]
pub struct Taken<'a> {
    /// The running plugin.
    pub plugin: &'a Plugin,
    /// See [`SnapshotHeader::options_sha256`].
    pub options_sha256: [u8; 32],
    /// Points that the sandbox was given.
    pub points_seen: u64,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Taken<'_> {
    fn header(&self, kind: PayloadKind, payload: usize) -> SnapshotHeader {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        SnapshotHeader {
            kind: kind.into(),
            plugin: self.plugin.name.clone(),
            plugin_sha256: self.plugin.sha256.to_vec(),
            abi: ABI,
            options_sha256: self.options_sha256.to_vec(),
            points_seen: self.points_seen,
            taken_at: now.map_or(0, |now| now.as_nanos() as i64),
            host_version: env!("CARGO_PKG_VERSION").to_owned(),
            payload_bytes: payload as u64,
            memory_bytes: 0,
            globals: Vec::new(),
        }
    }
}

impl Snapshot {
    /// Reads the bytes of a snapshot. Its payload stays compressed.
    ///
    /// # Errors
    ///
    /// When they are not a snapshot that this host can read.
    pub fn parse(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(SnapshotError::Magic)?;
        let (format, rest) = rest.split_first().ok_or(SnapshotError::Damaged("it is cut off"))?;
        if *format != FORMAT {
            return Err(SnapshotError::Format(*format));
        }
        let cut = SnapshotError::Damaged("it is cut off");
        let Some(body) = rest.len().checked_sub(CHECKSUM) else {
            return Err(cut);
        };
        let (checked, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
        if *Sha256::digest(checked) != *checksum {
            return Err(SnapshotError::Damaged("its checksum is wrong"));
        }
        let Some((length, rest)) = rest[..body].split_first_chunk::<4>() else {
            return Err(cut);
        };
        let length = u32::from_le_bytes(*length) as usize;
        let Some((header, payload)) = rest.split_at_checked(length) else {
            return Err(cut);
        };
        let header =
            SnapshotHeader::decode(header).map_err(|_| SnapshotError::Damaged("its header can't be read"))?;
        Ok(Self { header, payload: payload.to_vec() })
    }

    fn pack(header: &SnapshotHeader, payload: &[u8]) -> Vec<u8> {
        let header = header.encode_to_vec();
        let mut bytes = Vec::with_capacity(64 + header.len() + payload.len() / 2);
        bytes.extend_from_slice(&MAGIC);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&(header.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&header);
        let compressed = zstd::bulk::compress(payload, LEVEL).expect("compressing to memory");
        bytes.extend_from_slice(&compressed);
        let checksum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&checksum);
        bytes
    }

    /// Whether it says that there is no state.
    pub fn is_none(&self) -> bool {
        self.header.kind == i32::from(PayloadKind::None)
    }

    /// Whether the state of `now` can be replaced by this one.
    ///
    /// # Errors
    ///
    /// Says what differs.
    pub fn check_fit(&self, now: &Taken<'_>) -> Result<(), SnapshotError> {
        let header = &self.header;
        let kind = if now.plugin.own_format { PayloadKind::Plugin } else { PayloadKind::Memory };
        if header.plugin != now.plugin.name {
            return Err(SnapshotError::Plugin {
                found: header.plugin.clone(),
                running: now.plugin.name.clone(),
            });
        }
        if header.kind != i32::from(kind) {
            return Err(SnapshotError::Kind);
        }
        if kind == PayloadKind::Plugin {
            // Its own format may outlive a change of the plugin and of the options.
            return Ok(());
        }
        if header.abi != ABI {
            return Err(SnapshotError::Abi(header.abi));
        }
        if header.plugin_sha256 != now.plugin.sha256 {
            return Err(SnapshotError::Version(header.plugin.clone()));
        }
        if header.options_sha256 != now.options_sha256 {
            return Err(SnapshotError::Options);
        }
        Ok(())
    }

    /// The payload, if it is not larger than `limit`.
    ///
    /// # Errors
    ///
    /// When it is larger or damaged.
    pub fn payload(&self, limit: Bytes) -> Result<Vec<u8>, SnapshotError> {
        let length = self.header.payload_bytes;
        if length > limit.0 {
            return Err(SnapshotError::TooLarge { found: Bytes(length), limit });
        }
        // Grows with what is really there, not with what the header says.
        let mut payload = Vec::new();
        zstd::stream::read::Decoder::with_buffer(&self.payload[..])
            .and_then(|mut decoder| {
                decoder.window_log_max(WINDOW)?;
                decoder.take(length.saturating_add(1)).read_to_end(&mut payload)
            })
            .map_err(|_| SnapshotError::Damaged("its payload can't be decompressed"))?;
        if payload.len() as u64 != length {
            return Err(SnapshotError::Damaged("its payload has another length"));
        }
        Ok(payload)
    }
}

/// A snapshot that says that there is no state.
pub fn none(taken: &Taken<'_>) -> Vec<u8> {
    Snapshot::pack(&taken.header(PayloadKind::None, 0), &[])
}

/// Wraps what a plugin with a format of its own returned.
pub fn of_plugin(state: &[u8], taken: &Taken<'_>) -> Vec<u8> {
    Snapshot::pack(&taken.header(PayloadKind::Plugin, state.len()), state)
}

/// The state of a sandbox between two calls.
#[derive(Debug)]
pub struct State {
    /// Length of the linear memory.
    memory_bytes: u64,
    /// Values of the mutable globals.
    globals: Vec<u64>,
    /// Runs of the pages that differ from the image: index of the first, how many, the pages.
    pages: Vec<u8>,
}

impl State {
    /// Bytes that it takes, nearly.
    pub fn size(&self) -> usize {
        self.pages.len() + 8 * self.globals.len()
    }
}

/// The state of a freshly made instance, which snapshots are differences to.
#[derive(Debug)]
pub struct Image {
    /// Linear memory up to its last byte that is not zero.
    memory: Vec<u8>,
    /// Names under which the mutable globals are exported, in the order of the module.
    globals: Vec<String>,
}

impl Image {
    /// The image of a plugin, from an instance that has run `_initialize` at most.
    pub(crate) fn of(sandbox: &mut Sandbox, module: &Module) -> Self {
        let memory = sandbox.memory();
        let end = memory.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Self {
            memory: memory[..end].to_vec(),
            // The names that instrumenting gives, in the order of the module.
            globals: module
                .exports()
                .filter(|export| {
                    matches!(export.ty(), ExternType::Global(ty) if ty.mutability() == Mutability::Var)
                        && export.name().starts_with("__wizer_global_")
                })
                .map(|export| export.name().to_owned())
                .collect(),
        }
    }

    /// A page of the image; shorter where only zeros follow.
    fn page(&self, index: usize) -> &[u8] {
        let start = (index * PAGE).min(self.memory.len());
        &self.memory[start..(start + PAGE).min(self.memory.len())]
    }

    fn is_page(&self, index: usize, page: &[u8]) -> bool {
        let image = self.page(index);
        page[..image.len()] == *image && is_zero(&page[image.len()..])
    }

    /// The state of `sandbox`, an instance of the image's plugin.
    ///
    /// # Errors
    ///
    /// When a global has a value that can't be stored.
    pub fn capture(&self, sandbox: &mut Sandbox) -> Result<State, SnapshotError> {
        let globals = self.save_globals(sandbox)?;
        let memory = sandbox.memory();
        let mut pages = Vec::new();
        // Where the run's number of pages stands, and its last page.
        let mut run: Option<(usize, usize)> = None;
        for (index, page) in memory.chunks(PAGE).enumerate() {
            if self.is_page(index, page) {
                continue;
            }
            match &mut run {
                Some((at, last)) if *last + 1 == index => {
                    *last = index;
                    let count = u32::from_le_bytes(pages[*at..*at + 4].try_into().expect("four bytes"));
                    pages[*at..*at + 4].copy_from_slice(&(count + 1).to_le_bytes());
                }
                _ => {
                    pages.extend_from_slice(&(index as u32).to_le_bytes());
                    run = Some((pages.len(), index));
                    pages.extend_from_slice(&1u32.to_le_bytes());
                }
            }
            pages.extend_from_slice(page);
        }
        Ok(State { memory_bytes: memory.len() as u64, globals, pages })
    }

    /// Gives `sandbox`, a fresh instance of the image's plugin, a state. After an error the instance
    /// must not be used.
    ///
    /// # Errors
    ///
    /// When the state does not hold together.
    pub async fn apply(&self, sandbox: &mut Sandbox, state: &State) -> Result<(), SnapshotError> {
        self.load_globals(sandbox, &state.globals)?;
        let memory = sandbox
            .memory_mut(state.memory_bytes as usize)
            .await
            .ok_or(SnapshotError::Damaged("its memory has an impossible size"))?;
        // An instance need not begin like the one that the image was taken of.
        for (index, page) in memory.chunks_mut(PAGE).enumerate() {
            if !self.is_page(index, page) {
                let image = self.page(index);
                page[..image.len()].copy_from_slice(image);
                page[image.len()..].fill(0);
            }
        }
        let mut rest = &state.pages[..];
        while !rest.is_empty() {
            let run = rest.split_first_chunk::<8>().and_then(|(head, pages)| {
                let [index, count] = [0, 4]
                    .map(|i| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]) as usize);
                let start = index.checked_mul(PAGE)?;
                let length = count.checked_mul(PAGE)?;
                let (pages, after) = pages.split_at_checked(length)?;
                memory.get_mut(start..start.checked_add(length)?)?.copy_from_slice(pages);
                Some(after)
            });
            rest = run.ok_or(SnapshotError::Damaged("its pages do not fit its memory"))?;
        }
        Ok(())
    }

    /// Takes a snapshot of `sandbox`, an instance of the image's plugin.
    ///
    /// # Errors
    ///
    /// As [`Image::capture`].
    pub fn save(&self, sandbox: &mut Sandbox, taken: &Taken<'_>) -> Result<Vec<u8>, SnapshotError> {
        let State { memory_bytes, globals, pages } = self.capture(sandbox)?;
        let header =
            SnapshotHeader { memory_bytes, globals, ..taken.header(PayloadKind::Memory, pages.len()) };
        Ok(Snapshot::pack(&header, &pages))
    }

    /// Gives `sandbox`, a fresh instance of the image's plugin, the state of a snapshot that
    /// [`Snapshot::check_fit`]s. After an error the instance must not be used.
    ///
    /// # Errors
    ///
    /// When the snapshot is larger than `limit` or does not hold together.
    pub async fn load(
        &self,
        sandbox: &mut Sandbox,
        snapshot: &Snapshot,
        limit: Bytes,
    ) -> Result<(), SnapshotError> {
        let memory_bytes = snapshot.header.memory_bytes;
        if memory_bytes > limit.0 {
            return Err(SnapshotError::TooLarge { found: Bytes(memory_bytes), limit });
        }
        // Each run has a head of eight bytes.
        let pages = snapshot.payload(Bytes(limit.0.saturating_add(limit.0 / PAGE as u64 * 8)))?;
        let state = State { memory_bytes, globals: snapshot.header.globals.clone(), pages };
        self.apply(sandbox, &state).await
    }

    fn save_globals(&self, sandbox: &mut Sandbox) -> Result<Vec<u64>, SnapshotError> {
        let mut values = Vec::new();
        for name in &self.globals {
            let value = sandbox.global(name).map(|(global, store)| global.get(store));
            match value {
                Some(Val::I32(v)) => values.push(u64::from(v as u32)),
                Some(Val::I64(v)) => values.push(v as u64),
                Some(Val::F32(bits)) => values.push(u64::from(bits)),
                Some(Val::F64(bits)) => values.push(bits),
                Some(Val::V128(v)) => {
                    let bits = v.as_u128();
                    values.extend([bits as u64, (bits >> 64) as u64]);
                }
                _ => {
                    return Err(SnapshotError::NotCapturable(format!("global {name} is a reference")));
                }
            }
        }
        Ok(values)
    }

    fn load_globals(&self, sandbox: &mut Sandbox, values: &[u64]) -> Result<(), SnapshotError> {
        let wrong = || SnapshotError::Damaged("its globals are not the plugin's");
        let mut values = values.iter().copied();
        for name in &self.globals {
            let mut next = || values.next().ok_or_else(wrong);
            let (global, store) = sandbox.global(name).ok_or_else(wrong)?;
            let value = match global.get(&mut *store) {
                Val::I32(_) => Val::I32(next()? as u32 as i32),
                Val::I64(_) => Val::I64(next()? as i64),
                Val::F32(_) => Val::F32(next()? as u32),
                Val::F64(_) => Val::F64(next()?),
                Val::V128(_) => {
                    let (low, high) = (u128::from(next()?), u128::from(next()?));
                    Val::V128(V128::from(high << 64 | low))
                }
                _ => return Err(wrong()),
            };
            global.set(store, value).map_err(|_| wrong())?;
        }
        if values.next().is_some() { Err(wrong()) } else { Ok(()) }
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_does_not_choose_how_much_is_allocated_for_it() {
        // A zstd frame without contents: magic, flags, the window's size, an empty last block.
        let empty = |log: u32| Snapshot {
            header: SnapshotHeader::default(),
            payload: vec![0x28, 0xb5, 0x2f, 0xfd, 0, ((log - 10) << 3) as u8, 1, 0, 0],
        };
        assert_eq!(empty(WINDOW).payload(Bytes::mib(1)).unwrap(), []);
        assert!(matches!(empty(WINDOW + 1).payload(Bytes::mib(1)), Err(SnapshotError::Damaged(_))));
    }
}
