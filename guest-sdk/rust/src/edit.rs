//! Points with changes: the bytes that came, and a list of edits.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::point::Point;
use crate::value::{FieldValue, Kind, Value};

/// A point with changes, made by [`Point::with`] and its siblings.
///
/// The parts that do not change are passed on as they came, without being decoded.
///
/// Names and values may be borrowed or owned: a `&str` must live until the point is sent, and a `String`
/// that was made for the edit moves into it.
///
/// ```
/// # use kapacitor_guest::prelude::*;
/// fn annotate(point: Point<'_>, mean: f64, out: &mut Output) -> Result<()> {
///     let level = if mean > 90.0 { "high" } else { "low" };
///     let edited = point.with("mean", mean).with("text", format!("{mean:.1} %")).without("raw");
///     out.send(edited.with_tag("level", level).without_tag("cpu").group_by(["level"]))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Edited<'a> {
    pub(crate) base: Point<'a>,
    pub(crate) edits: SmallVec<[Edit<'a>; 3]>,
    /// Whether each edit sets a field.
    pub(crate) only_sets: bool,
    /// The strings that edits own. They are kept here rather than in the edits, which are smaller without them, and a
    /// point without any has nothing to give back.
    owned: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
pub enum Edit<'a> {
    /// Sets or removes a field.
    Field(Text<'a>, Option<Value<'a>>),
    /// Sets a field to a string that may be owned.
    TextField(Text<'a>, Text<'a>),
    /// Sets or removes a tag.
    Tag(Text<'a>, Option<Text<'a>>),
    Time(i64),
    Name(Text<'a>),
    /// Removes all dimensions, also those of edits before this one.
    Ungroup,
    /// Adds a dimension.
    Dimension(Text<'a>),
}

/// A string of an edit. It is as small as a `&str`: an edit is copied several times before its point is sent.
#[derive(Clone, Copy, Debug)]
pub enum Text<'a> {
    Borrowed(&'a str),
    /// The place in [`Edited::owned`].
    Owned(u32),
}

impl<'a> Point<'a> {
    /// The point without changes, as a start for edits that are made step by step.
    pub fn edit(self) -> Edited<'a> {
        Edited { base: self, edits: SmallVec::new(), only_sets: true, owned: Vec::new() }
    }

    /// The point with a field set.
    #[inline]
    pub fn with(self, key: impl Into<Cow<'a, str>>, value: impl Into<FieldValue<'a>>) -> Edited<'a> {
        self.edit().with(key, value)
    }

    /// The point with a field removed.
    pub fn without(self, key: impl Into<Cow<'a, str>>) -> Edited<'a> {
        self.edit().without(key)
    }

    /// The point with a tag set, see [`Edited::with_tag`].
    pub fn with_tag(self, key: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Edited<'a> {
        self.edit().with_tag(key, value)
    }

    /// The point with a tag removed, see [`Edited::without_tag`].
    pub fn without_tag(self, key: impl Into<Cow<'a, str>>) -> Edited<'a> {
        self.edit().without_tag(key)
    }

    /// The point with its time set, in nanoseconds since 1970.
    pub fn at(self, time: i64) -> Edited<'a> {
        self.edit().at(time)
    }

    /// The point with its measurement set.
    pub fn named(self, name: impl Into<Cow<'a, str>>) -> Edited<'a> {
        self.edit().named(name)
    }

    /// The point grouped by other tags, see [`Edited::group_by`].
    pub fn group_by<D: Into<Cow<'a, str>>>(self, dimensions: impl IntoIterator<Item = D>) -> Edited<'a> {
        self.edit().group_by(dimensions)
    }
}

impl<'a> Edited<'a> {
    /// Sets a field. A field that has this name and another type is replaced.
    #[must_use]
    #[inline]
    pub fn with(mut self, key: impl Into<Cow<'a, str>>, value: impl Into<FieldValue<'a>>) -> Self {
        let key = self.keep(key.into());
        let edit = match value.into().0 {
            Kind::Value(value) => Edit::Field(key, Some(value)),
            Kind::Text(text) => Edit::TextField(key, self.keep(Cow::Owned(text))),
        };
        self.edits.push(edit);
        self
    }

    /// Removes a field.
    #[must_use]
    pub fn without(mut self, key: impl Into<Cow<'a, str>>) -> Self {
        let key = self.keep(key.into());
        self.push(Edit::Field(key, None))
    }

    /// Sets a tag. If the stream is grouped by this tag, the point changes its group.
    #[must_use]
    pub fn with_tag(mut self, key: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Self {
        let (key, value) = (self.keep(key.into()), self.keep(value.into()));
        self.push(Edit::Tag(key, Some(value)))
    }

    /// Removes a tag. If the stream is grouped by this tag, Kapacitor puts the point into the group in which the tag is
    /// empty, unless [`Edited::group_by`] takes it out of the dimensions.
    #[must_use]
    pub fn without_tag(mut self, key: impl Into<Cow<'a, str>>) -> Self {
        let key = self.keep(key.into());
        self.push(Edit::Tag(key, None))
    }

    /// Sets the time, in nanoseconds since 1970.
    #[must_use]
    pub fn at(self, time: i64) -> Self {
        self.push(Edit::Time(time))
    }

    /// Sets the measurement.
    #[must_use]
    pub fn named(mut self, name: impl Into<Cow<'a, str>>) -> Self {
        let name = self.keep(name.into());
        self.push(Edit::Name(name))
    }

    /// Groups the point by these tags and no others, in sorted order, as Kapacitor's `groupBy` does; by none with
    /// `group_by::<&str>([])`. A grouping by measurement stays as it is.
    ///
    /// The points of a batch that is sent as a batch are in the group of the batch, so that this changes nothing.
    #[must_use]
    pub fn group_by<D: Into<Cow<'a, str>>>(mut self, dimensions: impl IntoIterator<Item = D>) -> Self {
        let mut dimensions: SmallVec<[Cow<'a, str>; 4]> = dimensions.into_iter().map(Into::into).collect();
        dimensions.sort_unstable();
        dimensions.dedup();
        self.edits.push(Edit::Ungroup);
        for dimension in dimensions {
            let dimension = self.keep(dimension);
            self.edits.push(Edit::Dimension(dimension));
        }
        self.only_sets = false;
        self
    }

    fn push(mut self, edit: Edit<'a>) -> Self {
        self.only_sets = false;
        self.edits.push(edit);
        self
    }

    /// Keeps a string for an edit.
    #[inline(always)]
    fn keep(&mut self, text: Cow<'a, str>) -> Text<'a> {
        match text {
            Cow::Borrowed(text) => Text::Borrowed(text),
            Cow::Owned(text) => self.keep_owned(text),
        }
    }

    #[inline(never)]
    fn keep_owned(&mut self, text: String) -> Text<'a> {
        self.owned.push(text);
        Text::Owned((self.owned.len() - 1) as u32)
    }

    /// A string of one of the edits.
    #[inline(always)]
    pub(crate) fn text<'e>(&'e self, text: Text<'e>) -> &'e str {
        match text {
            Text::Borrowed(text) => text,
            Text::Owned(place) => self.owned.get(place as usize).map_or("", String::as_str),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn text_is_as_small_as_a_reference() {
        assert_eq!(size_of::<Text<'_>>(), size_of::<&str>());
    }
}
