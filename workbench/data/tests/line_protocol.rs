//! Points that are written as line protocol read back as the same points, and lines mean what they mean to InfluxDB.

use std::collections::BTreeMap;
use std::sync::Arc;

use kapacitor_wasm_data::line_protocol::{parse, write};
use kapacitor_wasm_data::{Point, Value};
use proptest::collection::btree_map;
use proptest::prelude::*;

/// Texts in which the special characters are frequent.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z\\\\ ,=\"#\t\r\n\0é∑]{0,6}", any::<String>()]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u64>().prop_map(|bits| Value::Double(f64::from_bits(bits))),
        any::<f64>().prop_map(Value::Double),
        any::<i64>().prop_map(Value::Int),
        any::<u64>().prop_map(Value::Unsigned),
        any::<bool>().prop_map(Value::Bool),
        text().prop_map(Value::String),
    ]
}

prop_compose! {
    fn point()(
        measurement in text(),
        tags in btree_map(text(), text(), 0..4),
        fields in btree_map(text(), value(), 0..4),
        time in any::<i64>(),
    ) -> Point {
        Point { source: Arc::default(), measurement, tags, fields, time }
    }
}

fn written(point: &Point) -> Option<String> {
    let mut out = b"before".to_vec();
    match write(point, &mut out) {
        Ok(()) => Some(String::from_utf8(out.split_off(6)).unwrap()),
        Err(_) => {
            assert_eq!(out, b"before");
            None
        }
    }
}

