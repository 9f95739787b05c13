//! The rows of a table, as an option that is given once for each.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use kapacitor_guest::options::{Occurrence, OptionType, OptionValue, Scalar, ValueType};

/// What the table has for each key: names and values, in the order of the TICKscript. The keys are the operator's, so a
/// hash without a random part is safe.
type Rows<N, V> = HashMap<String, Vec<(N, V)>, BuildHasherDefault<DefaultHasher>>;

/// `.tag('web-1', 'dc', 'berlin')`, any number of times: a key, the name of a tag or field, and its value. No key has two
/// values of one name.
#[derive(Debug)]
pub struct Table<N, V>(Rows<N, V>);

impl<N, V> Table<N, V> {
    /// The names and values of a key.
    pub fn of(&self, key: &str) -> Option<&[(N, V)]> {
        // Without the hash, if the option is not given.
        if self.0.is_empty() { None } else { self.0.get(key).map(Vec::as_slice) }
    }

    /// All names and values.
    pub fn all(&self) -> impl Iterator<Item = &(N, V)> {
        self.0.values().flatten()
    }
}

impl<N: Scalar + PartialEq + std::fmt::Display, V: Scalar> OptionType for Table<N, V> {
    const TYPES: &'static [ValueType] = <(String, N, V)>::VALUES;

    fn read(occurrences: &[&[OptionValue<'_>]]) -> Result<Self, String> {
        let mut rows = Rows::default();
        for values in occurrences {
            let (key, name, value): (String, N, V) = Occurrence::from_values(values)?;
            let row: &mut Vec<(N, V)> = rows.entry(key).or_default();
            if row.iter().any(|(other, _)| *other == name) {
                return Err(format!("the key {} has two values of `{name}`", values[0]));
            }
            row.push((name, value));
        }
        Ok(Self(rows))
    }
}
