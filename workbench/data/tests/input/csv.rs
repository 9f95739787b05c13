//! CSV: annotated, and with a header.

use kapacitor_wasm_data::Value::{Bool, Double, Int, Unsigned};
use kapacitor_wasm_data::input::{CsvOptions, Format, Options, Precision};

use crate::helpers::{OnDisk, gzip, lines, point, read, read_with, text, zstd};

const ANNOTATED: &str = "\
#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string,string,string\r
#group,false,false,true,true,false,false,true,true,true\r
#default,_result,,,,,,,,\r
,result,table,_start,_stop,_time,_value,_field,_measurement,host\r
,,0,2026-01-01T00:00:00Z,2026-01-02T00:00:00Z,1970-01-01T00:00:01Z,1,usage,cpu,a\r
,,0,2026-01-01T00:00:00Z,2026-01-02T00:00:00Z,1970-01-01T00:00:02Z,2.5,usage,cpu,a\r
,,0,2026-01-01T00:00:00Z,2026-01-02T00:00:00Z,1970-01-01T00:00:03Z,,usage,cpu,a\r
\r
#datatype,string,long,dateTime:RFC3339,unsignedLong,string,string,string\r
#group,false,false,false,false,true,true,true\r
#default,_result,,,,,,\r
,result,table,_time,_value,_field,_measurement,host\r
,,1,1970-01-01T00:00:03Z,7,n,mem,\"b,\"\"c\"\"\"\r
";

#[test]
fn annotated_csv_has_a_field_in_each_row() {
    let expected = [
        point("cpu", [("host", "a")], [("usage", Double(1.0))], 1_000_000_000),
        point("cpu", [("host", "a")], [("usage", Double(2.5))], 2_000_000_000),
        point("mem", [("host", "b,\"c\"")], [("n", Unsigned(7))], 3_000_000_000),
    ];
    let file = OnDisk::new("x", ANNOTATED);
    assert_eq!(file.open(&Options::default()).unwrap().format(), Format::AnnotatedCsv);
    assert_eq!(read("x", ANNOTATED).points(), expected);
    assert_eq!(read("x", ANNOTATED.replace('\r', "")).points(), expected);
    assert_eq!(read("x", gzip(ANNOTATED)).points(), expected);
}

#[test]
fn fields_in_rows_that_follow_each_other_are_one_point() {
    let content = "#datatype,string,dateTime:RFC3339,string,string,string,string\n\
        ,result,_time,_value,_field,_measurement,host\n\
        ,,1970-01-01T00:00:00Z,a,f,m,x\n,,1970-01-01T00:00:00Z,b,g,m,x\n,,1970-01-01T00:00:00Z,c,g,m,x\n\
        ,,1970-01-01T00:00:00Z,d,h,m,y\n,,1970-01-01T00:00:01Z,e,i,m,y\n";
    let expected = [
        point("m", [("host", "x")], [("f", text("a")), ("g", text("b"))], 0),
        point("m", [("host", "x")], [("g", text("c"))], 0),
        point("m", [("host", "y")], [("h", text("d"))], 0),
        point("m", [("host", "y")], [("i", text("e"))], 1_000_000_000),
    ];
    assert_eq!(read("x", content).points(), expected);
}

#[test]
fn pivoted_annotated_csv_has_a_point_in_each_row() {
    let content = "#group,false,false,false,true,false,true,false,false\n\
        #datatype,string,long,dateTime:RFC3339,string,long,string,boolean,string\n\
        #default,_result,,,,,,,\n\
        ,result,table,_time,_measurement,n,host,up,note\n\
        ,,0,1970-01-01T00:00:01Z,cpu,5,a,true,\"two\nlines\"\n\
        ,,0,1970-01-01T00:00:02Z,cpu,,a,false,\n";
    let expected = [
        point(
            "cpu",
            [("host", "a")],
            [("n", Int(5)), ("up", Bool(true)), ("note", text("two\nlines"))],
            1_000_000_000,
        ),
        point("cpu", [("host", "a")], [("up", Bool(false))], 2_000_000_000),
    ];
    assert_eq!(read("x", content).points(), expected);
}

