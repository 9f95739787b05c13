//! What is true of all texts and of all calls.

use kapacitor_wasm_tickscript::{
    Call, CallOption, OptionValue, Vars, parse_call, parse_duration, parse_option_values,
    parse_pipeline_call, parse_script, parse_vars,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Texts that are made of the parts of scripts, in any order.
fn soup() -> impl Strategy<Value = String> {
    const PARTS: [&str; 52] = [
        "stream",
        "batch",
        "|from()",
        "|query(",
        "|window()",
        ".period(",
        "|groupBy(",
        "@u()",
        ".x(",
        ")",
        "(",
        "'",
        "'''",
        "'a'",
        "\"",
        "\"b\"",
        "\\",
        "//",
        "/",
        "/r/",
        "\n",
        " ",
        "var ",
        "x",
        "y",
        " = ",
        "=~",
        "==",
        "!=",
        "!",
        "-",
        "+",
        "*",
        "%",
        ",",
        ".",
        "..",
        "3",
        "3.5",
        "09",
        "5m",
        "1u",
        "TRUE",
        "lambda: ",
        "lambda",
        "AND",
        "[",
        "]",
        "dbrp ",
        "é",
        "µ",
        "\u{0}",
    ];
    vec(prop::sample::select(&PARTS[..]), 0..40).prop_map(|parts| parts.concat())
}

fn value() -> impl Strategy<Value = OptionValue> {
    prop_oneof![
        // Quotes and backslashes are what strings are about.
        prop_oneof![any::<String>(), r"[ab'\\]{0,8}"].prop_map(OptionValue::String),
        any::<i64>().prop_map(OptionValue::Int),
        any::<f64>().prop_map(OptionValue::Double),
        any::<i64>().prop_map(OptionValue::Duration),
        (-100_i64..100, prop::sample::select(vec![1_000, 1_000_000_000, 604_800_000_000_000]))
            .prop_map(|(count, unit)| OptionValue::Duration(count * unit)),
        any::<bool>().prop_map(OptionValue::Bool),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let name = || {
        "[a-zA-Z][a-zA-Z0-9_]{0,8}".prop_filter("a keyword", |name| {
            !["var", "dbrp", "TRUE", "FALSE", "AND", "OR", "quiet"].contains(&name.as_str())
        })
    };
    let option = (name(), vec(value(), 0..4)).prop_map(|(name, values)| CallOption { name, values });
    (name(), vec(option, 0..4)).prop_map(|(function, options)| Call { function, options })
}

/// `call` with its doubles as bits, so that NaN is equal to itself and 0 is not equal to -0.
fn exactly(call: &Call) -> Vec<(String, Vec<Result<u64, OptionValue>>)> {
    let exact = |value: &OptionValue| match value {
        OptionValue::Double(double) if double.is_nan() => Ok(f64::NAN.to_bits()),
        OptionValue::Double(double) => Ok(double.to_bits()),
        other => Err(other.clone()),
    };
    let options =
        call.options.iter().map(|option| (option.name.clone(), option.values.iter().map(exact).collect()));
    std::iter::once((call.function.clone(), vec![])).chain(options).collect()
}

proptest! {
    #[test]
    fn no_text_panics(text in prop_oneof![any::<String>(), soup()]) {
        let vars = Vars::new();
        let lines = text.split('\n').count();
        let results = [
            parse_script(&text, "a.tick", &vars).err(),
            parse_pipeline_call(&text).err(),
            parse_option_values(&text).err(),
            parse_duration(&text).err(),
            parse_vars(&text, "vars.json").err(),
        ];
        for error in results.into_iter().flatten() {
            prop_assert!(error.line() <= lines, "{} in {:?}", error, text);
        }
    }

    #[test]
    fn a_call_that_is_shown_is_read_as_the_same_call(call in call()) {
        let shown = call.to_string();
        let read = parse_call(&shown);
        prop_assert!(read.is_ok(), "{}: {:?}", shown, read);
        prop_assert_eq!(exactly(&read.unwrap()), exactly(&call), "{}", shown);
    }
}
