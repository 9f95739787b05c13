use std::borrow::Cow;

use kapacitor_guest::testing::frame_of;
use kapacitor_guest::{Emit, NewPoint, OwnedValue, Point};
use kapacitor_guest_tests::protocol::{self, Response, response};
use proptest::prelude::*;
use prost::Message;
use prost::encoding::{DecodeContext, decode_key, decode_varint, skip_field};

/// Names of fields: few, so that some occur twice, and some with lengths around those at which the
/// encoding changes.
const FIELD_NAMES: &str = "[a-d]{0,2}|[a-b]{7,18}|a{115,118}";

prop_compose! {
    fn any_point()(
        time: i64,
        names in [".{0,200}", ".{0,5}", ".{0,5}", ".{0,150}"],
        dimensions in proptest::collection::vec(".{0,4}", 0..3),
        by_name: bool,
        tags in proptest::collection::btree_map("[a-c]{0,2}", ".{0,8}", 0..4),
        // Each name once, as in a point from Kapacitor.
        fields in proptest::collection::btree_map(FIELD_NAMES, any_value(), 0..6),
    ) -> protocol::Point {
        let [name, database, retention_policy, group] = names;
        let mut point = protocol::Point {
            time, name, database, retention_policy, group, dimensions, tags, by_name,
            ..protocol::Point::default()
        };
        for (key, value) in fields {
            match value {
                OwnedValue::Double(v) => { point.fields_double.insert(key, v); }
                OwnedValue::Int(v) => { point.fields_int.insert(key, v); }
                OwnedValue::String(v) => { point.fields_string.insert(key, v); }
                OwnedValue::Bool(v) => { point.fields_bool.insert(key, v); }
                other => unreachable!("{other:?}"),
            }
        }
        point
    }
}

fn any_value() -> impl Strategy<Value = OwnedValue> {
    prop_oneof![
        // NaN is not equal to itself.
        any::<f64>().prop_filter("a number", |v| !v.is_nan()).prop_map(OwnedValue::Double),
        prop_oneof![Just(f64::INFINITY), Just(f64::NEG_INFINITY)].prop_map(OwnedValue::Double),
        any::<i64>().prop_map(OwnedValue::Int),
        ".{0,200}".prop_map(OwnedValue::String),
        any::<bool>().prop_map(OwnedValue::Bool),
    ]
}

/// A point that prost decoded, in the SDK's own type.
fn owned(point: &protocol::Point) -> NewPoint {
    let mut owned = NewPoint::new(&point.name).at(point.time);
    owned.database.clone_from(&point.database);
    owned.retention_policy.clone_from(&point.retention_policy);
    owned.group.clone_from(&point.group);
    owned.dimensions.clone_from(&point.dimensions);
    owned.by_name = point.by_name;
    owned.tags.clone_from(&point.tags);
    let fields = &mut owned.fields;
    fields.extend(point.fields_double.iter().map(|(k, v)| (k.clone(), OwnedValue::Double(*v))));
    fields.extend(point.fields_int.iter().map(|(k, v)| (k.clone(), OwnedValue::Int(*v))));
    fields.extend(point.fields_string.iter().map(|(k, v)| (k.clone(), OwnedValue::String(v.clone()))));
    fields.extend(point.fields_bool.iter().map(|(k, v)| (k.clone(), OwnedValue::Bool(*v))));
    owned
}

fn number_of_fields(point: &protocol::Point) -> usize {
    point.fields_double.len() + point.fields_int.len() + point.fields_string.len() + point.fields_bool.len()
}