fn simple() -> Point {
    let fields = [("v".to_owned(), Value::Int(1))].into();
    Point { source: Arc::default(), measurement: "m".to_owned(), tags: BTreeMap::new(), fields, time: 5 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back(mut point in point()) {
        let Some(line) = written(&point) else { return Ok(()) };
        let read = parse(line.strip_suffix('\n').unwrap()).unwrap();
        point.tags.retain(|_, value| !value.is_empty());
        prop_assert_eq!(read.measurement, point.measurement);
        prop_assert_eq!(read.tags, point.tags);
        prop_assert_eq!(read.timestamp, Some(point.time));
        for (read, value) in read.fields.values().zip(point.fields.values()) {
            if let (Value::Double(read), Value::Double(value)) = (read, value) {
                prop_assert_eq!(read.to_bits(), value.to_bits());
            }
        }
        prop_assert_eq!(read.fields, point.fields);
    }

    #[test]
    fn any_text_of_a_field_is_written(text in any::<String>()) {
        let point = Point { fields: [("v".to_owned(), Value::String(text))].into(), ..simple() };
        prop_assert!(written(&point).is_some());
    }

    #[test]
    fn any_line_is_read_or_refused(line in text(), fields in text(), any in any::<String>()) {
        for line in [&line, &any, &format!("m,{line} v=1,{fields} 5"), &format!("m {fields}={line}")] {
            let Ok(read) = parse(line) else { continue };
            prop_assert!(!read.fields.is_empty());
            prop_assert!(read.tags.values().all(|value| !value.is_empty()));
        }
    }
}

#[test]
fn lines_mean_what_they_mean_to_influxdb() {
    let read = parse(
        r#"a\ b\,c=d\e\=\",e\"==\",k\=1=v\ 1,unc=\\server\share,empty=,q="x" f\=\ \"1="a\"b\\c\d, e=f",g=1.5,h=-3i,i=4u,j=t,k=FALSE,l=.5,m=1.,n=1e-3,n=-0   -7  "#,
    )
    .unwrap();
    assert_eq!(read.measurement, r#"a b,c=d\e=""#);
    let tags = [("e\\\"", "=\\\""), ("k=1", "v 1"), ("unc", r"\\server\share"), ("q", "\"x\"")];
    assert_eq!(read.tags, tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    let fields = [
        ("f= \"1", Value::String(r#"a"b\c\d, e=f"#.to_owned())),
        ("g", Value::Double(1.5)),
        ("h", Value::Int(-3)),
        ("i", Value::Unsigned(4)),
        ("j", Value::Bool(true)),
        ("k", Value::Bool(false)),
        ("l", Value::Double(0.5)),
        ("m", Value::Double(1.0)),
        ("n", Value::Double(-0.0)),
    ];
    assert_eq!(read.fields, fields.map(|(key, value)| (key.to_owned(), value)).into());
    assert_eq!(read.timestamp, Some(-7));
    assert_eq!(parse("m v=1").unwrap().timestamp, None);
}

#[test]
fn bad_lines_say_what_is_wrong() {
    for (line, problem) in [
        ("", "it begins without a measurement"),
        (",t=a v=1", "it begins without a measurement"),
        ("cpu", "it has no field"),
        ("cpu,t=a", "it has no field"),
        ("cpu,t v=1", "the tag \"t\" has no value"),
        ("cpu,=a v=1", "it has a tag without a name"),
        ("cpu,t=a=b v=1", "the value of the tag \"t\" has a `=` without a backslash before it"),
        ("cpu,t=a,t=b v=1", "it has a tag twice, once with the value \"a\""),
        ("cpu 5", "the field \"5\" has no value"),
        ("cpu v=", "the field \"v\" has no value"),
        ("cpu v=,w=1", "the field \"v\" has no value"),
        ("cpu =1", "it has a field without a name"),
        ("cpu v=1,=2", "it has a field without a name"),
        ("cpu v=1,", "it has a field without a name"),
        ("cpu v=x", "\"x\" of the field \"v\" is no value"),
        ("cpu v=NaN", "\"NaN\" of the field \"v\" is no value"),
        ("cpu v=-inf", "\"-inf\" of the field \"v\" is no value"),
        ("cpu v=+1", "\"+1\" of the field \"v\" is no value"),
        ("cpu v=1.5i", "\"1.5i\" of the field \"v\" is no value"),
        ("cpu v=-1u", "\"-1u\" of the field \"v\" is no value"),
        ("cpu v=1e400", "\"1e400\" of the field \"v\" is too large"),
        ("cpu v=9223372036854775808i", "\"9223372036854775808i\" of the field \"v\" is too large"),
        ("cpu v=\"a", "the text of the field \"v\" has no closing quote"),
        ("cpu v=\"a\\\"", "the text of the field \"v\" has no closing quote"),
        ("cpu v=\"a\"b", "there is more behind the text of the field \"v\""),
        ("cpu v=1 x", "\"x\" is no timestamp"),
        ("cpu v=1 1 1", "\"1 1\" is no timestamp"),
        ("cpu v=1 1.5", "\"1.5\" is no timestamp"),
        ("cpu v=1 9223372036854775808", "the timestamp \"9223372036854775808\" is too large"),
    ] {
        assert_eq!(parse(line).unwrap_err().to_string(), problem, "{line}");
    }
    let long = format!("cpu,t={} v=1", "x".repeat(65_536));
    assert_eq!(parse(&long).unwrap_err().to_string(), "its measurement and tags are longer than 65535 bytes");
}

#[test]
fn points_are_written_in_one_way() {
    let tags =
        [("z", "1"), ("a b", "c,d"), ("none", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let fields = [
        ("a\"b", Value::String("x\"y\\z\nw".to_owned())),
        ("d", Value::Double(1e300)),
        ("e", Value::Double(2.0)),
        ("i", Value::Int(-3)),
        ("t", Value::Bool(true)),
        ("u", Value::Unsigned(u64::MAX)),
    ];
    let fields = fields.map(|(key, value)| (key.to_owned(), value)).into();
    let point = Point { measurement: "a=b c".to_owned(), tags: tags.into(), fields, ..simple() };
    assert_eq!(
        written(&point).unwrap(),
        "a=b\\ c,a\\ b=c\\,d,z=1 a\\\"b=\"x\\\"y\\\\z\nw\",d=1e300,e=2.0,i=-3i,t=true,u=18446744073709551615u 5\n"
    );
}

#[test]
fn what_line_protocol_cannot_express_is_named() {
    let problem = |point: Point| write(&point, &mut Vec::new()).unwrap_err().to_string();
    let measurement = |name: &str| problem(Point { measurement: name.to_owned(), ..simple() });
    assert_eq!(measurement(""), "an empty measurement");
    assert_eq!(measurement("#a"), "the measurement \"#a\", which begins with `#`, as a comment does");
    assert_eq!(measurement("\ta"), "the measurement \"\\ta\", which begins with a tab or a zero byte");
    assert_eq!(measurement("a\nb"), "the measurement \"a\\nb\", with a line break");
    assert_eq!(measurement("a\\"), "the measurement \"a\\\\\", which ends with a backslash");
    let backslash = "which has a backslash before a space, comma or `=`";
    assert_eq!(measurement("a\\ b"), format!("the measurement \"a\\\\ b\", {backslash}"));
    let quote = "which has a backslash before a `=` or quote";
    assert_eq!(measurement("a\\=b"), format!("the measurement \"a\\\\=b\", {quote}"));
    for time in [i64::MIN, i64::MIN + 1, i64::MAX] {
        assert_eq!(problem(Point { time, ..simple() }), format!("the time {time}"));
    }
    let tag = |key: &str, value: &str| {
        problem(Point { tags: [(key.to_owned(), value.to_owned())].into(), ..simple() })
    };
    assert_eq!(tag("", "a"), "a tag without a name");
    assert_eq!(tag("a\n", "a"), "the tag \"a\\n\", with a line break");
    assert_eq!(tag("a", "b\\"), "the value \"b\\\\\" of the tag \"a\", which ends with a backslash");
    assert_eq!(tag("a\\=b", "c"), format!("the tag \"a\\\\=b\", {backslash}"));
    let field =
        |key: &str, value: Value| problem(Point { fields: [(key.to_owned(), value)].into(), ..simple() });
    assert_eq!(field("", Value::Int(1)), "a field without a name");
    assert_eq!(field("\0", Value::Int(1)), "the field \"\\0\", which begins with a tab or a zero byte");
    assert_eq!(field("v", Value::Double(f64::NAN)), "NaN in the field \"v\"");
    assert_eq!(field("v", Value::Double(f64::NEG_INFINITY)), "-inf in the field \"v\"");
    assert_eq!(problem(Point { fields: BTreeMap::new(), ..simple() }), "a point without a field");
}
