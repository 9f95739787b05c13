//! Snapshots: the state of one sandbox as Kapacitor stores it.
//!
//! Between two calls a guest's stack is empty, so its linear memory and its mutable globals are its
//! state. A snapshot holds the pages that differ from the memory of a fresh instance, compressed, under a header
//! that says which task it fits. The format is written down in `proto/snapshot.proto`.
//!
//! A snapshot is never empty, since Kapacitor drops an empty one and gives an older one back.

use std::cell::RefCell;
use std::io::Read;

use prost::Message;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::udf_node::UdfNode;
use crate::units::Bytes;

use super::format::{Determinism, PayloadKind, PointCounts, SnapshotHeader};

const MAGIC: [u8; 4] = *b"KWSN";
const FORMAT: u8 = 1;
const CHECKSUM: usize = 32;

/// Level of zstd for payloads up to [`SMALL`]. It compresses 324 KiB, the pages of a moving average over 1,000
/// groups, to 41 KB in 0.6 ms; level 1 needs the same time for 57 KB.
const LEVEL: i32 = 3;

/// Level of zstd for larger payloads, whose time counts. It compresses 2.7 MiB, ten times as many groups, to
/// 423 KB in 2.5 ms; level 3 needs 4.8 ms for 271 KB.
const FAST_LEVEL: i32 = -5;

/// Maximum size of a payload, in bytes, that is compressed with [`LEVEL`].
const SMALL: usize = 512 * 1024;

/// Maximum window for decompression, as a power of two: 8 MiB, and both levels use less. Without this limit, zstd
/// would allocate up to 128 MiB if a payload asks for it.
const WINDOW: u32 = 23;

thread_local! {
    /// Reused, since creating a compressor takes as long as compressing a small state.
    static COMPRESSOR: RefCell<zstd::bulk::Compressor<'static>> = RefCell::default();
}

/// Why a snapshot does not fit, or can't be made.
#[derive(Debug, Error)]
pub enum SnapshotError {
    #[error("it is not a snapshot of kapacitor-wasm")]
    Magic,
    #[error("its format {0} is newer than this host's {FORMAT}")]
    Format(u8),
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    #[error("it was taken from plugin `{found}`, and the task runs `{running}`")]
    Plugin { found: String, running: String },
    #[error("it was taken from another version of plugin `{0}`")]
    Version(String),
    #[error("it is in version {found} of the plugin's own format, and the plugin has version {running}")]
    StateVersion { found: u32, running: u32 },
    #[error("it was taken with other options")]
    Options,
    #[error("it was taken from a plugin with guest interface {0}")]
    Abi(u32),
    #[error("it is a memory snapshot, but the plugin has its own snapshot format")]
    NotOwnFormat,
    #[error("it is in a snapshot format of the plugin, but the plugin has none now")]
    NotMemory,
    #[error("it holds {found}, more than limits.memory = {limit}")]
    TooLarge { found: Bytes, limit: Bytes },
    #[error("the plugin refuses it: {0}")]
    Refused(String),
    #[error(
        "it has {length}, and could not be given back in a message of at most sessions.message = {most}: raise it"
    )]
    TooLong { length: Bytes, most: Bytes },
    #[error("it needs {0}")]
    NoMemory(String),
    #[error("the plugin has begun a batch and not ended it")]
    InBatch,
    #[error("a batch is open, in the input or in the output of the plugin: ask for it behind the end")]
    OpenBatch,
    #[error("the plugin can't give it: {0}")]
    Failed(String),
    #[error("the version that runs has no state format of its own")]
    NoOwnFormat,
    #[error("the state of this plugin can't be captured: {0}")]
    NotCapturable(String),
}

/// The parts of a snapshot.
#[derive(Debug)]
pub struct Snapshot {
    /// Where it comes from, and what it fits.
    pub header: SnapshotHeader,
    /// The payload, compressed.
    payload: Vec<u8>,
}