#[test]
fn results_without_annotations_have_guessed_types() {
    let content = ",result,table,_time,_value,_field,_measurement,host\n\
        ,_result,0,1970-01-01T00:00:00Z,1,v,cpu,a\n,_result,0,1970-01-01T00:00:01Z,true,v,cpu,a\n";
    let expected = [
        point("cpu", [("host", "a")], [("v", Double(1.0))], 0),
        point("cpu", [("host", "a")], [("v", Bool(true))], 1_000_000_000),
    ];
    assert_eq!(read("x", content).points(), expected);
    let without_measurement =
        content.replace(",_measurement", "").replace(",cpu", "").replace("_time", "\"_time\"");
    assert_eq!(read("cpu.csv", without_measurement).points(), expected);
}

#[test]
fn a_failed_query_is_named() {
    let error =
        "#datatype,string,string\n#group,true,true\n#default,,\n,error,reference\n,no such bucket,897\n";
    let expected = "the query that made this file failed: no such bucket";
    assert_eq!(read("x", format!("{ANNOTATED}\n{error}")).bad, [format!("x:19: {expected}")]);
    let alone = read("x", error).error.unwrap();
    assert!(
        alone.starts_with("x: nothing in it can be read as annotated CSV") && alone.ends_with(expected),
        "{alone}"
    );
    assert!(read("x", "error,reference\nno such bucket,897\n").error.unwrap().ends_with(expected));
}

#[test]
fn bad_tables_and_rows_of_annotated_csv_are_named() {
    let content = format!(
        "{ANNOTATED},,1,yesterday,7,n,mem,b\n,,1,1970-01-01T00:00:00Z,-7,n,mem,b\n,,1\n\n\
         #datatype,string,double\n,result,_value\n,,1\n,,2\n\n#constant,measurement,cpu\n"
    );
    let expected = [
        "x:14: the time \"yesterday\" is none, or out of range",
        "x:15: the value \"-7\" is no unsigned integer",
        "x:16: it has 3 cells, and the header 8",
        "x:19: the table has no column `_time`, and is left out: keep that column in the query",
        "x:23: `#constant` is of extended annotated CSV, which can't be read",
    ];
    assert_eq!(read("x", content).bad, expected);
}

#[test]
fn csv_with_a_header_has_a_point_in_each_row() {
    let content = "\u{feff}host,timestamp,n,v,up,note,empty\r\n\
        a,2015-02-26 21:42:53,1,1,true,\"x, \"\"y\"\"\nz\",\r\n\
        ,2015-02-26T21:42:54.5Z,-2,2.5,FALSE,,\r\n\
        \r\n\
        b,1424986975000000000,,,,5,\r\n";
    let options = Options {
        csv: CsvOptions { tags: vec!["host".to_owned()], ..CsvOptions::default() },
        ..Options::default()
    };
    let second = |second: i64| 1_424_986_973_000_000_000 + second * 500_000_000;
    let expected = [
        point(
            "cpu.load",
            [("host", "a")],
            [("n", Int(1)), ("v", Double(1.0)), ("up", Bool(true)), ("note", text("x, \"y\"\nz"))],
            second(0),
        ),
        point("cpu.load", [], [("n", Int(-2)), ("v", Double(2.5)), ("up", Bool(false))], second(3)),
        point("cpu.load", [("host", "b")], [("note", text("5"))], second(4)),
    ];
    assert_eq!(read_with("cpu.load.csv", content, &options).points(), expected);
    assert_eq!(read_with("cpu.load.csv.gz", gzip(content), &options).points(), expected);
    assert_eq!(read_with("cpu.load.csv.zst", zstd(content), &options).points(), expected);
}

