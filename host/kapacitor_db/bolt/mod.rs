//! Reads BoltDB files (go.etcd.io/bbolt and its predecessor): buckets and their entries.
//!
//! The file is not trusted. It is read into memory, not mapped, and nothing in it chooses how much is
//! allocated or how long a walk takes: each page is visited once, and what lies in a page may not
//! overlap. No crate did: bbolt-rs 1.3.10 does not open Kapacitor's files, and nut 0.1.6 runs forever on
//! a page that names itself.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

pub use damage::{BoltError, Damage, Place};
use page::{Element, PAGE_HEADER, Page, Root, u32_at, u64_at};

mod damage;
mod page;

/// The sizes that pages may have; Bolt takes that of the system that makes the file.
const PAGE_SIZES: [usize; 7] = [1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 16];
/// As much as is needed to find both meta pages, whatever the page size.
const HEAD: u64 = 2 << 16;
const META: usize = 64;
const MAGIC: u32 = 0xed0c_daed;
const VERSION: u32 = 2;

/// A key and its value.
pub type Entry<'a> = (&'a [u8], &'a [u8]);

/// A BoltDB file as its last transaction left it.
pub struct Database {
    bytes: Vec<u8>,
    meta: Meta,
}

impl Database {
    /// Reads a file. It is locked meanwhile, so that no process begins to write it.
    ///
    /// # Errors
    ///
    /// When a process has the file open to write, when it can't be read, or when it is no BoltDB file.
    pub fn open(path: &Path) -> Result<Self, BoltError> {
        // To open a pipe could block, and a device may have no end.
        if !fs::metadata(path)?.is_file() {
            return Err(BoltError::NotAFile);
        }
        let mut file = File::open(path)?;
        lock(&file)?;
        let mut bytes = Vec::new();
        file.by_ref().take(HEAD).read_to_end(&mut bytes)?;
        let used = Meta::latest(&bytes)?.used();
        file.take(used.saturating_sub(HEAD)).read_to_end(&mut bytes)?;
        Self::parse(bytes)
    }

    /// Takes the bytes of a file.
    ///
    /// # Errors
    ///
    /// When they are no BoltDB file.
    pub fn parse(mut bytes: Vec<u8>) -> Result<Self, BoltError> {
        let meta = Meta::latest(&bytes)?;
        // Bolt makes the file longer than it needs; what is there is not of this transaction.
        bytes.truncate(usize::try_from(meta.used()).unwrap_or(usize::MAX));
        Ok(Self { bytes, meta })
    }

    /// How many bytes are in use.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The keys and values of the bucket at `path`, from the outermost bucket to the innermost, without
    /// the buckets within it; `None` if there is no such bucket.
    ///
    /// # Errors
    ///
    /// When a page on the way is damaged.
    pub fn entries(&self, path: &[&str]) -> Result<Option<Vec<Entry<'_>>>, Damage> {
        let mut walk = Walk::new(self);
        let mut elements = walk.elements(Root::Page(self.meta.root))?;
        for name in path {
            let found = elements.iter().find(|element| element.bucket && element.key == name.as_bytes());
            let Some(bucket) = found else { return Ok(None) };
            elements = walk.elements(Root::of(bucket.value)?)?;
        }
        let entries = elements.iter().filter(|element| !element.bucket);
        Ok(Some(entries.map(|element| (element.key, element.value)).collect()))
    }
}

/// Bolt holds an exclusive `flock` as long as it has a file open to write.
fn lock(file: &File) -> Result<(), BoltError> {
    match flock(file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(()),
        Err(Errno::WOULDBLOCK) => Err(BoltError::InUse),
        Err(e) => Err(BoltError::Read(e.into())),
    }
}

/// What a meta page says. There are two, which transactions write by turns.
#[derive(Clone, Copy)]
struct Meta {
    page_size: usize,
    /// The first page of the bucket around all others.
    root: u64,
    /// The number of pages in use.
    pages: u64,
    transaction: u64,
}

