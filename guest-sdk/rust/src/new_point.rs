//! Points that own their data.

use std::collections::BTreeMap;

use crate::buffer::Buffer;
use crate::emit::Encode;
use crate::encode::put_field;
use crate::error::{Error, Result};
use crate::numbers::POINT;
use crate::numbers::point::{BY_NAME, DATABASE, DIMENSIONS, GROUP, NAME, RETENTION_POLICY, TAGS, TIME};
use crate::point::{Point, number_of_any_form};
use crate::points::Points;
use crate::value::OwnedValue;
use crate::wire;

/// A point that owns its data: a new one, or one that is kept for later.
///
/// Further fields may be added, so a `NewPoint` is made by [`NewPoint::new`] or [`NewPoint::like`],
/// and its fields can be set afterwards.
///
/// ```
/// use kapacitor_guest::prelude::*;
///
/// let mut point = NewPoint::new("cpu").at(1).tag("host", "a").field("usage", 1.5).field("n", 3);
/// point.database = "telegraf".to_owned();
/// assert_eq!(point.fields["n"], OwnedValue::Int(3));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct NewPoint {
    /// The time, in nanoseconds since 1970.
    pub time: i64,
    /// The measurement.
    pub name: String,
    /// The database.
    pub database: String,
    /// The retention policy.
    pub retention_policy: String,
    /// The group's key, as Kapacitor sends it. Kapacitor does not read it from a result.
    pub group: String,
    /// The tags that the point is grouped by. Kapacitor makes the group from them.
    pub dimensions: Vec<String>,
    /// Whether the point is grouped by measurement as well.
    pub by_name: bool,
    /// The tags, by key.
    pub tags: BTreeMap<String, String>,
    /// The fields, by name. InfluxDB refuses a point without fields.
    pub fields: BTreeMap<String, OwnedValue>,
}

impl NewPoint {
    /// A point of a measurement, without time, tags and fields.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// A point without fields that has everything else from `other`: from a [`Point`], or from a
    /// whole batch, `&`[`Points`], whose `tmax` becomes the time.
    pub fn like(other: impl Into<Self>) -> Self {
        let mut new = other.into();
        new.fields.clear();
        new
    }

    /// Sets the time, in nanoseconds since 1970.
    #[must_use]
    pub fn at(mut self, time: i64) -> Self {
        self.time = time;
        self
    }

    /// Sets a tag.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    /// Sets a field.
    #[must_use]
    pub fn field(mut self, key: impl Into<String>, value: impl Into<OwnedValue>) -> Self {
        self.fields.insert(key.into(), value.into());
        self
    }

    /// Removes a tag.
    #[must_use]
    pub fn untag(mut self, key: &str) -> Self {
        self.tags.remove(key);
        self
    }

    /// Sets the measurement.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The value of a field that is a finite number; ints are converted.
    ///
    /// # Errors
    ///
    /// A skip, as of [`Point::number`], if there is no such field or it is not a finite number.
    pub fn number(&self, key: &str) -> Result<f64> {
        match self.fields.get(key).map(OwnedValue::as_value) {
            Some(value) => number_of_any_form(key, value),
            None => Err(Error::no_field(key, &self.message())),
        }
    }

    /// Groups the point by tags that it has, in sorted order, as Kapacitor's `groupBy` does. If [`NewPoint::by_name`]
    /// is set, it is grouped by measurement as well.
    #[must_use]
    pub fn group_by(mut self, dimensions: &[&str]) -> Self {
        self.dimensions = dimensions.iter().map(|d| (*d).to_owned()).collect();
        self.dimensions.sort_unstable();
        self.dimensions.dedup();
        self.group = self.group_of_tags();
        self
    }

    /// The group that Kapacitor makes from dimensions, tags and measurement: its `models.ToGroupID`.
    pub(crate) fn group_of_tags(&self) -> String {
        let tag = |key: &String| format!("{key}={}", self.tags.get(key).map_or("", String::as_str));
        let tags = self.dimensions.iter().map(tag).collect::<Vec<_>>().join(",");
        match (self.by_name, self.dimensions.is_empty()) {
            (false, _) => tags,
            (true, true) => self.name.clone(),
            (true, false) => format!("{}\n{tags}", self.name),
        }
    }

    /// Kapacitor's Point message.
    pub(crate) fn message(&self) -> Buffer {
        let mut out = Buffer::new();
        wire::put_int(TIME, self.time, &mut out);
        wire::put_text(NAME, &self.name, &mut out);
        wire::put_text(DATABASE, &self.database, &mut out);
        wire::put_text(RETENTION_POLICY, &self.retention_policy, &mut out);
        wire::put_text(GROUP, &self.group, &mut out);
        for dimension in &self.dimensions {
            wire::put_bytes(DIMENSIONS, dimension.as_bytes(), &mut out);
        }
        for (key, value) in &self.tags {
            wire::put_text_entry(TAGS, key, value, &mut out);
        }
        for (key, value) in &self.fields {
            put_field(key, value.as_value(), &mut out);
        }
        wire::put_int(BY_NAME, i64::from(self.by_name), &mut out);
        out
    }
}

impl Encode for NewPoint {
    fn encode(&self, _: bool, out: &mut Buffer) {
        wire::put_frame(POINT, &self.message(), out);
    }
}

/// A point that stands for a batch: it has the batch's measurement, group and tags, and its `tmax` as
/// time.
impl From<&Points<'_>> for NewPoint {
    fn from(points: &Points<'_>) -> Self {
        Self {
            time: points.tmax(),
            name: points.name().to_owned(),
            group: points.group().to_owned(),
            dimensions: points.dimensions().map(str::to_owned).collect(),
            by_name: points.by_name(),
            tags: points.tags().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            ..Self::default()
        }
    }
}

/// A copy of the point, with the measurement and group that a point of a batch has from its batch.
impl From<Point<'_>> for NewPoint {
    fn from(point: Point<'_>) -> Self {
        Self {
            time: point.time(),
            name: point.name().to_owned(),
            database: point.database().to_owned(),
            retention_policy: point.retention_policy().to_owned(),
            group: point.group().to_owned(),
            dimensions: match point.batch {
                Some(batch) => batch.dimensions().map(str::to_owned).collect(),
                None => point.dimensions().map(str::to_owned).collect(),
            },
            by_name: point.by_name(),
            tags: point.tags().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            fields: point.fields().map(|(key, value)| (key.to_owned(), value.into())).collect(),
        }
    }
}