/// A plugin, as far as it decides whether a state fits it.
#[derive(Clone, Copy, Debug)]
pub struct PluginIdentity<'a> {
    /// Name of the plugin.
    pub name: &'a str,
    /// SHA-256 of its file.
    pub sha256: [u8; 32],
    /// Version of the guest interface that it was built for.
    pub abi: u32,
    /// Whether it has a snapshot format of its own.
    pub own_format: bool,
    /// Version of that format; zero if it does not tell one.
    pub state_version: u32,
}

/// Where a state comes from: all that the header of its snapshot says beside the memory itself.
#[derive(Clone, Copy, Debug)]
pub struct Provenance<'a> {
    /// The running plugin.
    pub plugin: PluginIdentity<'a>,
    /// See [`SnapshotHeader::options_sha256`].
    pub options_sha256: [u8; 32],
    /// Number of points that the state has seen.
    pub points_seen: u64,
    /// See [`SnapshotHeader::counts`]; `None` for a sandbox without a session.
    pub counts: Option<PointCounts>,
    /// The UDF node that the state belongs to; `None` for a sandbox without a session.
    pub udf: Option<&'a UdfNode>,
    /// See [`SnapshotHeader::started_at`].
    pub started_at: i64,
    /// See [`SnapshotHeader::replay`] and [`SnapshotHeader::given`].
    pub flags: SnapshotFlags,
    /// The guest's clock and random numbers.
    pub determinism: Option<Determinism>,
}

/// Marks on a snapshot that are not part of the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotFlags {
    /// See [`SnapshotHeader::replay`].
    pub replay: bool,
    /// See [`SnapshotHeader::given`].
    pub given: bool,
}

/// Nanoseconds since 1970.
pub fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_nanos() as i64)
}

impl<'a> Provenance<'a> {
    /// The provenance of a state of a sandbox without a session.
    pub fn without_session(plugin: PluginIdentity<'a>) -> Self {
        Self {
            plugin,
            options_sha256: [0; 32],
            points_seen: 0,
            counts: None,
            udf: None,
            started_at: 0,
            flags: SnapshotFlags::default(),
            determinism: None,
        }
    }