#[test]
fn columns_are_chosen_by_options() {
    let content = "_time,at,v\n7,3,1\n";
    let with =
        |csv| read_with("x", content, &Options { precision: Precision::Seconds, csv, ..Options::default() });
    let by_default = with(CsvOptions::default()).points();
    assert_eq!(by_default, [point("x", [], [("at", Int(3)), ("v", Int(1))], 7_000_000_000)]);
    let time = Some("at".to_owned());
    let chosen =
        with(CsvOptions { time, measurement: Some("m".to_owned()), tags: vec!["_time".to_owned()] }).points();
    assert_eq!(chosen, [point("m", [("_time", "7")], [("v", Int(1))], 3_000_000_000)]);
    let missing = with(CsvOptions { time: Some("when".to_owned()), ..CsvOptions::default() }).error.unwrap();
    assert_eq!(missing, "x: it has no column \"when\" with the time, only _time, at, v: name one of them");
    let missing = with(CsvOptions { tags: vec!["host".to_owned()], ..CsvOptions::default() }).error.unwrap();
    assert_eq!(
        missing,
        "x: it has no column \"host\", which is to be a tag, only _time, at, v: name one of them"
    );
}

#[test]
fn a_column_has_one_type() {
    // Integers at the beginning, and a fraction far behind what is looked at beforehand.
    let rows = lines(20_000, |time| format!("{time},1\n"));
    let points = read("x", format!("time,v\n{rows}20000,1.5\n20001,2\n")).points();
    let values: Vec<_> = points.iter().map(|point| &point.fields["v"]).collect();
    assert!(values[..20_000].iter().all(|value| **value == Int(1)));
    assert_eq!(values[20_000..], [&Double(1.5), &Double(2.0)]);
    // Near the beginning, it counts for all of them.
    let points = read("x", "time,v,s\n0,1,5\n1,1.5,x\n").points();
    assert_eq!(points[0].fields, [("v".to_owned(), Double(1.0)), ("s".to_owned(), text("5"))].into());
    // NaN can't be stored, but it does not make the numbers texts.
    let with_nan = read("x", "time,v\n0,NaN\n1,1.5\n");
    assert_eq!(
        with_nan.bad,
        ["x:2: \"NaN\" in the column \"v\" is no finite number, the type of this column"]
    );
    assert_eq!(with_nan.times(), [1]);
    let late_text = read("x", format!("time,v\n{rows}20000,none\n20001,NaN\n20002,2\n"));
    let problem = |line: u32, cell: &str| {
        format!("x:{line}: {cell:?} in the column \"v\" is no integer, the type of this column")
    };
    assert_eq!(late_text.bad, [problem(20_002, "none"), problem(20_003, "NaN")]);
    assert_eq!(late_text.records.len(), 20_001);
}

#[test]
fn bad_rows_and_headers_are_named() {
    let read_bad = read("x", "time,a,b\n1,2,3\n1,2\n1,2,3,4\nnoon,2,3\n1,,\n,2,3\n1,\"2,3\n5,6,7\n");
    let expected = [
        "x:3: it has 2 cells, and the header 3",
        "x:4: it has 4 cells, and the header 3",
        "x:5: the time \"noon\" is none, or out of range",
        "x:6: it has no field: all cells but time and tags are empty",
        "x:7: the time \"\" is none, or out of range",
        "x:8: it has a quote that is not closed",
    ];
    assert_eq!(read_bad.bad, expected);
    assert_eq!(read_bad.times(), [1, 5]);
    let refused = |content: &str| read("x", content).error.unwrap();
    assert_eq!(
        refused("a,b\n1,2\n"),
        "x: it has no column `time`, `timestamp` or `_time`, only a, b: name one of them"
    );
    assert_eq!(refused("time,a,a\n1,2,3\n"), "x: it has two columns \"a\": rename one of them");
    assert_eq!(
        refused("time,\n1,2\n"),
        "x: it has no column for a field, besides the time and tags: add one"
    );
    assert_eq!(refused("time,a\n"), "x: there is no point in it: choose a file with points");
}
