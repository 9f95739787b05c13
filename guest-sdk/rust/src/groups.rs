//! The states of a task's groups.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::bytes::same;
use crate::wire::text;

/// The state of each group, by Kapacitor's id of the group.
///
/// If the state is a type without data, such as `()`, all groups share one entry.
///
/// ```
/// # use kapacitor_guest::Groups;
/// let mut groups = Groups::default();
/// groups.insert("host=b", 2);
/// groups.insert("host=a", 1);
/// assert_eq!(groups.iter().collect::<Vec<_>>(), [("host=a", &1), ("host=b", &2)]);
/// groups.retain(|id, _| id == "host=b");
/// assert_eq!(groups.len(), 1);
/// ```
#[derive(Debug)]
pub struct Groups<G> {
    // Ids are compared as bytes: they are opaque, so there is no need to check that they are UTF-8.
    table: HashTable<(Vec<u8>, G)>,
}

impl<G> Default for Groups<G> {
    fn default() -> Self {
        Self { table: HashTable::new() }
    }
}

/// A hash that is the same in each sandbox, so that the same input leads to the same memory.
#[inline(always)]
fn hash(id: &[u8]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    // Nothing else is hashed, so the id needs no prefix with its length.
    hasher.write(id);
    hasher.finish()
}

impl<G> Groups<G> {
    /// The number of groups.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are no groups.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// An iterator over ids and states, sorted by id.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &G)> {
        let mut groups: Vec<_> = self.table.iter().map(|(id, group)| (text(id), group)).collect();
        groups.sort_unstable_by_key(|(id, _)| *id);
        groups.into_iter()
    }

    /// An iterator over ids and states, sorted by id, that can change the states.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut G)> {
        let mut groups: Vec<_> = self.table.iter_mut().map(|(id, group)| (text(id), group)).collect();
        groups.sort_unstable_by_key(|(id, _)| *id);
        groups.into_iter()
    }

    /// Sets the state of a group, which may be new.
    pub fn insert(&mut self, id: &str, group: G) {
        match self.entry(id.as_bytes()) {
            Entry::Occupied(mut entry) => entry.get_mut().1 = group,
            Entry::Vacant(entry) => {
                entry.insert((id.as_bytes().to_vec(), group));
            }
        }
    }

    /// Removes the groups for which `keep` returns false.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut G) -> bool) {
        self.table.retain(|(id, group)| keep(text(id), group));
    }

    #[inline(always)]
    fn entry(&mut self, id: &[u8]) -> Entry<'_, (Vec<u8>, G)> {
        self.table.entry(hash(id), |(other, _)| same(other, id), |(id, _)| hash(id))
    }

    /// Removes all groups.
    pub fn clear(&mut self) {
        self.table.clear();
    }
}

impl<G: Default> Groups<G> {
    /// The state of a group, which is created if the group is new.
    #[inline(never)]
    pub(crate) fn of(&mut self, id: &[u8]) -> &mut G {
        // Decided at compile time: without state, nothing is hashed.
        let id = if size_of::<G>() == 0 { &[] } else { id };
        match self.entry(id) {
            Entry::Occupied(entry) => &mut entry.into_mut().1,
            Entry::Vacant(entry) => &mut entry.insert((id.to_vec(), G::default())).into_mut().1,
        }
    }
}
