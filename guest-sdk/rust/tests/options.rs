use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use kapacitor_guest::prelude::*;
use kapacitor_guest::testing::{Harness, OptionArgument, flag, point};

#[derive(Options, Debug)]
#[expect(dead_code, reason = "read by Debug")]
struct All {
    text: String,
    number: f64,
    count: u32,
    #[option(name = "yes")]
    truth: bool,
    every: Duration,
    maybe: Option<i64>,
    list: Vec<String>,
    #[option(default = 7)]
    preset: usize,
    verbose: Flag,
}

impl Stream for All {
    type Group = ();

    fn check(&self) -> Result<()> {
        if self.count < 100 { Ok(()) } else { Err(Error::new("option `count`: must be below 100")) }
    }

    fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
        let text = format!("{self:?}");
        out.send(point.with("options", &text))
    }
}

register!(All);

#[test]
fn options_of_each_type_are_read() {
    let options = [
        ("text", "t".into()),
        ("number", 1.5.into()),
        ("count", 3.into()),
        ("yes", true.into()),
        ("every", Duration::from_secs(300).into()),
        ("list", "a".into()),
        ("list", "b".into()),
        ("verbose", flag()),
    ];
    let mut harness = Harness::<All>::start(options).unwrap();
    let sent = harness.point(&point().field("x", 1)).unwrap().remove(0);
    let expected = "All { text: \"t\", number: 1.5, count: 3, truth: true, every: 300s, maybe: None, \
                    list: [\"a\", \"b\"], preset: 7, verbose: Flag(true) }";
    assert_eq!(sent.fields["options"], expected.into());
}

#[test]
fn all_problems_of_the_options_are_named() {
    let options = [
        ("text", 1.into()),
        ("number", "x".into()),
        ("count", (-1).into()),
        ("yes", true.into()),
        ("yes", true.into()),
        ("maybe", 1.5.into()),
        ("typo", 1.5.into()),
        ("verbose", 1.into()),
    ];
    let error = Harness::<All>::start(options).unwrap_err().to_string();
    let expected = "there is no option `typo`; option `text`: expected string, got int; \
                    option `number`: expected double, got string; \
                    option `count`: must be from 0 to 4294967295, got -1; option `yes`: given 2 times, expected once; \
                    option `every`: missing, expected duration; option `maybe`: expected int, got double; \
                    option `verbose`: expected no value";
    assert_eq!(error, expected);
}

#[test]
fn options_are_checked_together() {
    let options = [
        ("text", "t".into()),
        ("number", 1.5.into()),
        ("count", 100.into()),
        ("yes", true.into()),
        ("every", Duration::from_secs(1).into()),
    ];
    let error = Harness::<All>::start(options).unwrap_err().to_string();
    assert_eq!(error, "option `count`: must be below 100");
}

#[test]
fn flag_tells_whether_it_is_set() {
    assert!(Flag::from(true).is_set());
    assert!(!Flag::default().is_set());
}

#[derive(Options)]
#[expect(dead_code, reason = "its options are only read")]
struct Names {
    #[option(default = "mean")]
    r#as: FieldName,
    #[option(default = "host")]
    by: TagName,
    size: Option<NonZeroU32>,
    most: Option<NonZeroU64>,
}

impl Stream for Names {
    type Group = ();

    fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
        out.send(point.with(&self.r#as, 1).with_tag(&self.by, "x"))
    }
}

register!(Names);

fn start_names(name: &'static str, value: impl Into<OptionArgument>) -> Result<Harness<Names>> {
    Harness::start([(name, value.into())])
}

#[test]
fn names_that_influxdb_cannot_store_are_refused() {
    let refused = ["", "time", "a\nb", "\n", "a\\", "\\"];
    let refused_fields =
        ["a\\ b", "a\\,b", "\\=", "_name", "_seriesKey", "_fieldKey", "_tagKey", "_tagValue"];
    let check = |option, name: &'static str| {
        let error = start_names(option, name).unwrap_err().to_string();
        assert!(error.starts_with(&format!("option `{option}`: must not ")), "{error}");
        assert!(error.ends_with(&format!("got {name:?}")) && !error.contains('\n'), "{error}");
    };
    refused.iter().for_each(|name| ["as", "by"].iter().for_each(|option| check(option, name)));
    for name in refused_fields {
        check("as", name);
        assert!(start_names("by", name).is_ok(), "{name:?}");
    }
    for name in ["Time", "a b", "a,b", "a=b", "#x", "\"", "a\\b", "a\\\"b", "_field", "ü", "a\0b", " "] {
        for option in ["as", "by"] {
            assert!(start_names(option, name).is_ok(), "{name:?}");
        }
    }
    let sent = start_names("as", "a b").unwrap().point(&point()).unwrap().remove(0);
    assert_eq!((sent.fields["a b"].clone(), sent.tags["host"].as_str()), (1.into(), "x"));
}

#[test]
#[should_panic(expected = "a name must not be empty, got \"\"")]
fn empty_default_is_a_mistake_of_the_plugin() {
    let _ = FieldName::from("");
}

#[test]
fn ints_out_of_range_are_told_the_range() {
    let error = |name, value: i64| start_names(name, value).unwrap_err().to_string();
    assert_eq!(error("size", 4_294_967_296), "option `size`: must be from 1 to 4294967295, got 4294967296");
    assert_eq!(error("size", 0), "option `size`: must be from 1 to 4294967295, got 0");
    assert_eq!(error("most", -1), "option `most`: must be at least 1, got -1");
    assert!(start_names("most", i64::MAX).is_ok());
    assert!(start_names("size", 4_294_967_295).is_ok());
}
