//! One page of a bucket: a table of elements, then their keys and values.

use super::damage::{Damage, Place};

/// What a page begins with: its number, its kind, the number of elements, and over how many more pages
/// it runs.
pub(super) const PAGE_HEADER: usize = 16;
/// An entry of the table.
const ELEMENT: usize = 16;
/// What the value of a bucket begins with: its first page and a counter.
const BUCKET_HEADER: usize = 16;
const BRANCH: u16 = 1;
const LEAF: u16 = 2;
/// The flag of an element that is a bucket.
const BUCKET: u32 = 1;

/// Where a bucket begins.
pub(super) enum Root<'a> {
    Page(u64),
    Inline(&'a [u8]),
}

impl<'a> Root<'a> {
    pub(super) fn of(value: &'a [u8]) -> Result<Self, Damage> {
        let number = u64_at(value, 0).ok_or(Damage::Bucket)?;
        let inline = value.get(BUCKET_HEADER..).ok_or(Damage::Bucket)?;
        Ok(if number == 0 { Self::Inline(inline) } else { Self::Page(number) })
    }
}

/// A key and its value, or the name of a bucket and where the bucket begins.
pub(super) struct Element<'a> {
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) bucket: bool,
}

/// A page of a bucket.
pub(super) struct Page<'a> {
    place: Place,
    bytes: &'a [u8],
    pub(super) branch: bool,
    count: usize,
}

impl<'a> Page<'a> {
    pub(super) fn parse(place: Place, bytes: &'a [u8]) -> Result<Self, Damage> {
        let branch = match u16_at(bytes, 8) {
            Some(BRANCH) => true,
            Some(LEAF) => false,
            _ => return Err(Damage::Kind(place)),
        };
        let count = u16_at(bytes, 10).ok_or(Damage::Element(place))?.into();
        Ok(Self { place, bytes, branch, count })
    }

    /// The four numbers of an element, and where it begins.
    fn element(&self, index: usize) -> Option<(usize, [u32; 4])> {
        let at = PAGE_HEADER + index * ELEMENT;
        let word = |i: usize| u32_at(self.bytes, at + 4 * i);
        Some((at, [word(0)?, word(1)?, word(2)?, word(3)?]))
    }

    /// The pages below a branch.
    pub(super) fn children(&self) -> Result<Vec<u64>, Damage> {
        let child = |index| {
            let (_, [_, _, low, high]) = self.element(index)?;
            Some(u64::from(high) << 32 | u64::from(low))
        };
        (0..self.count).map(|index| child(index).ok_or(Damage::Element(self.place))).collect()
    }

    /// Adds what is in a leaf to `elements`.
    pub(super) fn leaf(&self, elements: &mut Vec<Element<'a>>) -> Result<(), Damage> {
        let mut free = PAGE_HEADER + self.count * ELEMENT;
        for index in 0..self.count {
            let (element, end) = self.leaf_element(index, free).ok_or(Damage::Element(self.place))?;
            free = end;
            if elements.last().is_some_and(|last| last.key >= element.key) {
                return Err(Damage::Order(self.place));
            }
            elements.push(element);
        }
        Ok(())
    }

    /// An element that begins at `free` or later, and where it ends. Bolt writes them one after the
    /// other; if they could overlap, a small page could hold much more than its bytes.
    fn leaf_element(&self, index: usize, free: usize) -> Option<(Element<'a>, usize)> {
        let (at, [flags, position, key, value]) = self.element(index)?;
        let start = at.checked_add(position as usize).filter(|start| *start >= free)?;
        let middle = start.checked_add(key as usize)?;
        let end = middle.checked_add(value as usize)?;
        let (key, value) = (self.bytes.get(start..middle)?, self.bytes.get(middle..end)?);
        Some((Element { key, value, bucket: flags & BUCKET != 0 }, end))
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}
