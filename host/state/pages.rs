//! The payload of a memory snapshot: runs of pages.

use super::snapshot::SnapshotError;

/// Size of a page in bytes: the unit in which memory is compared and stored.
pub const PAGE: usize = 4096;

/// A run of pages lies outside of the memory that the snapshot says it has.
pub const PAGES_OUTSIDE: SnapshotError = SnapshotError::Damaged("its pages do not fit its memory");

/// The runs of a payload: the address of each, and its bytes, which are whole pages.
///
/// # Errors
///
/// When the payload ends inside a run of pages; nothing follows.
pub fn page_runs(payload: &[u8]) -> impl Iterator<Item = Result<(usize, &[u8]), SnapshotError>> {
    let mut rest = payload;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let run = rest.split_first_chunk::<8>().and_then(|(head, pages)| {
            let [index, count] =
                [0, 4].map(|i| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]) as usize);
            let (pages, after) = pages.split_at_checked(count.checked_mul(PAGE)?)?;
            rest = after;
            Some((index.checked_mul(PAGE)?, pages))
        });
        if run.is_none() {
            rest = &[];
        }
        Some(run.ok_or(PAGES_OUTSIDE))
    })
}
