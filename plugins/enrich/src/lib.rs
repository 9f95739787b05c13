//! Adds tags and fields to a point, from a table whose key is one of the point's tags.

use std::collections::{BTreeMap, BTreeSet};

use kapacitor_guest::prelude::*;

mod table;
#[cfg(test)]
mod tests;

use table::{Cells, Column, Source};

/// The options.
#[derive(Options)]
pub struct Enrich {
    key: TagName,
    tag: Cells<TagName, String>,
    text: Cells<FieldName, String>,
    number: Cells<FieldName, f64>,
    tags: Column<TagName, String>,
    texts: Column<FieldName, String>,
    numbers: Column<FieldName, f64>,
    default_tag: BTreeMap<TagName, String>,
    default_text: BTreeMap<FieldName, String>,
    default_number: BTreeMap<FieldName, f64>,
    skip_unknown: Flag,
}

impl Enrich {
    fn tags(&self) -> Source<'_, TagName, String> {
        Source { cells: &self.tag.0, columns: &self.tags.0, defaults: &self.default_tag }
    }

    fn texts(&self) -> Source<'_, FieldName, String> {
        Source { cells: &self.text.0, columns: &self.texts.0, defaults: &self.default_text }
    }

    fn numbers(&self) -> Source<'_, FieldName, f64> {
        Source { cells: &self.number.0, columns: &self.numbers.0, defaults: &self.default_number }
    }
}

impl Stream for Enrich {
    type Group = ();

    /// Checks that InfluxDB can store what the table has.
    fn check(&self) -> Result<()> {
        let unwritable = |value: &str| value.is_empty() || value.contains('\n') || value.ends_with('\\');
        if let Some((name, value)) = self.tags().all().find(|(_, value)| unwritable(value)) {
            return Err(Error::new(format!(
                "the value of the tag `{name}` must not be empty, have a line break, or end in a backslash, got \
                 {value:?}"
            )));
        }
        if let Some((name, value)) = self.numbers().all().find(|(_, value)| !value.is_finite()) {
            return Err(Error::new(format!("the field `{name}` must be a finite number, got {value}")));
        }
        let texts: BTreeSet<&FieldName> = self.texts().all().map(|(name, _)| name).collect();
        match self.numbers().all().find(|(name, _)| texts.contains(name)) {
            Some((name, _)) => {
                Err(Error::new(format!("the field `{name}` is given as a text and as a number")))
            }
            None => Ok(()),
        }
    }

    fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
        // Kapacitor takes an absent tag for an empty one, too.
        let key = point.tag(&self.key).unwrap_or_default();
        let (tags, texts, numbers) = (self.tags(), self.texts(), self.numbers());
        if self.skip_unknown.is_set() && !tags.has(key) && !texts.has(key) && !numbers.has(key) {
            return Err(Error::skip(format!("the table has no key `{key}`")));
        }
        let mut edited = point.edit();
        for (name, value) in tags.of(key) {
            edited = edited.with_tag(name, value);
        }
        for (name, value) in texts.of(key) {
            edited = edited.with(name, value);
        }
        for (name, value) in numbers.of(key) {
            edited = edited.with(name, *value);
        }
        out.send(edited)
    }
}

register!(Enrich);
