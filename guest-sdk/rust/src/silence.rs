//! Finds groups that have fallen silent: the callbacks `silent` of `Stream` and `Batch`.
//!
//! Each group is in a list that is ordered by its last call, so that a call moves one group to the end, and a group that
//! is silent is at the front: both take constant time, however many groups there are.

use std::hash::{BuildHasher, Hasher};
use std::mem;
use std::time::Duration;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::buffer::Buffer;
use crate::bytes::same;
use crate::data_clock::DataClock;
use crate::wire::{self, Fields};

/// The groups that are not silent.
#[derive(Debug)]
pub struct Silence {
    /// The silence that is reported, in nanoseconds; `None` if none is.
    span: Option<i64>,
    clock: DataClock,
    /// Places in `calls`, by id.
    table: HashTable<u32>,
    calls: Vec<LastCall>,
    /// Places in `calls` that are free.
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
    /// The most groups that are kept.
    most: usize,
}

/// The last call of a group.
#[derive(Debug, Default)]
struct LastCall {
    id: Vec<u8>,
    /// The time that had passed.
    passed: i64,
    /// What the group's last point or batch was like.
    kept: Vec<u8>,
    older: u32,
    newer: u32,
}

/// In the place of a neighbour: there is none.
const NONE: u32 = u32::MAX;

/// A group that has fallen silent.
#[derive(Debug)]
pub struct Silent {
    pub id: Vec<u8>,
    pub kept: Vec<u8>,
}

impl Silence {
    /// Without groups, and without a silence that is reported.
    pub fn new(most: usize) -> Self {
        Self {
            span: None,
            clock: DataClock::new(1),
            table: HashTable::new(),
            calls: Vec::new(),
            free: Vec::new(),
            oldest: NONE,
            newest: NONE,
            most: most.max(1),
        }
    }

    /// Sets the silence that is reported and the most groups that are kept, before the first call.
    pub fn start(&mut self, span: Option<Duration>, most: usize) {
        self.most = most.max(1);
        self.span = span.map(|span| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX).max(1));
        self.clock = DataClock::new(self.span.unwrap_or(1));
    }

    /// The time of the data.
    pub fn now(&self) -> i64 {
        self.clock.time()
    }

    /// Notes a call for a group, at the time of its point; `keep` writes what the point was like behind what it finds.
    pub fn note(&mut self, id: &[u8], time: i64, keep: impl FnOnce(&mut Vec<u8>)) {
        let passed = self.clock.look(time);
        self.put(id, passed, keep);
    }

    fn put(&mut self, id: &[u8], passed: i64, keep: impl FnOnce(&mut Vec<u8>)) {
        let calls = &self.calls;
        let found = self.table.find(hash(id), |place| same(&calls[*place as usize].id, id)).copied();
        let place = match found {
            Some(place) => {
                self.unlink(place);
                place
            }
            None => self.add(id),
        };
        let call = &mut self.calls[place as usize];
        call.passed = passed;
        call.kept.clear();
        keep(&mut call.kept);
        (call.older, call.newer) = (self.newest, NONE);
        match self.calls.get_mut(self.newest as usize) {
            Some(before) => before.newer = place,
            None => self.oldest = place,
        }
        self.newest = place;
    }

    /// A place for a new group. If there are too many, the one that has been silent longest goes.
    fn add(&mut self, id: &[u8]) -> u32 {
        if self.table.len() >= self.most {
            self.remove(self.oldest);
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.calls.push(LastCall::default());
            (self.calls.len() - 1) as u32
        });
        self.calls[place as usize].id = id.to_vec();
        let calls = &self.calls;
        self.table.insert_unique(hash(id), place, |place| hash(&calls[*place as usize].id));
        place
    }

    /// Takes a group out of the list.
    fn unlink(&mut self, place: u32) {
        let LastCall { older, newer, .. } = self.calls[place as usize];
        match self.calls.get_mut(older as usize) {
            Some(call) => call.newer = newer,
            None => self.oldest = newer,
        }
        match self.calls.get_mut(newer as usize) {
            Some(call) => call.older = older,
            None => self.newest = older,
        }
    }

    fn remove(&mut self, place: u32) -> Silent {
        self.unlink(place);
        let LastCall { id, kept, .. } = mem::take(&mut self.calls[place as usize]);
        if let Ok(entry) = self.table.find_entry(hash(&id), |other| *other == place) {
            entry.remove();
        }
        self.free.push(place);
        Silent { id, kept }
    }

    /// The next group that has fallen silent, each once. It counts again when its next call is noted.
    pub fn next_silent(&mut self) -> Option<Silent> {
        let call = self.calls.get(self.oldest as usize)?;
        let is_silent = self.clock.passed().saturating_sub(call.passed) >= self.span?;
        is_silent.then(|| self.remove(self.oldest))
    }

    pub fn clear(&mut self) {
        let clock = DataClock::new(self.span.unwrap_or(1));
        *self = Self { span: self.span, clock, ..Self::new(self.most) };
    }

    /// All of this as bytes, for a snapshot in a plugin's own format.
    pub fn encode(&self) -> Buffer {
        let (mut out, mut clock) = (Buffer::new(), Buffer::new());
        self.clock.encode(&mut clock);
        wire::put_bytes(1, &clock, &mut out);
        let mut place = self.oldest;
        while let Some(call) = self.calls.get(place as usize) {
            let mut entry = Buffer::new();
            wire::put_bytes(1, &call.id, &mut entry);
            wire::put_int(2, self.clock.passed().saturating_sub(call.passed), &mut entry);
            wire::put_bytes(3, &call.kept, &mut entry);
            wire::put_bytes(2, &entry, &mut out);
            place = call.newer;
        }
        out
    }

    /// Goes on from what was encoded.
    pub fn decode(&mut self, message: &[u8]) {
        self.clear();
        for field in Fields(message) {
            if field.number == 1 {
                self.clock.decode(field.bytes);
                continue;
            }
            let (mut id, mut age, mut kept) = (&[][..], 0, &[][..]);
            for part in Fields(field.bytes) {
                match part.number {
                    1 => id = part.bytes,
                    2 => age = part.varint() as i64,
                    _ => kept = part.bytes,
                }
            }
            self.put(id, age.saturating_neg(), |out| out.extend_from_slice(kept));
        }
    }
}

/// The same in each sandbox.
fn hash(id: &[u8]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(id);
    hasher.finish()
}