    /// The header of a snapshot of this state, with a payload of `payload_bytes` before it is compressed.
    pub fn header(&self, kind: PayloadKind, payload_bytes: usize) -> SnapshotHeader {
        let UdfNode { task, node, function } = self.udf.cloned().unwrap_or_default();
        let own = kind == PayloadKind::Plugin;
        SnapshotHeader {
            kind: kind.into(),
            plugin: self.plugin.name.to_owned(),
            plugin_sha256: self.plugin.sha256.to_vec(),
            abi: self.plugin.abi,
            options_sha256: self.options_sha256.to_vec(),
            points_seen: self.points_seen,
            taken_at: now(),
            host_version: env!("CARGO_PKG_VERSION").to_owned(),
            payload_bytes: payload_bytes as u64,
            memory_bytes: 0,
            globals: Vec::new(),
            function,
            task,
            node,
            started_at: self.started_at,
            state_version: if own { self.plugin.state_version } else { 0 },
            replay: self.flags.replay,
            given: self.flags.given,
            determinism: self.determinism,
            counts: self.counts,
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
        let (magic, rest) = bytes.split_first_chunk().ok_or(SnapshotError::Magic)?;
        let (format, rest) = rest.split_first().ok_or(SnapshotError::Damaged("it is cut off"))?;
        check_format(*magic, *format)?;
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

    pub(crate) fn pack(header: &SnapshotHeader, payload: &[u8]) -> Vec<u8> {
        let level = if payload.len() <= SMALL { LEVEL } else { FAST_LEVEL };
        let compressed = COMPRESSOR.with_borrow_mut(|compressor| {
            compressor.set_compression_level(level)?;
            compressor.compress(payload)
        });
        Self::seal(header, &compressed.expect("compressing to memory"))
    }

    fn seal(header: &SnapshotHeader, compressed: &[u8]) -> Vec<u8> {
        let header = header.encode_to_vec();
        let mut bytes = Vec::with_capacity(64 + header.len() + compressed.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&(header.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(compressed);
        let checksum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&checksum);
        bytes
    }

    /// The header of a snapshot in a file; the rest is not read.
    ///
    /// # Errors
    ///
    /// When the file can't be read, or does not begin like a snapshot.
    pub fn peek(file: impl Read) -> Result<SnapshotHeader, SnapshotError> {
        let cut = |_| SnapshotError::Damaged("it is cut off");
        let mut start = [0; 9];
        let mut file = file;
        file.read_exact(&mut start).map_err(cut)?;
        let [m0, m1, m2, m3, format, l0, l1, l2, l3] = start;
        check_format([m0, m1, m2, m3], format)?;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        // The buffer grows with the bytes that are there, not with what the length says.
        let mut header = Vec::new();
        file.take(length.into()).read_to_end(&mut header).map_err(cut)?;
        SnapshotHeader::decode(&header[..]).map_err(|_| SnapshotError::Damaged("its header can't be read"))
    }

    /// The bytes of the snapshot with another header.
    pub fn with_header(&self, header: &SnapshotHeader) -> Vec<u8> {
        Self::seal(header, &self.payload)
    }

    /// Size of the stored payload in bytes.
    pub fn compressed_bytes(&self) -> u64 {
        self.payload.len() as u64
    }

    /// Whether it says that there is no state.
    pub fn is_none(&self) -> bool {
        self.header.kind == i32::from(PayloadKind::None)
    }

    /// Whether this state can take the place of the state of `now`.
    ///
    /// # Errors
    ///
    /// Says what differs.
    pub fn check_fit(&self, now: &Provenance<'_>) -> Result<(), SnapshotError> {
        let header = &self.header;
        let kind = if now.plugin.own_format { PayloadKind::Plugin } else { PayloadKind::Memory };
        if header.plugin != now.plugin.name {
            return Err(SnapshotError::Plugin {
                found: header.plugin.clone(),
                running: now.plugin.name.to_owned(),
            });
        }
        if header.kind != i32::from(kind) {
            let own_format = now.plugin.own_format;
            return Err(if own_format { SnapshotError::NotOwnFormat } else { SnapshotError::NotMemory });
        }
        if kind == PayloadKind::Plugin {
            // Its own format outlives a change of the plugin and of the options.
            let (found, running) = (header.state_version, now.plugin.state_version);
            return if found == running {
                Ok(())
            } else {
                Err(SnapshotError::StateVersion { found, running })
            };
        }
        if header.abi != now.plugin.abi {
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
        // The buffer grows with the bytes that are there, not with what the header says.
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

fn check_format(magic: [u8; 4], format: u8) -> Result<(), SnapshotError> {
    match (magic, format) {
        (MAGIC, FORMAT) => Ok(()),
        (MAGIC, other) => Err(SnapshotError::Format(other)),
        _ => Err(SnapshotError::Magic),
    }
}

/// A snapshot that says that there is no state.
pub fn none(provenance: &Provenance<'_>) -> Vec<u8> {
    Snapshot::pack(&provenance.header(PayloadKind::None, 0), &[])
}

/// A snapshot that stands for the dropped state of `node`: it says that there is no state, from now on.
pub fn dropped(node: &UdfNode) -> Vec<u8> {
    let header = SnapshotHeader {
        kind: PayloadKind::None.into(),
        function: node.function.clone(),
        task: node.task.clone(),
        node: node.node.clone(),
        started_at: now(),
        taken_at: now(),
        host_version: env!("CARGO_PKG_VERSION").to_owned(),
        ..SnapshotHeader::default()
    };
    Snapshot::pack(&header, &[])
}

/// The snapshot of a state in the plugin's own format.
pub fn of_plugin(state: &[u8], provenance: &Provenance<'_>) -> Vec<u8> {
    Snapshot::pack(&provenance.header(PayloadKind::Plugin, state.len()), state)
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
        assert_eq!(empty(WINDOW).payload(Bytes::mib(1)).unwrap(), Vec::<u8>::new());
        assert!(matches!(empty(WINDOW + 1).payload(Bytes::mib(1)), Err(SnapshotError::Damaged(_))));
    }
}
