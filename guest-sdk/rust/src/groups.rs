//! The state of the groups of a task.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::wire::same;

/// The state of each group, by Kapacitor's group id.
///
/// Groups without data, such as `()`, are not told apart: there is at most one.
#[derive(Debug)]
pub struct Groups<G> {
    // Ids are compared as bytes: they are opaque, and need not be checked to be text.
    table: HashTable<(Vec<u8>, G)>,
}

impl<G> Default for Groups<G> {
    fn default() -> Self {
        Self { table: HashTable::new() }
    }
}

/// The same in each sandbox, so that the same input has the same state.
#[inline(always)]
fn hash(id: &[u8]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    // Alone, so without a prefix for its length.
    hasher.write(id);
    hasher.finish()
}

impl<G> Groups<G> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The groups by id, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &G)> {
        let mut groups: Vec<_> =
            self.table.iter().map(|(id, group)| (crate::point::text(id), group)).collect();
        groups.sort_unstable_by_key(|(id, _)| *id);
        groups.into_iter()
    }

    /// The groups by id, sorted, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut G)> {
        let mut groups: Vec<_> =
            self.table.iter_mut().map(|(id, group)| (crate::point::text(id), group)).collect();
        groups.sort_unstable_by_key(|(id, _)| *id);
        groups.into_iter()
    }

    /// Sets the state of a group.
    pub fn insert(&mut self, id: &str, group: G) {
        match self.entry(id.as_bytes()) {
            Entry::Occupied(mut entry) => entry.get_mut().1 = group,
            Entry::Vacant(entry) => {
                entry.insert((id.as_bytes().to_vec(), group));
            }
        }
    }

    /// Forgets the groups for which `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut G) -> bool) {
        self.table.retain(|(id, group)| keep(crate::point::text(id), group));
    }

    #[inline(always)]
    fn entry(&mut self, id: &[u8]) -> Entry<'_, (Vec<u8>, G)> {
        self.table.entry(hash(id), |(other, _)| same(other, id), |(id, _)| hash(id))
    }

    /// Forgets all groups.
    pub fn clear(&mut self) {
        self.table.clear();
    }
}

impl<G: Default> Groups<G> {
    /// The state of a group, made now if it is new.
    #[inline(never)]
    pub(crate) fn of(&mut self, id: &[u8]) -> &mut G {
        // Known when compiled: a plugin without state pays for no look-up.
        let id = if size_of::<G>() == 0 { &[] } else { id };
        match self.entry(id) {
            Entry::Occupied(entry) => &mut entry.into_mut().1,
            Entry::Vacant(entry) => &mut entry.insert((id.to_vec(), G::default())).into_mut().1,
        }
    }
}
