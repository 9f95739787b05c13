//! Packs data into a plugin: a trained model, a table, a calibration. A plugin has no files, so what it needs beside
//! its options comes in its `.wasm`.
//!
//! The module is not linked anew. Its linear memory begins larger, and the data lie behind what was its initial
//! memory: nothing that the linker has placed is moved, and an allocator never touches them if it takes what the
//! linker has left, from `__heap_base` to `__heap_end`, and what `memory.grow` returns. Those of Rust's standard
//! library and of wasi-libc take no other memory. Where the data are, the plugin reads in a record of 32 bytes that
//! it holds for this purpose:
//!
//! | bytes | before | after |
//! |---|---|---|
//! | 0 to 15 | [`MARK`] | unchanged |
//! | 16 to 23 | all bits set | address of the data, little endian |
//! | 24 to 31 | all bits set | their length in bytes, little endian |
//!
//! The record is found by its bytes: exactly one must lie in the data of the module. No byte of it is zero before, so
//! that no tool leaves parts of it out.

use std::ops::Range;

use thiserror::Error;
use wasm_encoder::{ConstExpr, DataCountSection, DataSection, MemorySection, Module, RawSection};
use wasmparser::{BinaryReaderError, DataKind, Encoding, MemoryType, Parser, Payload, TypeRef};

/// The bytes by which the record is found.
pub const MARK: [u8; 16] = *b"kapacitor:packed";

/// The record of a plugin that nothing was packed into, behind [`MARK`].
const EMPTY: [u8; 16] = [0xff; 16];

/// Length of a page of linear memory in bytes.
const PAGE: u64 = 65_536;

/// The most pages that a memory of 32 bits has.
const MOST_PAGES: u64 = 65_536;

/// Why nothing is packed into a file. The message continues a sentence that begins with the file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PackError {
    /// It does not begin like a module.
    #[error("is no WebAssembly module")]
    NoModule,
    /// It can't be read to its end.
    #[error("is a damaged WebAssembly module: {0}")]
    Damaged(String),
    /// It is a component.
    #[error("is a WebAssembly component, and a plugin is a core module")]
    Component,
    /// It has no record.
    #[error("is no plugin that takes packed data")]
    TakesNone,
    /// It has several records.
    #[error("has {0} places for packed data instead of one: build it with one version of the SDK")]
    Ambiguous(usize),
    /// Something was packed into it before.
    #[error("has packed data already: pack into the plugin as it was built")]
    PackedAlready,
    /// Its memory is of a kind that no plugin has.
    #[error("has {0}, and a plugin has one linear memory of 32 bits of its own")]
    Memory(&'static str),
    /// There is no room.
    #[error("has room for {room} bytes of packed data, and these are {given}")]
    TooLarge {
        /// Bytes that there is room for.
        room: u64,
        /// Bytes that were to be packed.
        given: u64,
    },
    /// There are no data.
    #[error("can't be given packed data of no bytes")]
    NoData,
}

impl From<BinaryReaderError> for PackError {
    fn from(error: BinaryReaderError) -> Self {
        Self::Damaged(format!("{} at byte {}", error.message(), error.offset()))
    }
}

/// What has to be known of a module to pack data into it.
#[derive(Default)]
struct Found {
    memory: Option<MemoryType>,
    /// Where in the file the two numbers of each record are.
    records: Vec<Range<usize>>,
}

