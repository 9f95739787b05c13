//! A call as `--call` has it, and the values of an option as `--option` has them.

use kapacitor_wasm_tickscript::OptionValue::{Bool, Double, Duration, Int, String as Text};
use kapacitor_wasm_tickscript::{
    Call, CallOption, OptionValue, parse_call, parse_duration, parse_option_values, parse_pipeline_call,
};

fn call(function: &str, options: &[(&str, &[OptionValue])]) -> Call {
    let options =
        options.iter().map(|(name, values)| CallOption { name: (*name).into(), values: values.to_vec() });
    Call { function: function.into(), options: options.collect() }
}

#[test]
fn calls_have_the_options_that_kapacitor_sends() {
    let average = call("moving_avg", &[("field", &[Text("usage_user".into())]), ("size", &[Int(30)])]);
    for (text, expected) in [
        ("@moving_avg().field('usage_user').size(30)", &average),
        ("moving_avg().field('usage_user').size(30)", &average),
        ("  @moving_avg()\n\t.field('usage_user') // which field\n\t.size(30)\n", &average),
        ("|window().period(10m).every(10m)@moving_avg().field('usage_user').size(30)", &average),
        ("stream|from().measurement('cpu')@moving_avg().field('usage_user').size(30)", &average),
        ("var n = 30 stream|from()@moving_avg().field('usage_user').size(n)|httpOut('x')", &average),
        ("@moving_avg().quiet().field('usage_user').size(30)", &average),
        ("@a()", &call("a", &[])),
        ("@a().align()", &call("a", &[("align", &[])])),
        ("@a().x(1).x(2)", &call("a", &[("x", &[Int(1)]), ("x", &[Int(2)])])),
        // The options of TestStream_CustomFunctions of Kapacitor.
        (
            "@customFunc().opt1('count').opt2(FALSE, 1, 1.0, '1.0', 1s)",
            &call(
                "customFunc",
                &[
                    ("opt1", &[Text("count".into())]),
                    (
                        "opt2",
                        &[Bool(false), Int(1), Double(1.0), Text("1.0".into()), Duration(1_000_000_000)],
                    ),
                ],
            ),
        ),
        // A list alone is the list of arguments.
        ("@a().fields(['x', 'y'])", &call("a", &[("fields", &[Text("x".into()), Text("y".into())])])),
    ] {
        assert_eq!(parse_call(text).as_ref(), Ok(expected), "{text}");
    }
}

#[test]
fn values_are_those_of_kapacitor() {
    for (text, expected) in [
        ("", vec![]),
        ("'text'", vec![Text("text".into())]),
        ("3, 4.0", vec![Int(3), Double(4.0)]),
        ("5m", vec![Duration(300_000_000_000)]),
        ("TRUE", vec![Bool(true)]),
        ("!TRUE", vec![Bool(false)]),
        ("010", vec![Int(8)]),
        ("0", vec![Int(0)]),
        (".5", vec![Double(0.5)]),
        ("3.", vec![Double(3.0)]),
        ("-3", vec![Int(-3)]),
        ("--3", vec![Int(3)]),
        ("-1.5, -2s", vec![Double(-1.5), Duration(-2_000_000_000)]),
        ("1u, 1µ, 1ms, 1s, 1m, 1h, 1d, 1w", {
            let units = [1_000, 1_000, 1_000_000, 1_000_000_000, 60_000_000_000, 3_600_000_000_000];
            let days = [86_400_000_000_000, 604_800_000_000_000];
            units.into_iter().chain(days).map(Duration).collect()
        }),
        (r"'it\'s'", vec![Text("it's".into())]),
        (r"'a\b'", vec![Text(r"a\b".into())]),
        (r"'''it's \'''", vec![Text(r"it's \".into())]),
        ("''", vec![Text(String::new())]),
        ("''''''", vec![Text(String::new())]),
        ("'{{ .Name }} is \"high\"'", vec![Text("{{ .Name }} is \"high\"".into())]),
        ("5m * 2", vec![Duration(600_000_000_000)]),
        ("2 * 5m", vec![Duration(600_000_000_000)]),
        ("1m / 1s", vec![Int(60)]),
        ("1m * 0.5", vec![Duration(30_000_000_000)]),
        ("'a' + 'b'", vec![Text("ab".into())]),
        ("2 + 3 * 4 - 1", vec![Int(13)]),
        ("(2 + 3) * 4 % 7", vec![Int(6)]),
        ("10 - 2 - 3", vec![Int(5)]),
        ("-7 / 2", vec![Int(-3)]),
    ] {
        assert_eq!(parse_option_values(text).as_ref(), Ok(&expected), "{text}");
    }
}

#[test]
fn times_have_kapacitors_units() {
    for (text, expected) in
        [("10m", 600_000_000_000), ("1h30m", 5_400_000_000_000), ("0s", 0), ("5ms", 5_000_000)]
    {
        assert_eq!(parse_duration(text), Ok(expected), "{text}");
    }
    for text in ["", "10", "m", "10 m", "-10m", "10x", "1.5h", "9999999999999999w", "20000w"] {
        assert!(parse_duration(text).is_err(), "{text}");
    }
}

#[test]
fn a_call_alone_gets_all_points() {
    let call = parse_pipeline_call("@above().threshold(90.0)").unwrap();
    assert_eq!((call.window, call.measurement, call.left_out), (None, None, vec![]));
    let call = parse_pipeline_call("|window().period(10m).every(5m).align()@above()").unwrap();
    let window = call.window.unwrap();
    assert_eq!((window.period, window.every, window.align), (600_000_000_000, 300_000_000_000, true));
}
