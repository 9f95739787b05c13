//! Kapacitor's points as the points of recordings.

use std::collections::BTreeMap;
use std::sync::Arc;

use kapacitor_wasm_data::{Point, Source, Value};

use super::messages;

impl From<messages::Point> for Point {
    fn from(point: messages::Point) -> Self {
        let mut fields = BTreeMap::new();
        fields.extend(point.fields_double.into_iter().map(|(key, value)| (key, Value::Double(value))));
        fields.extend(point.fields_int.into_iter().map(|(key, value)| (key, Value::Int(value))));
        fields.extend(point.fields_bool.into_iter().map(|(key, value)| (key, Value::Bool(value))));
        fields.extend(point.fields_string.into_iter().map(|(key, value)| (key, Value::String(value))));
        let source = if point.database.is_empty() && point.retention_policy.is_empty() {
            Arc::default()
        } else {
            Arc::new(Source { database: point.database, retention_policy: point.retention_policy })
        };
        let mut tags = point.tags;
        tags.retain(|_, value| !value.is_empty());
        Self { source, measurement: point.name, tags, fields, time: point.time }
    }
}
