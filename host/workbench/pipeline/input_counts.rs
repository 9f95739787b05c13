//! What a recording has, for the summary and for sentences about what is missing.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use kapacitor_wasm_data::{Point, Value};

use super::group::Group;

/// Maximum number of names that are remembered.
const MAX_NAMES: usize = 100;

/// Maximum number of groups that are told apart.
pub const MAX_GROUPS: usize = 1_000_000;

/// Counts the points of a recording.
#[derive(Debug, Default)]
pub struct InputCounts {
    /// Points that were not left out.
    pub points: u64,
    /// Points whose time is before that of one before them.
    pub out_of_order: u64,
    /// Points that were left out, by measurement, or by database and retention policy.
    filtered: BTreeMap<String, u64>,
    /// For each field, the number of its values by type: double, int, bool, string.
    fields: BTreeMap<String, [u64; 4]>,
    groups: HashSet<Group>,
    tags: BTreeSet<String>,
    /// First and last time.
    times: Option<(i64, i64)>,
}

impl InputCounts {
    /// Counts a point that was left out because it is of `name`.
    pub(super) fn filter(&mut self, name: &str) {
        if let Some(count) = self.filtered.get_mut(name) {
            *count += 1;
        } else if self.filtered.len() < MAX_NAMES {
            self.filtered.insert(name.to_owned(), 1);
        } else {
            *self.filtered.entry("others".to_owned()).or_default() += 1;
        }
    }

    /// Counts a point.
    pub(super) fn take(&mut self, group: &Group, point: &Point) {
        self.points += 1;
        let (first, last) = *self.times.get_or_insert((point.time, point.time));
        self.out_of_order += u64::from(point.time < last);
        self.times = Some((first.min(point.time), last.max(point.time)));
        for (key, value) in &point.fields {
            let number = match value {
                Value::Double(_) => 0,
                Value::Int(_) | Value::Unsigned(_) => 1,
                Value::Bool(_) => 2,
                Value::String(_) => 3,
            };
            if let Some(types) = self.fields.get_mut(key) {
                types[number] += 1;
            } else if self.fields.len() < MAX_NAMES {
                let mut types = [0; 4];
                types[number] = 1;
                self.fields.insert(key.clone(), types);
            }
        }
        for key in point.tags.keys() {
            if self.tags.len() < MAX_NAMES && !self.tags.contains(key) {
                self.tags.insert(key.clone());
            }
        }
        if self.groups.len() < MAX_GROUPS && !self.groups.contains(group) {
            self.groups.insert(group.clone());
        }
    }

    /// Points that were left out, by measurement, or by database and retention policy.
    pub fn filtered(&self) -> BTreeMap<String, u64> {
        self.filtered.clone()
    }

    /// Number of groups, up to a million.
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// The first and the last time, in nanoseconds since 1970.
    pub fn times(&self) -> Option<(i64, i64)> {
        self.times
    }

    /// The names of the fields, up to a hundred.
    pub fn field_names(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// Whether a point had this tag, or so many others that it may have been.
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.contains(tag) || self.tags.len() >= MAX_NAMES
    }

    /// Whether all fields are known by name.
    pub fn knows_all_fields(&self) -> bool {
        self.fields.len() < MAX_NAMES
    }

    /// The fields that have several types: a sentence each.
    pub fn mixed_types(&self) -> Vec<String> {
        const TYPES: [&str; 4] = ["a double", "an int", "a bool", "a string"];
        let mixed = |(key, counts): (&String, &[u64; 4])| {
            let parts: Vec<String> = TYPES
                .iter()
                .zip(counts)
                .filter(|(_, count)| **count > 0)
                .map(|(name, count)| format!("{name} in {count}"))
                .collect();
            (parts.len() > 1).then(|| format!("field `{key}` is {} points", parts.join(" and ")))
        };
        self.fields.iter().filter_map(mixed).collect()
    }
}
