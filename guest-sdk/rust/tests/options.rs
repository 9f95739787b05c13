use std::time::Duration;

use kapacitor_guest::prelude::*;
use kapacitor_guest::testing::{Harness, flag, point};

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
                    option `count`: -1 is out of range; option `yes`: given 2 times, expected once; \
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
