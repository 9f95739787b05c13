//! Unsigned fields, which Kapacitor and its plugins do not know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{PoisonError, RwLock};

use kapacitor_wasm_data::{Point, Value};

/// Maximum number of fields that are remembered.
const MAX_FIELDS: usize = 10_000;

/// The unsigned fields of the input, by measurement. The plugin gets their values as ints, and what it sends in them is
/// unsigned again, so that a database sees the type of a field not change.
#[derive(Debug, Default)]
pub struct UnsignedFields {
    /// Whether there is one, which costs less to ask.
    any: AtomicBool,
    fields: RwLock<BTreeMap<String, BTreeSet<String>>>,
}

impl UnsignedFields {
    /// Remembers the unsigned fields of a point of the input.
    pub fn note(&self, point: &Point) {
        for (key, value) in &point.fields {
            if matches!(value, Value::Unsigned(_)) && !self.has(&point.measurement, key) {
                self.add(&point.measurement, key);
            }
        }
    }

    /// Makes the ints unsigned again that are in such fields of a point of the output. A negative one stays as it is.
    pub fn restore(&self, point: &mut Point) {
        if !self.any.load(Relaxed) {
            return;
        }
        let fields = self.fields.read().unwrap_or_else(PoisonError::into_inner);
        let Some(unsigned) = fields.get(&point.measurement) else { return };
        for (key, value) in &mut point.fields {
            if let Value::Int(int) = *value
                && let Ok(int) = u64::try_from(int)
                && unsigned.contains(key)
            {
                *value = Value::Unsigned(int);
            }
        }
    }

    fn has(&self, measurement: &str, key: &str) -> bool {
        let fields = self.fields.read().unwrap_or_else(PoisonError::into_inner);
        fields.get(measurement).is_some_and(|unsigned| unsigned.contains(key))
    }

    fn add(&self, measurement: &str, key: &str) {
        let mut fields = self.fields.write().unwrap_or_else(PoisonError::into_inner);
        if fields.values().map(BTreeSet::len).sum::<usize>() < MAX_FIELDS {
            fields.entry(measurement.to_owned()).or_default().insert(key.to_owned());
            self.any.store(true, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn point(measurement: &str, fields: &[(&str, Value)]) -> Point {
        Point {
            source: Arc::default(),
            measurement: measurement.to_owned(),
            tags: BTreeMap::new(),
            fields: fields.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(),
            time: 1,
        }
    }

    #[test]
    fn fields_are_unsigned_again_in_their_measurement() {
        let unsigned = UnsignedFields::default();
        unsigned.note(&point("m", &[("u", Value::Unsigned(1)), ("i", Value::Int(1))]));
        let restored = |measurement, key, value| {
            let mut point = point(measurement, &[(key, value)]);
            unsigned.restore(&mut point);
            point.fields[key].clone()
        };
        assert_eq!(restored("m", "u", Value::Int(7)), Value::Unsigned(7));
        assert_eq!(restored("m", "u", Value::Int(-7)), Value::Int(-7));
        assert_eq!(restored("m", "u", Value::Double(7.0)), Value::Double(7.0));
        assert_eq!(restored("m", "i", Value::Int(7)), Value::Int(7));
        assert_eq!(restored("other", "u", Value::Int(7)), Value::Int(7));
    }

    #[test]
    fn the_number_of_fields_is_bounded() {
        let unsigned = UnsignedFields::default();
        for i in 0..2 * MAX_FIELDS {
            unsigned.note(&point(&format!("m{}", i % 7), &[(&format!("f{i}"), Value::Unsigned(1))]));
        }
        let fields = unsigned.fields.read().unwrap();
        assert_eq!(fields.values().map(BTreeSet::len).sum::<usize>(), MAX_FIELDS);
    }
}
