//! The states of a task's groups.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::aging::{Aging, Crowded, IDLE, MAX_GROUPS};
use crate::bytes::same;
use crate::wire::text;

/// The state of each group, by Kapacitor's id of the group.
///
/// If the state is a type without data, such as `()`, all groups share one entry.
///
/// Groups that are idle, or too many, are given up: see [`Stream::IDLE`](crate::Stream::IDLE) and
/// [`Stream::max_groups`](crate::Stream::max_groups).
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
    table: HashTable<Slot<G>>,
    aging: Aging,
}

/// One group.
#[derive(Debug)]
struct Slot<G> {
    /// Compared as bytes: ids are opaque, so there is no need to check that they are UTF-8.
    id: Vec<u8>,
    group: G,
    /// The number of its last call.
    seen: u64,
}

impl<G> Default for Groups<G> {
    fn default() -> Self {
        Self::new(IDLE, MAX_GROUPS)
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
    pub(crate) fn new(idle: Duration, most: usize) -> Self {
        Self { table: HashTable::new(), aging: Aging::new(idle, most) }
    }

    /// Sets the most groups that are kept, before the first one comes.
    pub(crate) fn set_most(&mut self, most: usize) {
        self.aging.set_most(most);
    }

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
        let mut groups: Vec<_> = self.table.iter().map(|slot| (text(&slot.id), &slot.group)).collect();
        groups.sort_unstable_by_key(|(id, _)| *id);
        groups.into_iter()
    }

    /// An iterator over ids and states, sorted by id, that can change the states.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut G)> {
        let mut groups: Vec<_> =
            self.table.iter_mut().map(|slot| (text(&slot.id), &mut slot.group)).collect();
        groups.sort_unstable_by_key(|(id, _)| *id);
        groups.into_iter()
    }

    /// Sets the state of a group, which may be new. That counts as if a point of the group had come: a group beyond
    /// [`Stream::max_groups`](crate::Stream::max_groups) takes the place of others.
    pub fn insert(&mut self, id: &str, group: G) {
        let (id, seen) = (id.as_bytes(), self.aging.count());
        let hash = hash(id);
        match self.table.find_entry(hash, |slot| same(&slot.id, id)) {
            Ok(slot) => {
                let slot = slot.into_mut();
                (slot.group, slot.seen) = (group, seen);
            }
            Err(_) => {
                add(&mut self.table, &mut self.aging, hash, Slot { id: id.to_vec(), group, seen });
            }
        }
    }

    /// Removes the groups for which `keep` returns false.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut G) -> bool) {
        self.table.retain(|slot| keep(text(&slot.id), &mut slot.group));
    }

    /// Removes all groups.
    pub fn clear(&mut self) {
        self.table.clear();
    }

    /// Gives up idle groups every now and then, by the time of a point that has come.
    #[inline(always)]
    pub(crate) fn age(&mut self, time: impl FnOnce() -> i64) {
        // Decided at compile time: without state, no group is older than another.
        if size_of::<G>() > 0 && self.aging.is_due() {
            self.give_up_idle(time);
        }
    }

    #[cold]
    #[inline(never)]
    fn give_up_idle(&mut self, time: impl FnOnce() -> i64) {
        let Some(oldest) = self.aging.look(time()) else {
            return;
        };
        self.table.retain(|slot| slot.seen >= oldest);
        if self.table.len() < self.table.capacity() / 4 {
            // Room to double, so that a few new groups don't make it grow at once.
            self.table.shrink_to(self.table.len() * 2, rehash);
        }
    }

    /// What was given up because there were too many groups.
    pub(crate) fn crowded(&self) -> Crowded {
        self.aging.crowded()
    }
}

/// Adds a group that the table does not have.
#[cold]
#[inline(never)]
fn add<'a, G>(
    table: &'a mut HashTable<Slot<G>>,
    aging: &mut Aging,
    hash: u64,
    slot: Slot<G>,
) -> &'a mut Slot<G> {
    if table.len() >= aging.most() {
        let least = aging.crowd_out(table.iter().map(|slot| slot.seen).collect());
        table.retain(|slot| slot.seen >= least);
    }
    if table.len() == table.capacity() && most_in(table.num_buckets()) >= aging.most() {
        // Places of removed groups stay in use. The table would double rather than clear more than half of its places,
        // so it is filled anew. What was removed since the last time pays for that.
        let slots: Vec<_> = table.drain().collect();
        for slot in slots {
            table.insert_unique(rehash(&slot), slot, rehash);
        }
    }
    table.insert_unique(hash, slot, rehash).into_mut()
}

/// The number of entries that a table without removed ones holds before it doubles.
fn most_in(buckets: usize) -> usize {
    if buckets < 8 { buckets - 1 } else { buckets / 8 * 7 }
}

fn rehash<G>(slot: &Slot<G>) -> u64 {
    hash(&slot.id)
}