/// The module with data packed into it.
///
/// Everything that the module has besides, also its custom sections, stays as it was.
///
/// # Errors
///
/// When the file is not understood, takes no packed data, has some already, or has no room for these.
///
/// ```
/// use kapacitor_wasm_pack::{PackError, pack};
///
/// assert_eq!(pack(b"text", b"model"), Err(PackError::NoModule));
/// ```
pub fn pack(module: &[u8], data: &[u8]) -> Result<Vec<u8>, PackError> {
    if module.get(..4) != Some(b"\0asm") {
        return Err(PackError::NoModule);
    }
    if data.is_empty() {
        return Err(PackError::NoData);
    }
    let found = find(module)?;
    let record = match &found.records[..] {
        [] => return Err(PackError::TakesNone),
        [record] if module[record.clone()] == EMPTY => record.clone(),
        [_] => return Err(PackError::PackedAlready),
        records => return Err(PackError::Ambiguous(records.len())),
    };
    let memory = found.memory.ok_or(PackError::Memory("no memory"))?;
    let (address, memory) = enlarged(memory, data.len() as u64)?;

    let mut patched = module.to_vec();
    let numbers = patched[record].as_chunks_mut().0;
    numbers[0] = address.to_le_bytes();
    numbers[1] = (data.len() as u64).to_le_bytes();
    rewrite(&patched, memory, address, data)
}

/// Looks for the memory and the records.
fn find(module: &[u8]) -> Result<Found, PackError> {
    let mut found = Found::default();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::Version { encoding: Encoding::Component, .. } => return Err(PackError::Component),
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if matches!(import?.ty, TypeRef::Memory(_)) {
                        return Err(PackError::Memory("an imported memory"));
                    }
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    if found.memory.replace(memory?).is_some() {
                        return Err(PackError::Memory("several memories"));
                    }
                }
            }
            Payload::DataSection(segments) => {
                for segment in segments {
                    let segment = segment?;
                    if let DataKind::Active { .. } = segment.kind {
                        let start = segment.range.end - segment.data.len();
                        let marks = positions(segment.data).map(|at| start + at + MARK.len());
                        found.records.extend(marks.map(|at| at..at + EMPTY.len()));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Where records begin in a segment.
fn positions(segment: &[u8]) -> impl Iterator<Item = usize> {
    let windows = segment.windows(MARK.len() + EMPTY.len()).enumerate();
    windows.filter(|(_, bytes)| bytes.starts_with(&MARK)).map(|(at, _)| at)
}

/// The first address behind a memory, and the memory with room for data from there.
fn enlarged(memory: MemoryType, length: u64) -> Result<(u64, MemoryType), PackError> {
    let kind = match memory {
        MemoryType { memory64: true, .. } => Some("a memory of 64 bits"),
        MemoryType { shared: true, .. } => Some("a shared memory"),
        MemoryType { page_size_log2: Some(_), .. } => Some("a memory with pages of another size"),
        _ => None,
    };
    if let Some(kind) = kind {
        return Err(PackError::Memory(kind));
    }
    let most = memory.maximum.unwrap_or(MOST_PAGES).min(MOST_PAGES);
    let room = most.saturating_sub(memory.initial) * PAGE;
    if length > room {
        return Err(PackError::TooLarge { room, given: length });
    }
    let initial = memory.initial + length.div_ceil(PAGE);
    Ok((memory.initial * PAGE, MemoryType { initial, ..memory }))
}

/// The module with this memory, and with one more segment.
fn rewrite(module: &[u8], memory: MemoryType, address: u64, data: &[u8]) -> Result<Vec<u8>, PackError> {
    let mut out = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::MemorySection(_) => {
                let mut memories = MemorySection::new();
                memories.memory(wasm_encoder::MemoryType {
                    minimum: memory.initial,
                    maximum: memory.maximum,
                    memory64: false,
                    shared: false,
                    page_size_log2: None,
                });
                out.section(&memories);
            }
            Payload::DataCountSection { count, .. } => {
                out.section(&DataCountSection { count: count.saturating_add(1) });
            }
            Payload::DataSection(segments) => {
                let mut all = DataSection::new();
                for segment in segments {
                    all.raw(&module[segment?.range]);
                }
                // An address of 32 bits is the constant with the same bits.
                let place = ConstExpr::i32_const(address as u32 as i32);
                all.active(0, &place, data.iter().copied());
                out.section(&all);
            }
            other => {
                if let Some((id, range)) = other.as_section() {
                    out.section(&RawSection { id, data: &module[range] });
                }
            }
        }
    }
    Ok(out.finish())
}

#[cfg(test)]
mod tests;