/// A sent point as Kapacitor decodes it.
fn sent(point: impl Emit) -> protocol::Point {
    let frame = frame_of(point);
    let response = Response::decode_length_delimited(&frame[..]).unwrap();
    match response.message {
        Some(response::Message::Point(point)) => point,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn points_are_read_as_prost_reads_them(theirs in any_point()) {
        let bytes = theirs.encode_to_vec();
        for ours in Point::from_message(&bytes) {
            prop_assert_eq!(NewPoint::from(ours), owned(&theirs));
            for (key, value) in &owned(&theirs).fields {
                prop_assert_eq!(ours.field(key), Some(value.as_value()));
                let number = value.as_value().as_number();
                prop_assert_eq!(ours.any_number(key).ok(), number);
                prop_assert_eq!(ours.number(key).ok(), number.filter(|number| number.is_finite()));
            }
            for (key, value) in &theirs.tags {
                prop_assert_eq!(ours.tag(key), Some(value.as_str()));
            }
            prop_assert_eq!(ours.field("never"), None);
        }
    }

    #[test]
    fn unchanged_points_are_sent_as_they_came(theirs in any_point()) {
        let bytes = theirs.encode_to_vec();
        for ours in Point::from_message(&bytes) {
            prop_assert_eq!(&sent(ours), &theirs);
        }
        prop_assert_eq!(&sent(owned(&theirs)), &theirs);
    }

    /// For all edits in any order, with strings that are borrowed and strings that the edit owns.
    #[test]
    fn edits_change_what_they_name_and_nothing_else(
        theirs in any_point(),
        fields in proptest::collection::vec(
            (FIELD_NAMES, proptest::option::of(any_value())), 0..4,
        ),
        tags in proptest::collection::vec(("[a-c]{0,2}", proptest::option::of(".{0,8}")), 0..2),
        time in proptest::option::of(any::<i64>()),
        name in proptest::option::of(".{0,8}"),
        dimensions in proptest::option::of(proptest::collection::vec("[a-c]{0,2}", 0..4)),
        way in 0..2usize,
        owned_names: bool,
    ) {
        fn text(text: &str, owned: bool) -> Cow<'_, str> {
            if owned { Cow::Owned(text.to_owned()) } else { Cow::Borrowed(text) }
        }
        let bytes = theirs.encode_to_vec();
        let mut edited = Point::from_message(&bytes)[way].edit();
        let mut expected = owned(&theirs);
        for (key, value) in &fields {
            edited = match value {
                Some(value) => {
                    expected.fields.insert(key.clone(), value.clone());
                    if owned_names {
                        edited.with(text(key, true), value.clone())
                    } else {
                        edited.with(key, value.as_value())
                    }
                }
                None => {
                    expected.fields.remove(key);
                    edited.without(text(key, owned_names))
                }
            };
        }
        for (key, value) in &tags {
            edited = match value {
                Some(value) => {
                    expected.tags.insert(key.clone(), value.clone());
                    edited.with_tag(text(key, owned_names), text(value, owned_names))
                }
                None => {
                    expected.tags.remove(key);
                    edited.without_tag(text(key, owned_names))
                }
            };
        }
        if let Some(time) = time {
            expected.time = time;
            edited = edited.at(time);
        }
        if let Some(name) = &name {
            expected.name.clone_from(name);
            edited = edited.named(text(name, owned_names));
        }
        if let Some(dimensions) = &dimensions {
            expected.group.clear();
            expected.dimensions.clone_from(dimensions);
            expected.dimensions.sort();
            expected.dimensions.dedup();
            // Only the last grouping counts.
            edited = edited.group_by(["z"]).group_by(dimensions.iter().map(|d| text(d, owned_names)));
        }
        let sent = sent(edited);
        prop_assert_eq!(number_of_fields(&sent), expected.fields.len(), "a field has two types");
        prop_assert_eq!(owned(&sent), expected);
    }

    /// Protobuf gives no meaning to the order of a message's fields, nor to that of key and value.
    #[test]
    fn points_are_read_in_any_order(
        theirs in any_point(),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        value_first: bool,
    ) {
        let mut fields = fields_of(&theirs.encode_to_vec());
        let moves = if fields.is_empty() { &[] } else { &order[..] };
        for index in moves {
            let field = fields.remove(index.index(fields.len()));
            fields.push(field);
        }
        if value_first {
            fields.iter_mut().for_each(put_value_first);
        }
        let bytes: Vec<u8> = fields.into_iter().flat_map(|(_, field)| field).collect();
        for ours in Point::from_message(&bytes) {
            prop_assert_eq!(NewPoint::from(ours), owned(&protocol::Point::decode(&bytes[..]).unwrap()));
            for (key, value) in &owned(&theirs).fields {
                prop_assert_eq!(ours.field(key), Some(value.as_value()));
                prop_assert_eq!(ours.any_number(key).ok(), value.as_value().as_number());
                let sent = sent(ours.with(key, 0.5));
                prop_assert_eq!(number_of_fields(&sent), number_of_fields(&theirs), "a field has two types");
                prop_assert_eq!(sent.fields_double.get(key), Some(&0.5));
            }
        }
    }

    #[test]
    fn malformed_bytes_cause_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        for point in Point::from_message(&bytes) {
            let _ = format!("{point:?} {:?}", point.number("x"));
            let _ = frame_of(point.with("x", 1.0));
        }
    }
}

/// The fields of a message, each with its number.
fn fields_of(mut message: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let whole = message;
        let (number, wire_type) = decode_key(&mut message).unwrap();
        skip_field(wire_type, number, &mut message, DecodeContext::default()).unwrap();
        fields.push((number, whole[..whole.len() - message.len()].to_vec()));
    }
    fields
}

/// In an entry of a map, moves the value in front of the key.
fn put_value_first((number, field): &mut (u32, Vec<u8>)) {
    if matches!(number, 7..=10 | 12) {
        let mut entry = &field[..];
        decode_key(&mut entry).unwrap();
        decode_varint(&mut entry).unwrap();
        let halves: Vec<_> = fields_of(entry).into_iter().rev().map(|(_, half)| half).collect();
        field.truncate(field.len() - entry.len());
        field.extend(halves.concat());
    }
}
