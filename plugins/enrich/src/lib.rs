//! Adds tags and fields to a point, from a table whose key is one of the point's tags.

use std::collections::BTreeMap;

use kapacitor_guest::prelude::*;

mod table;
#[cfg(test)]
mod tests;

use table::Table;

/// The options.
#[derive(Options)]
pub struct Enrich {
    key: TagName,
    tag: Table<TagName, String>,
    text: Table<FieldName, String>,
    number: Table<FieldName, f64>,
    default_tag: BTreeMap<TagName, String>,
    default_text: BTreeMap<FieldName, String>,
    default_number: BTreeMap<FieldName, f64>,
    skip_unknown: Flag,
}

/// Checks that InfluxDB can store the values of tags.
fn check_tags(option: &str, values: Vec<&String>) -> Result<()> {
    let unwritable = |value: &&String| value.is_empty() || value.contains('\n') || value.ends_with('\\');
    match values.into_iter().find(unwritable) {
        None => Ok(()),
        Some(value) => Err(Error::new(format!(
            "option `{option}`: the value of a tag must not be empty, have a line break, or end in a backslash, got \
             {value:?}"
        ))),
    }
}

/// Checks that InfluxDB can store the values of fields.
fn check_numbers(option: &str, mut values: impl Iterator<Item = f64>) -> Result<()> {
    match values.find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(value) => Err(Error::new(format!("option `{option}`: must be a finite number, got {value}"))),
    }
}

/// Checks that no name is that of a text and of a number.
fn check_types<'a>(
    texts: impl Iterator<Item = &'a FieldName>,
    numbers: impl Iterator<Item = &'a FieldName>,
) -> Result<()> {
    let texts: std::collections::BTreeSet<_> = texts.collect();
    match numbers.into_iter().find(|name| texts.contains(name)) {
        None => Ok(()),
        Some(name) => Err(Error::new(format!("the field `{name}` is given as a text and as a number"))),
    }
}

/// The defaults of the names that a row does not have.
fn defaults<'a, N: Ord, V>(
    defaults: &'a BTreeMap<N, V>,
    row: &'a [(N, V)],
) -> impl Iterator<Item = (&'a N, &'a V)> {
    defaults.iter().filter(|(name, _)| !row.iter().any(|(given, _)| given == *name))
}

impl Stream for Enrich {
    type Group = ();

    fn check(&self) -> Result<()> {
        check_tags("tag", self.tag.all().map(|(_, value)| value).collect())?;
        check_tags("default_tag", self.default_tag.values().collect())?;
        check_numbers("number", self.number.all().map(|(_, value)| *value))?;
        check_numbers("default_number", self.default_number.values().copied())?;
        let texts = self.text.all().map(|(name, _)| name).chain(self.default_text.keys());
        check_types(texts, self.number.all().map(|(name, _)| name).chain(self.default_number.keys()))
    }

    fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
        // Kapacitor takes an absent tag for an empty one, too.
        let key = point.tag(&self.key).unwrap_or_default();
        let (tags, texts, numbers) = (self.tag.of(key), self.text.of(key), self.number.of(key));
        if self.skip_unknown.is_set() && tags.is_none() && texts.is_none() && numbers.is_none() {
            return Err(Error::skip(format!("the table has no key `{key}`")));
        }
        let (tags, texts) = (tags.unwrap_or_default(), texts.unwrap_or_default());
        let numbers = numbers.unwrap_or_default();
        let mut edited = point.edit();
        for (name, value) in tags.iter().map(pair).chain(defaults(&self.default_tag, tags)) {
            edited = edited.with_tag(name, value);
        }
        for (name, value) in texts.iter().map(pair).chain(defaults(&self.default_text, texts)) {
            edited = edited.with(name, value);
        }
        for (name, value) in numbers.iter().map(pair).chain(defaults(&self.default_number, numbers)) {
            edited = edited.with(name, *value);
        }
        out.send(edited)
    }
}

/// References to both of a pair.
fn pair<A, B>((first, second): &(A, B)) -> (&A, &B) {
    (first, second)
}

register!(Enrich);
