//! The memory of a sandbox as a state: captured from one instance, and applied to another one.
//!
//! Between two calls a guest's stack is empty, so its linear memory and its mutable globals are its state. A
//! captured state consists of the pages that differ from the memory of a fresh instance.

use thiserror::Error;
use wasmtime::{ExternType, Module, Mutability, V128, Val};

use crate::sandbox::instance::{InputBuffer, Sandbox};
use crate::sandbox::long_work::long_work;
use crate::state::{
    PAGE, PAGES_OUTSIDE, PayloadKind, Provenance, Snapshot, SnapshotError, SnapshotHeader, page_runs,
};
use crate::units::Bytes;

type Page = [u8; PAGE];

/// A page that nothing was written to.
static EMPTY: Page = [0; PAGE];

/// The state of a sandbox between two calls, as the difference to its [`MemoryImage`].
#[derive(Debug)]
pub struct MemoryDelta {
    /// Length of the linear memory in bytes.
    memory_bytes: u64,
    /// Values of the mutable globals.
    globals: Vec<u64>,
    /// Runs of pages that differ from the image: the index of the first page, their number, and the pages.
    pages: Vec<u8>,
    /// The input buffer, which the guest has allocated in this memory.
    input: Option<InputBuffer>,
}

impl MemoryDelta {
    /// Bytes that it holds, nearly.
    pub fn size(&self) -> usize {
        self.pages.len() + 8 * self.globals.len()
    }
}

/// Why the state of a plugin's guests can't be captured: its module keeps state that no export shows.
#[derive(Clone, Debug, Error)]
#[error("{0}")]
pub struct NotCapturable(pub String);

/// The state of a fresh instance, to which snapshots are differences.
#[derive(Debug)]
pub struct MemoryImage {
    /// The pages of the linear memory up to the last one that is not empty; `None` for an empty page, such as those
    /// of the stack.
    pages: Vec<Option<Box<Page>>>,
    /// Names under which the mutable globals are exported, in the order of the module.
    globals: Vec<String>,
}

impl MemoryImage {
    /// The image of a plugin, from an instance that has run `_initialize` at most.
    pub(crate) fn of(sandbox: &mut Sandbox, module: &Module) -> Self {
        // Memory has a whole number of pages.
        let pages = sandbox.memory().as_chunks().0.iter();
        let mut pages: Vec<_> = pages.map(|page| (*page != EMPTY).then(|| Box::new(*page))).collect();
        pages.truncate(pages.iter().rposition(Option::is_some).map_or(0, |last| last + 1));
        Self {
            pages,
            // The names that the instrumentation assigns, in the order of the module.
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

    fn page(&self, index: usize) -> &Page {
        self.pages.get(index).and_then(Option::as_deref).unwrap_or(&EMPTY)
    }

    /// Captures the state of `sandbox`, an instance of the image's plugin. An earlier state that is of no more use
    /// gives its allocation.
    ///
    /// # Errors
    ///
    /// When a global has a value that can't be stored.
    pub async fn capture(
        &self,
        sandbox: &mut Sandbox,
        room: Option<MemoryDelta>,
    ) -> Result<MemoryDelta, SnapshotError> {
        let globals = self.save_globals(sandbox)?;
        let room = room.map_or_else(Vec::new, |state| state.pages);
        let memory = sandbox.memory();
        let pages = long_work(memory.len(), || self.differing_pages(memory, room)).await;
        let memory_bytes = memory.len() as u64;
        Ok(MemoryDelta { memory_bytes, globals, pages, input: sandbox.input() })
    }

    /// The runs of pages in `memory` that differ from the image, in the allocation of `pages`.
    fn differing_pages(&self, memory: &[u8], mut pages: Vec<u8>) -> Vec<u8> {
        pages.clear();
        // The position of the run's page count in `pages`, and the index of its last page.
        let mut run: Option<(usize, usize)> = None;
        for (index, page) in memory.as_chunks().0.iter().enumerate() {
            if page == self.page(index) {
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
        if pages.capacity() / 4 > pages.len() {
            pages.shrink_to(2 * pages.len());
        }
        pages
    }

    /// Applies a state to `sandbox`, a fresh instance of the image's plugin. After an error the instance must not
    /// be used.
    ///
    /// # Errors
    ///
    /// When the state is not consistent.
    pub async fn apply(&self, sandbox: &mut Sandbox, state: &MemoryDelta) -> Result<(), SnapshotError> {
        self.load_globals(sandbox, &state.globals)?;
        let memory = sandbox.memory_mut(state.memory_bytes as usize).await?;
        long_work(memory.len(), || self.overwrite(memory, &state.pages)).await?;
        sandbox.set_input(state.input);
        Ok(())
    }

    /// Makes `memory` that of the image with these runs of pages.
    fn overwrite(&self, memory: &mut [u8], pages: &[u8]) -> Result<(), SnapshotError> {
        // A fresh instance may begin differently from the one that the image was made from.
        for (index, page) in memory.as_chunks_mut().0.iter_mut().enumerate() {
            let image = self.page(index);
            // Writing to a page would give the instance a copy of its own.
            if page != image {
                *page = *image;
            }
        }
        for run in page_runs(pages) {
            let (start, pages) = run?;
            let place = start.checked_add(pages.len()).and_then(|end| memory.get_mut(start..end));
            place.ok_or(PAGES_OUTSIDE)?.copy_from_slice(pages);
        }
        Ok(())
    }

    /// Takes a snapshot of `sandbox`, an instance of the image's plugin.
    ///
    /// # Errors
    ///
    /// As [`MemoryImage::capture`].
    pub async fn save(
        &self,
        sandbox: &mut Sandbox,
        provenance: &Provenance<'_>,
    ) -> Result<Vec<u8>, SnapshotError> {
        let MemoryDelta { memory_bytes, globals, pages, .. } = self.capture(sandbox, None).await?;
        let header =
            SnapshotHeader { memory_bytes, globals, ..provenance.header(PayloadKind::Memory, pages.len()) };
        Ok(long_work(pages.len(), || Snapshot::pack(&header, &pages)).await)
    }

    /// Applies the state of a snapshot, which must pass [`Snapshot::check_fit`], to `sandbox`, a fresh instance of
    /// the image's plugin. After an error the instance must not be used.
    ///
    /// # Errors
    ///
    /// When the snapshot is larger than `limit` or is not consistent.
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
        // Each run has a header of eight bytes.
        let most = Bytes(limit.0.saturating_add(limit.0 / PAGE as u64 * 8));
        let pages = long_work(memory_bytes as usize, || snapshot.payload(most)).await?;
        let globals = snapshot.header.globals.clone();
        let state = MemoryDelta { memory_bytes, globals, pages, input: None };
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
