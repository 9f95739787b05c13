//! What is kept of a replay while its points stream.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use kapacitor_wasm_data::Point;

use crate::group::Group;
use crate::log::{Level, Log};
use crate::marks::Reasons;
use crate::record::{Record, Room};

/// Keeps what a [`crate::Report`] shows: some megabytes for tens of groups, and about 200 MB at the most, however many
/// points there are. Times may be in any order.
#[derive(Debug)]
pub struct Recorder {
    pub(crate) records: Vec<Record>,
    by_group: HashMap<Group, usize>,
    /// Hashes of the groups for which there was no room.
    others: HashSet<u64>,
    hasher: RandomState,
    pub(crate) room: Room,
    pub(crate) reasons: Reasons,
    pub(crate) log: Log,
    pub(crate) points_in: u64,
    pub(crate) points_out: u64,
    /// Points that were skipped and are in no group.
    pub(crate) skipped_elsewhere: u64,
}

impl Recorder {
    /// Groups that are recorded: the first that there are.
    pub(crate) const GROUPS: usize = 400;
    /// Groups that are counted.
    const COUNTED: usize = 100_000;

    /// A recorder. `named` are the words of the call that may be names of fields, such as the values of its text
    /// options. If points have a field of such a name, it is recorded first, and its chart is the one that is shown
    /// first.
    pub fn new(named: impl IntoIterator<Item = String>) -> Self {
        Self {
            records: Vec::new(),
            by_group: HashMap::new(),
            others: HashSet::new(),
            hasher: RandomState::new(),
            room: Room { named: named.into_iter().take(64).collect(), series: 0, runs: 0 },
            reasons: Reasons::default(),
            log: Log::default(),
            points_in: 0,
            points_out: 0,
            skipped_elsewhere: 0,
        }
    }

    /// A point that goes into the plugin. Points of a batch are given one by one.
    pub fn input(&mut self, group: &Group, point: &Point) {
        self.points_in += 1;
        if let Some(at) = self.find(group) {
            self.records[at].input(point, &mut self.room);
        }
    }

    /// A point that came out of the plugin. Points of a batch are given one by one.
    pub fn output(&mut self, group: &Group, point: &Point) {
        self.points_out += 1;
        if let Some(at) = self.find(group) {
            self.records[at].output(point, &mut self.room);
        }
    }

    /// A point that was skipped, by the host or by the plugin, and why. `time` is that of the point in nanoseconds
    /// since 1970. Reasons are best without what differs from point to point, because they are counted: 50 are told
    /// apart.
    pub fn skipped(&mut self, group: Option<&Group>, time: i64, reason: &str) {
        let reason = self.reasons.add(reason);
        self.skipped_elsewhere += u64::from(group.is_none());
        if let Some(at) = group.and_then(|group| self.find(group)) {
            self.records[at].skip(time, reason);
        }
    }

    /// A line of the plugin's log. `time` is that of the data, in nanoseconds since 1970. The first 500 lines and
    /// the last 500 are kept.
    pub fn log(&mut self, level: Level, time: Option<i64>, text: &str) {
        self.log.add(level, time, text);
    }

    fn find(&mut self, group: &Group) -> Option<usize> {
        if let Some(at) = self.by_group.get(group) {
            return Some(*at);
        }
        let at = self.records.len();
        if at >= Self::GROUPS {
            if self.others.len() < Self::COUNTED {
                self.others.insert(self.hasher.hash_one(group));
            }
            return None;
        }
        self.by_group.insert(group.clone(), at);
        self.records.push(Record { text: group.text().to_owned(), ..Record::default() });
        Some(at)
    }

    /// Groups for which there was no room, and whether there may be more than these.
    pub(crate) fn others(&self) -> (usize, bool) {
        (self.others.len(), self.others.len() >= Self::COUNTED)
    }
}
