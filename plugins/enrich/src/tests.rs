use super::*;
use kapacitor_guest::testing::{Harness, OptionArgument, flag, point};
use proptest::prelude::*;

fn start(options: Vec<(&'static str, OptionArgument)>) -> Result<Harness<Enrich>> {
    Harness::start([("key", "host".into())].into_iter().chain(options))
}

fn table() -> Vec<(&'static str, OptionArgument)> {
    vec![
        ("tag", ("web-1", "dc", "berlin").into()),
        ("tag", ("web-2", "dc", "paris").into()),
        ("text", ("web-1", "owner", "shop").into()),
        ("number", ("web-1", "cores", 32.0).into()),
        ("number", ("web-1", "price", -0.5).into()),
        ("default_tag", ("dc", "unknown").into()),
        ("default_number", ("cores", 1.0).into()),
    ]
}

#[test]
fn values_of_the_key_are_added() {
    let mut harness = start(table()).unwrap();
    let base = point().tag("host", "web-1").group_by(&["host"]).field("load", 3);
    let sent = harness.point(&base).unwrap().remove(0);
    let expected = base.tag("dc", "berlin").field("owner", "shop").field("cores", 32.0).field("price", -0.5);
    assert_eq!(sent, expected);
}

#[test]
fn defaults_stand_for_what_the_table_lacks() {
    let mut harness = start(table()).unwrap();
    let known = point().tag("host", "web-2").field("load", 3);
    assert_eq!(harness.point(&known).unwrap(), [known.tag("dc", "paris").field("cores", 1.0)]);
    for unknown in [point().tag("host", "web-3").field("load", 3), point().field("load", 3)] {
        assert_eq!(harness.point(&unknown).unwrap(), [unknown.tag("dc", "unknown").field("cores", 1.0)]);
    }
}

#[test]
fn columns_are_tables_in_a_text() {
    let columns = vec![
        ("tags", ("dc", "\n  # all hosts\n  web-1 = paris\n\n  web-3=rome = italy\n").into()),
        ("texts", ("owner", "web-3 = the shop\r\nweb-4 =").into()),
        ("numbers", ("cores", "web-3 = 8\nweb-4 = 1.5e1").into()),
        ("skip_unknown", flag()),
    ];
    let mut harness = start([table(), columns].concat()).unwrap();
    let base = |host: &str| point().tag("host", host).field("load", 3);
    let mut send = |host: &str| harness.point(&base(host)).unwrap();
    let sent = send("web-1");
    assert_eq!(
        (sent[0].tags["dc"].as_str(), &sent[0].fields["cores"]),
        ("berlin", &32.0.into()),
        "a cell wins"
    );
    let expected = base("web-3").tag("dc", "rome = italy").field("owner", "the shop").field("cores", 8.0);
    assert_eq!(send("web-3"), [expected]);
    let expected = base("web-4").tag("dc", "unknown").field("owner", "").field("cores", 15.0);
    assert_eq!(send("web-4"), [expected]);
    assert!(send("web-5").is_empty());
}

#[test]
fn what_was_there_is_replaced() {
    let mut harness = start(table()).unwrap();
    let input = point().tag("host", "web-1").tag("dc", "x").field("owner", 7).field("cores", 2);
    let sent = harness.point(&input).unwrap().remove(0);
    assert_eq!((sent.tags["dc"].as_str(), &sent.fields["owner"]), ("berlin", &"shop".into()));
    assert_eq!(sent.fields["cores"], 32.0.into());
}

#[test]
fn unknown_keys_are_skipped_if_asked_for() {
    let mut harness = start([table(), vec![("skip_unknown", flag())]].concat()).unwrap();
    assert!(harness.point(&point().tag("host", "web-3").field("load", 3)).unwrap().is_empty());
    assert_eq!(harness.skips(), ["the table has no key `web-3`"]);
    for kind in ["tag", "text", "number", "tags", "texts", "numbers"] {
        let cell = match kind {
            "tag" | "text" => ("a", "x", "1").into(),
            "number" => ("a", "x", 1.0).into(),
            _ => ("x", "a = 1").into(),
        };
        let mut harness = start(vec![(kind, cell), ("skip_unknown", flag())]).unwrap();
        let passes = |host: &str| harness.point(&point().tag("host", host).field("load", 3)).unwrap().len();
        assert_eq!(["a", "b"].map(passes), [1, 0], "{kind}");
    }
}

#[test]
fn options_are_checked() {
    let cases = [
        ("tag", ("web-1", "dc", "x").into(), "option `tag`: the key 'web-1' has two values of `dc`"),
        ("tag", ("web-1", "rack", "").into(), "the value of the tag `rack` must not be empty"),
        ("default_tag", ("rack", "a\n").into(), "the value of the tag `rack` must not be empty"),
        ("number", ("web-1", "x", f64::NAN).into(), "the field `x` must be a finite number, got NaN"),
        ("default_number", ("x", f64::INFINITY).into(), "the field `x` must be a finite number, got inf"),
        ("text", ("web-2", "cores", "x").into(), "the field `cores` is given as a text and as a number"),
        ("tags", ("dc", "a = b\na = c").into(), "option `tags`: the key 'a' has two values of `dc`"),
        ("tags", ("dc", "a b").into(), "option `tags`: `a b` in `dc` is not KEY = VALUE"),
        ("tags", ("dc", "a =").into(), "the value of the tag `dc` must not be empty"),
        ("numbers", ("x", "a = b").into(), "option `numbers`: `a = b` in `x` is not KEY = NUMBER"),
        ("numbers", ("x", "a = inf").into(), "option `numbers`: `a = inf` in `x` is not KEY = NUMBER"),
        ("numbers", ("x", "a = 1e999").into(), "option `numbers`: `a = 1e999` in `x` is not KEY = NUMBER"),
        ("numbers", ("owner", "a = 1").into(), "the field `owner` is given as a text and as a number"),
        ("text", ("web-2", "time", "x").into(), "option `text`: value 2: must not be `time`"),
    ];
    for (name, value, expected) in cases {
        let error = start([table(), vec![(name, value)]].concat()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The table has what a search through all its rows finds.
    #[test]
    fn rows_are_found(
        rows in proptest::collection::btree_map((0_usize..20, 0_usize..4), -100_i32..100, 0..60),
        default in proptest::option::of(-100_i32..100),
        key in 0_usize..25,
    ) {
        const NAMES: [&str; 4] = ["n0", "n1", "n2", "n3"];
        let keys: Vec<String> = (0..25).map(|key| format!("host-{key}")).collect();
        let mut options: Vec<(&'static str, OptionArgument)> = Vec::new();
        for ((key, name), value) in &rows {
            // One half as cells, the other one as columns.
            let column = format!("{} = {value}", keys[*key]);
            options.push(match key % 2 {
                0 => ("number", (keys[*key].as_str(), NAMES[*name], f64::from(*value)).into()),
                _ => ("numbers", (NAMES[*name], column.as_str()).into()),
            });
        }
        options.extend(default.map(|value| ("default_number", ("n2", f64::from(value)).into())));
        let mut expected = point().tag("host", &keys[key]).field("load", 1);
        let mut harness = start(options).unwrap();
        let sent = harness.point(&expected).unwrap();
        if let Some(default) = default {
            expected = expected.field("n2", f64::from(default));
        }
        for ((_, name), value) in rows.iter().filter(|((row, _), _)| *row == key) {
            expected = expected.field(NAMES[*name], f64::from(*value));
        }
        prop_assert_eq!(sent, [expected]);
    }
}