impl<G: Default> Groups<G> {
    /// The state of a group, unless it was given up. This is no call of the group.
    pub(crate) fn existing(&mut self, id: &[u8]) -> Option<&mut G> {
        if size_of::<G>() == 0 {
            return Some(self.of(id));
        }
        self.table.find_mut(hash(id), |slot| same(&slot.id, id)).map(|slot| &mut slot.group)
    }

    /// The state of a group, which is created if the group is new.
    #[inline(never)]
    pub(crate) fn of(&mut self, id: &[u8]) -> &mut G {
        // Decided at compile time: without state, nothing is hashed.
        let id = if size_of::<G>() == 0 { &[] } else { id };
        let hash = hash(id);
        let seen = self.aging.count();
        match self.table.find_entry(hash, |slot| same(&slot.id, id)) {
            Ok(slot) => {
                let slot = slot.into_mut();
                slot.seen = seen;
                &mut slot.group
            }
            Err(absent) => {
                let slot = Slot { id: id.to_vec(), group: G::default(), seen };
                &mut add(absent.into_table(), &mut self.aging, hash, slot).group
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A group that counts its points, and one point of it.
    fn count(groups: &mut Groups<u64>, id: &str, time: i64) -> u64 {
        groups.age(|| time);
        let count = groups.of(id.as_bytes());
        *count += 1;
        *count
    }

    #[test]
    fn groups_are_those_of_a_model() {
        const MOST: usize = 40;
        let mut groups = Groups::<u64>::new(Duration::MAX, MOST);
        let mut model = BTreeMap::<String, (u64, u64)>::new();
        let mut random = 1_u64;
        for seen in 0..20_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (id, action) = (format!("host={}", (random >> 33) % 70), (random >> 50) % 1000);
            if action == 0 {
                groups.retain(|_, count| *count % 3 > 0);
                model.retain(|_, (count, _)| *count % 3 > 0);
            }
            if model.len() == MOST && !model.contains_key(&id) {
                let mut by_silence: Vec<_> =
                    model.iter().map(|(id, (_, seen))| (*seen, id.clone())).collect();
                by_silence.sort();
                for (_, id) in &by_silence[..MOST / 8] {
                    model.remove(id);
                }
            }
            let entry = model.entry(id.clone()).or_default();
            *entry = (entry.0 + 1, seen);
            if action % 2 == 0 {
                assert_eq!(count(&mut groups, &id, 0), entry.0);
            } else {
                groups.insert(&id, entry.0);
            }
            let of_model = model.iter().map(|(id, (count, _))| (&**id, count));
            assert!(groups.iter().eq(of_model), "{groups:?}");
        }
    }

    #[test]
    fn million_groups_come_and_go() {
        let mut groups = Groups::default();
        let mut steady = 0;
        for number in 0..1_000_000 {
            // The time stands still, so nothing is idle.
            assert_eq!(count(&mut groups, &format!("container={number}"), 0), 1);
            if number % 1000 == 0 {
                steady += 1;
                assert_eq!(count(&mut groups, "steady", 0), steady);
            }
            assert!(groups.len() <= MAX_GROUPS);
        }
        assert!(groups.len() > MAX_GROUPS / 8 * 7 && groups.table.num_buckets() == 1 << 17);
        let Crowded { most, sweeps, groups: gone } = groups.crowded();
        assert_eq!((most, gone), (MAX_GROUPS, 1_000_001 - groups.len() as u64));
        assert!(sweeps < 100);
    }

    #[test]
    fn table_stays_as_large_as_it_must_be() {
        // The last of these sizes fill a table to its last place, so that places of removed groups matter.
        for most in (0..70).chain([895, 896, 897, 1792]) {
            let mut groups = Groups::<u64>::new(Duration::MAX, most);
            for number in 0..20_000 {
                count(&mut groups, &number.to_string(), number);
                assert!((1..=most.max(1)).contains(&groups.len()));
            }
            let least = HashTable::<Slot<u64>>::with_capacity(most.max(1)).num_buckets();
            assert!(groups.table.num_buckets() <= least, "{most}: {}", groups.table.num_buckets());
        }
    }

    #[test]
    fn idle_groups_go_and_their_memory_is_given_back() {
        const HOUR: i64 = 3_600_000_000_000;
        let mut groups = Groups::default();
        for number in 0..50_000 {
            count(&mut groups, &number.to_string(), 1000 * HOUR + number);
        }
        let buckets = groups.table.num_buckets();
        let mut minutes = 0;
        while groups.len() > 1 {
            minutes += 1;
            count(&mut groups, "steady", 1000 * HOUR + minutes * HOUR / 60);
        }
        assert!((24 * 60..30 * 60).contains(&minutes), "{minutes}");
        assert_eq!(*groups.of(b"steady"), minutes as u64);
        assert!(groups.table.num_buckets() < buckets / 1000);
        assert_eq!(groups.crowded().groups, 0);
    }

    #[test]
    fn state_without_data_has_one_entry_and_no_age() {
        let mut groups = Groups::<()>::default();
        for number in 0..1000_i64 {
            groups.age(|| panic!("the time was read"));
            groups.of(&number.to_le_bytes());
        }
        assert_eq!(groups.len(), 1);
    }
}
