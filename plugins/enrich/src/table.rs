//! The cells of a table, as options.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::hash::{BuildHasherDefault, DefaultHasher};

use kapacitor_guest::options::{Occurrence, OptionType, OptionValue, Scalar, ValueType};

/// What a table has for each key: names of tags or fields, and their values. No key has two values of one name.
///
/// The keys are the operator's, so a hash without a random part is safe.
#[derive(Debug)]
pub struct Table<N, V>(HashMap<String, Vec<(N, V)>, BuildHasherDefault<DefaultHasher>>);

impl<N: PartialEq + Display, V> Table<N, V> {
    fn empty() -> Self {
        Self(HashMap::default())
    }

    fn add(&mut self, key: String, name: N, value: V) -> Result<(), String> {
        if self.of(&key).iter().any(|(other, _)| *other == name) {
            return Err(format!("the key '{key}' has two values of `{name}`"));
        }
        self.0.entry(key).or_default().push((name, value));
        Ok(())
    }

    /// The names and values of a key.
    pub fn of(&self, key: &str) -> &[(N, V)] {
        // Without the hash, if the option is not given.
        if self.0.is_empty() { &[] } else { self.0.get(key).map_or(&[], Vec::as_slice) }
    }

    /// All names and values.
    pub fn all(&self) -> impl Iterator<Item = &(N, V)> {
        self.0.values().flatten()
    }
}

/// `.tag('web-1', 'dc', 'berlin')`, any number of times: a key, a name and a value.
#[derive(Debug)]
pub struct Cells<N, V>(pub Table<N, V>);

impl<N: Scalar + PartialEq + Display, V: Scalar> OptionType for Cells<N, V> {
    const TYPES: &'static [ValueType] = <(String, N, V)>::VALUES;

    fn read(occurrences: &[&[OptionValue<'_>]]) -> Result<Self, String> {
        let mut table = Table::empty();
        for values in occurrences {
            let (key, name, value) = Occurrence::from_values(values)?;
            table.add(key, name, value)?;
        }
        Ok(Self(table))
    }
}

/// A value that is written in a text.
pub trait Written: Sized {
    /// What a line of a column is.
    const LINE: &'static str;

    /// Reads it; `None` if the text is none.
    fn read(text: &str) -> Option<Self>;
}

impl Written for String {
    const LINE: &'static str = "KEY = VALUE";

    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Written for f64 {
    const LINE: &'static str = "KEY = NUMBER";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number: &f64| number.is_finite())
    }
}

/// `.tags('dc', 'web-1 = berlin')`, any number of times: a name, and a text with a key and its value in each line. Empty
/// lines, and those that begin with `#`, are left out.
#[derive(Debug)]
pub struct Column<N, V>(pub Table<N, V>);

impl<N: Scalar + Clone + PartialEq + Display, V: Written> OptionType for Column<N, V> {
    const TYPES: &'static [ValueType] = <(N, String)>::VALUES;

    fn read(occurrences: &[&[OptionValue<'_>]]) -> Result<Self, String> {
        let mut table = Table::empty();
        for values in occurrences {
            let (name, text): (N, String) = Occurrence::from_values(values)?;
            let lines = text.lines().map(str::trim);
            for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
                let cell = line
                    .split_once('=')
                    .and_then(|(key, value)| Some((key.trim_end().to_owned(), V::read(value.trim_start())?)));
                let (key, value) = cell.ok_or_else(|| format!("`{line}` in `{name}` is not {}", V::LINE))?;
                table.add(key, name.clone(), value)?;
            }
        }
        Ok(Self(table))
    }
}

/// All that the options say of tags, or of fields of one type.
pub struct Source<'a, N, V> {
    pub cells: &'a Table<N, V>,
    pub columns: &'a Table<N, V>,
    pub defaults: &'a BTreeMap<N, V>,
}

impl<'a, N: Ord + Display, V> Source<'a, N, V> {
    /// All names and values.
    pub fn all(&self) -> impl Iterator<Item = (&'a N, &'a V)> + use<'a, N, V> {
        self.columns.all().chain(self.cells.all()).map(pair).chain(self.defaults)
    }

    /// Whether a key has a value.
    pub fn has(&self, key: &str) -> bool {
        !self.cells.of(key).is_empty() || !self.columns.of(key).is_empty()
    }

    /// The names and values for a key. Of two values of one name, the last one counts: a default is before that of a
    /// column, and this before a cell.
    pub fn of(&self, key: &str) -> impl Iterator<Item = (&'a N, &'a V)> + use<'a, N, V> {
        let (cells, columns) = (self.cells.of(key), self.columns.of(key));
        self.defaults.iter().chain(columns.iter().map(pair)).chain(cells.iter().map(pair))
    }
}

/// References to both of a pair.
fn pair<A, B>((first, second): &(A, B)) -> (&A, &B) {
    (first, second)
}