impl Meta {
    fn latest(head: &[u8]) -> Result<Self, BoltError> {
        let first = Self::at(head, 0);
        let second = match &first {
            Ok(first) => Self::at(head, first.page_size).ok(),
            // Without the first one the page size is not known. The smallest is tried first, since
            // behind the real meta page there is data, which could be made to look like one.
            Err(_) => PAGE_SIZES.iter().find_map(|size| Self::at(head, *size).ok()),
        };
        match (first, second) {
            (Ok(first), Some(second)) if second.transaction > first.transaction => Ok(second),
            (Err(_), Some(second)) => Ok(second),
            (first, _) => first,
        }
    }

    fn at(head: &[u8], start: usize) -> Result<Self, BoltError> {
        let meta = head.get(start..).and_then(|page| page.get(PAGE_HEADER..PAGE_HEADER + META));
        let meta = meta.ok_or(BoltError::NotBolt)?;
        let (u32_at, u64_at) = (|at| u32_at(meta, at).unwrap_or(0), |at| u64_at(meta, at).unwrap_or(0));
        if u32_at(0) != MAGIC {
            return Err(BoltError::NotBolt);
        }
        if u64_at(56) != fnv1a(&meta[..56]) {
            return Err(Damage::Meta.into());
        }
        if u32_at(4) != VERSION {
            return Err(BoltError::Version(u32_at(4)));
        }
        let page_size = PAGE_SIZES.into_iter().find(|size| *size as u64 == u64::from(u32_at(8)));
        match page_size {
            Some(page_size) if start == 0 || start == page_size => {
                Ok(Self { page_size, root: u64_at(16), pages: u64_at(40), transaction: u64_at(48) })
            }
            _ => Err(Damage::PageSize(u32_at(8)).into()),
        }
    }

    /// How many bytes the pages have together.
    fn used(&self) -> u64 {
        self.pages.saturating_mul(self.page_size as u64)
    }
}

/// A walk over pages, none of them twice.
struct Walk<'a> {
    database: &'a Database,
    visited: Vec<bool>,
}

impl<'a> Walk<'a> {
    fn new(database: &'a Database) -> Self {
        Self { database, visited: vec![false; database.bytes.len() / database.meta.page_size] }
    }

    /// All that is in a bucket.
    fn elements(&mut self, root: Root<'a>) -> Result<Vec<Element<'a>>, Damage> {
        let mut elements: Vec<Element<'a>> = Vec::new();
        let mut next = Vec::new();
        let mut page = match root {
            Root::Page(number) => self.page(number)?,
            Root::Inline(bytes) => Page::parse(Place::Inline, bytes)?,
        };
        loop {
            if page.branch {
                let children = page.children()?;
                next.extend(children.into_iter().rev());
            } else {
                page.leaf(&mut elements)?;
            }
            let Some(number) = next.pop() else { return Ok(elements) };
            page = self.page(number)?;
        }
    }

    /// A page and those that it runs over into.
    fn page(&mut self, number: u64) -> Result<Page<'a>, Damage> {
        let place = Place::Page(number);
        let outside = Damage::Outside(place);
        let first = usize::try_from(number).map_err(|_| outside)?;
        let size = self.database.meta.page_size;
        let start = first.checked_mul(size).ok_or(outside)?;
        let bytes = self.database.bytes.get(start..).ok_or(outside)?;
        let overflow = u32_at(bytes, 12).ok_or(outside)? as usize;
        if u64_at(bytes, 0) != Some(number) {
            return Err(Damage::Number { place, says: u64_at(bytes, 0).unwrap_or(0) });
        }
        let end = first.checked_add(overflow).and_then(|last| last.checked_add(1)).ok_or(outside)?;
        let visited = self.visited.get_mut(first..end).ok_or(outside)?;
        if visited.contains(&true) {
            return Err(Damage::UsedTwice(place));
        }
        visited.fill(true);
        Page::parse(place, &bytes[..(end - first) * size])
    }
}

/// The checksum of meta pages.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests;
