//! Lines that can't be read.

use kapacitor_wasm_data::input::{OnBadLine, Options};

use crate::helpers::{OnDisk, read, read_with};

#[test]
fn the_first_ones_are_kept_and_all_are_counted() {
    let file = OnDisk::new("x", "a v=1 1\n\nbad\n".repeat(50));
    let mut input = file.open(&Options::default()).unwrap();
    assert_eq!(input.by_ref().filter_map(Result::ok).count(), 50);
    assert_eq!(input.bad_lines().count, 50);
    let lines: Vec<_> = input.bad_lines().first.iter().map(|line| line.line).collect();
    assert!(lines.into_iter().eq((1..=20).map(|n| 3 * n)));
    assert_eq!(input.bad_lines().first[0].file, file.path().display().to_string());
}

#[test]
fn reading_ends_at_the_first_one_if_it_should() {
    let options = Options { on_bad_line: OnBadLine::Fail, ..Options::default() };
    let read = read_with("x", "a v=1 1\nbad\na v=1 2\n", &options);
    assert_eq!(read.times(), [1]);
    assert_eq!(
        read.error.unwrap(),
        "x:2: it has no field: correct the line, leave it out, or skip bad lines"
    );
}

#[test]
fn a_quote_too_many_costs_one_line() {
    let read = read("x", "a v=1 1\na s=\"x 2\na v=1 3\na s=\"x\ny\" 4\na s=\"x 6\na v=1 7\n");
    assert_eq!(read.times(), [1, 3, 4, 7]);
    let problem = |line: u32| format!("x:{line}: the text of the field \"s\" has no closing quote");
    assert_eq!(read.bad[1], problem(6));
    assert!(read.bad[0].starts_with("x:2: "), "{:?}", read.bad);
    assert_eq!(read.bad.len(), 2);
}

#[test]
fn lines_without_end_are_left_out() {
    let long = "x".repeat(3 << 20);
    let quoted = "a b\n".repeat(1 << 19);
    let content = format!("a v=1 1\na s=\"{long}\" 2\na v=1 3\na s=\"{quoted}a v=1 4\na v=1 5\n{long}");
    let read = read("x", content);
    assert_eq!(read.times(), [1, 3, 4, 5]);
    assert_eq!(read.bad[0], "x:2: it is longer than 1048576 bytes");
    assert_eq!(read.bad[1], "x:4: it is longer than 1048576 bytes");
    assert_eq!(read.bad[2], "x:5: the field \"b\" has no value");
}

#[test]
fn a_file_made_to_be_slow_is_read_in_time() {
    // Each row opens a quote that the rows behind it do not close.
    let read = read("x", format!("time,v,w\n{}1,2,3\n", "a\"b,\"c\n".repeat(1 << 18)));
    assert_eq!(read.times(), [1]);
}

#[test]
fn lines_that_are_not_utf8_are_bad() {
    let read = read("x", b"a v=1 1\na,t=\xff v=1 2\na v=1 3\n");
    assert_eq!((read.times(), read.bad), (vec![1, 3], vec!["x:2: it is not UTF-8".to_owned()]));
}

#[test]
fn problems_are_short_and_on_one_line() {
    let long = format!("\u{1b}[2J{}", "x".repeat(100_000));
    let read_csv = read("x", format!("time,a\n1,2\n{long},1\n"));
    assert!(read_csv.bad[0].starts_with("x:3: the time \"\\u{1b}[2Jxxx"), "{:?}", read_csv.bad);
    assert!(read_csv.bad[0].len() < 320);
    let failed = read("x", format!(",error,reference\n,{long}\u{1b}[2J,1\n")).error.unwrap();
    assert!(failed.contains("\\u{1b}[2Jxxx") && failed.len() < 500, "{failed}");
    let header = read("x", format!("{long},a\n1,2\n")).error.unwrap();
    assert!(header.contains("\\u{1b}[2Jxxx") && header.len() < 500, "{header}");
}
