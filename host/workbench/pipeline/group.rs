//! Groups, as `groupBy` and `groupByMeasurement` make them.

use std::collections::BTreeMap;
use std::fmt;

use kapacitor_wasm_data::Point;

/// What points are grouped by. The default puts all points into one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupBy {
    tags: Vec<String>,
    all_tags: bool,
    measurement: bool,
}

/// The group of a point or batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group {
    /// Kapacitor's id of it: `host=a,cpu=0`, behind the measurement and a line break if it is grouped by that.
    pub id: String,
    /// The keys of the tags that make it up, sorted.
    pub dimensions: Vec<String>,
    /// Whether the measurement is part of it.
    pub by_name: bool,
}

impl GroupBy {
    /// Groups by these tags, of which `*` stands for all.
    pub fn new(tags: impl IntoIterator<Item = String>, measurement: bool) -> Self {
        let mut group_by = Self { measurement, ..Self::default() };
        for tag in tags {
            if tag == "*" {
                group_by.all_tags = true;
            } else {
                group_by.tags.push(tag);
            }
        }
        group_by.tags.sort();
        group_by
    }

    /// The same with this tag besides.
    #[must_use]
    pub fn and(mut self, tag: &str) -> Self {
        self.tags.push(tag.to_owned());
        self.tags.sort();
        self
    }

    /// The tags that were named.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// The group of `point`.
    pub fn group(&self, point: &Point) -> Group {
        let dimensions = if self.all_tags { point.tags.keys().cloned().collect() } else { self.tags.clone() };
        Group::new(&point.measurement, &point.tags, dimensions, self.measurement)
    }
}

/// Much as in a TICKscript: `groupBy("host", *).byMeasurement()`, or nothing if there is one group.
impl fmt::Display for GroupBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tags, all_tags, measurement } = self;
        if !tags.is_empty() || *all_tags {
            let tags = tags.iter().map(|tag| format!("{tag:?}")).chain(all_tags.then(|| "*".to_owned()));
            write!(f, "groupBy({})", tags.collect::<Vec<_>>().join(", "))?;
        }
        if *measurement { f.write_str(".byMeasurement()") } else { Ok(()) }
    }
}

impl Group {
    /// The group of data of this measurement with these tags.
    ///
    /// The id is that of `ToGroupID` in Kapacitor's `models/point.go`.
    pub fn new(
        measurement: &str,
        tags: &BTreeMap<String, String>,
        dimensions: Vec<String>,
        by_name: bool,
    ) -> Self {
        let mut id = String::new();
        if by_name {
            id.push_str(measurement);
            if !dimensions.is_empty() {
                id.push('\n');
            }
        }
        for (number, tag) in dimensions.iter().enumerate() {
            if number > 0 {
                id.push(',');
            }
            id.push_str(tag);
            id.push('=');
            id.push_str(tags.get(tag).map_or("", String::as_str));
        }
        Self { id, dimensions, by_name }
    }

    /// The tags that make it up. One that `tags` does not have is empty.
    pub fn tags(&self, tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let value = |tag: &String| (tag.clone(), tags.get(tag).cloned().unwrap_or_default());
        self.dimensions.iter().map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workbench::pipeline::tests::point;

    #[test]
    fn ids_are_those_of_kapacitor() {
        let point = point("cpu,host=a,cpu=0 v=1 1");
        let id = |tags: &[&str], measurement| {
            GroupBy::new(tags.iter().map(ToString::to_string), measurement).group(&point).id
        };
        assert_eq!(id(&[], false), "");
        assert_eq!(id(&[], true), "cpu");
        assert_eq!(id(&["host", "cpu"], false), "cpu=0,host=a");
        assert_eq!(id(&["*"], false), "cpu=0,host=a");
        assert_eq!(id(&["host"], true), "cpu\nhost=a");
        assert_eq!(id(&["gone"], false), "gone=");
    }
}
