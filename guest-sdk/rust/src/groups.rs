//! The state of the groups of a task.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// The state of each group, by Kapacitor's group id.
///
/// Groups without data, such as `()`, are not told apart: there is at most one.
#[derive(Debug)]
pub struct Groups<G> {
    // Keys are compared as bytes: they are opaque, and need not be checked to be text.
    map: HashMap<Vec<u8>, G, FixedState>,
}

impl<G> Default for Groups<G> {
    fn default() -> Self {
        Self { map: HashMap::with_hasher(FixedState::default()) }
    }
}

impl<G> Groups<G> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The groups by id, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &G)> {
        let mut groups: Vec<_> = self.map.iter().map(|(id, group)| (crate::point::text(id), group)).collect();
        groups.sort_unstable_by_key(|(id, _)| *id);
        groups.into_iter()
    }

    /// The groups by id, sorted, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut G)> {
        let mut groups: Vec<_> =
            self.map.iter_mut().map(|(id, group)| (crate::point::text(id), group)).collect();
        groups.sort_unstable_by_key(|(id, _)| *id);
        groups.into_iter()
    }

    /// Sets the state of a group.
    pub fn insert(&mut self, id: &str, group: G) {
        self.map.insert(id.as_bytes().into(), group);
    }

    /// Forgets the groups for which `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut G) -> bool) {
        self.map.retain(|id, group| keep(crate::point::text(id), group));
    }

    /// Forgets all groups.
    pub fn clear(&mut self) {
        self.map.clear();
    }
}

impl<G: Default> Groups<G> {
    /// The state of a group, made now if it is new.
    #[inline]
    pub(crate) fn of(&mut self, id: &[u8]) -> &mut G {
        // Known when compiled: a plugin without state pays for no look-up.
        let id = if size_of::<G>() == 0 { &[] } else { id };
        self.map.entry_ref(id).or_default()
    }
}
