//! The plugin and the options that a task gets.

use kapacitor_wasm::protocol::client::{option, text};
use kapacitor_wasm::protocol::option_value::Value;
use kapacitor_wasm::protocol::{Option as UdfOption, OptionValue, RequestMessage, ValueType};

use crate::support::{Host, Setup, field, moving_avg, play, point};

fn set(name: &str, value: &str) -> UdfOption {
    let string = |text: &str| OptionValue {
        r#type: ValueType::String.into(),
        value: Some(Value::StringValue(text.to_owned())),
    };
    UdfOption { name: "set".to_owned(), values: vec![string(name), string(value)] }
}

fn generic() -> Host {
    let config = r#"
[functions.cpu_average]
plugin = "moving_avg"

[functions.wasm]
plugin-option = "plugin"
edges = "stream -> stream"

[[functions.wasm.route]]
task = "cpu_*"
plugin = "moving_avg"

[functions.tiny]
plugin = "mirror"
limits = { memory = "1KiB" }

[functions.large]
plugin = "memory_hog_at_start"
limits = { memory = "512MiB" }

[[functions.lonely.route]]
task = "cpu_*"
plugin = "mirror"

[functions.nothing]
plugin = "not_there"
"#;
    Setup::new(config).with(&["moving_avg", "mirror", "outliers", "wrong_abi", "memory_hog_at_start"]).serve()
}

fn refusal(host: &Host, function: &str, task: &str, options: &[UdfOption]) -> String {
    let response = host.connect(function).init(task, options.to_vec()).unwrap();
    assert!(!response.success);
    response.error
}

#[test]
fn plugin_is_chosen_by_function_script_or_task() {
    let host = generic();
    let mean = [set("field", "value"), set("size", "2"), set("as", "mean")];
    let points = || (0..3).map(|i| RequestMessage::Point(point("a", i, i as f64)));

    let by_file = host.start("cpu_average", &moving_avg(2));
    assert_eq!(field(&play(by_file, points()), "mean"), [0.0, 0.5, 1.5]);

    let mut options = vec![text("plugin", "moving_avg")];
    options.extend(mean.clone());
    let by_script = host.start("wasm", &options);
    assert_eq!(field(&play(by_script, points()), "mean"), [0.0, 0.5, 1.5]);

    let mirror = host.start("wasm", &[text("plugin", "mirror")]);
    assert_eq!(field(&play(mirror, points()), "value"), [0.0, 1.0, 2.0]);

    let mut by_task = host.connect("wasm");
    let response = by_task.init("cpu_alert", mean.to_vec()).unwrap();
    assert!(response.success, "{}", response.error);
    assert_eq!(field(&play(by_task, points()), "mean"), [0.0, 0.5, 1.5]);
}

#[test]
fn limits_of_function_admit_larger_plugin() {
    let host = generic();
    assert_eq!(play(host.start("large", &[]), [RequestMessage::Point(point("a", 1, 1.0))]), []);
}

#[test]
fn added_plugin_is_found_without_restart() {
    let host = generic();
    let options = [text("plugin", "hidden_global")];
    assert!(refusal(&host, "wasm", "task", &options).contains("there is no plugin `hidden_global`"));
    // The file is incomplete at first.
    std::fs::write(host.setup.plugin("hidden_global"), b"\0asm").unwrap();
    assert!(refusal(&host, "wasm", "task", &options).contains("hidden_global.wasm: ends too early"));
    host.setup.add("hidden_global", "hidden_global");
    assert_eq!(play(host.start("wasm", &options), [RequestMessage::Point(point("a", 1, 1.0))]), []);
    let outside = refusal(&host, "wasm", "task", &[text("plugin", "../plugins/mirror")]);
    assert!(outside.contains("there is no plugin `../plugins/mirror`"), "{outside}");
}

#[test]
fn generic_function_describes_its_own_options() {
    let info = generic().connect("wasm").info().unwrap();
    assert_eq!(info.options.keys().collect::<Vec<_>>(), ["plugin", "set"]);
    assert_eq!(info.options["set"].value_types.len(), 2);
}

#[test]
fn refused_init_says_what_to_change() {
    let host = generic();
    let check = |function, options: &[UdfOption], expected: &str| {
        let error = refusal(&host, function, "task", options);
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    };
    check(
        "wasm",
        &[],
        "no plugin named: add .plugin('NAME') to the TICKscript or a route to udf.toml; there are: memory_hog_at_start, mirror, moving_avg, outliers",
    );
    check(
        "wasm",
        &[text("plugin", "ewma")],
        "there is no plugin `ewma`: put ewma.wasm into the plugins folder",
    );
    check(
        "wasm",
        &[text("plugin", "outliers")],
        "function `wasm` is stream -> stream, and plugin `outliers` is batch -> batch",
    );
    check("wasm", &[text("plugin", "wrong_abi")], "is made for guest interface 7");
    check(
        "wasm",
        &[text("plugin", "mirror"), set("size", "1")],
        "plugin `mirror`: there is no option `size`; there are: none",
    );
    check(
        "wasm",
        &[text("plugin", "moving_avg"), set("size", "big")],
        "plugin `moving_avg`: option `size`: expected int, got 'big'",
    );
    check(
        "wasm",
        &[text("field", "x")],
        "option `field` is not one of its options, or has other values than they take: .plugin('NAME').set('OPTION', 'VALUE')",
    );
    check(
        "moving_avg",
        &[option("size", Value::DoubleValue(2.0))],
        "option `size`: expected int, got double",
    );
    check("tiny", &[], "more than limits.memory = 1KiB");
    check(
        "memory_hog_at_start",
        &[],
        "needs 256MiB of memory to start, more than limits.memory = 64MiB: raise it",
    );
    check("wasm", &[text("plugin", "mirror.wasm")], "write `mirror`, without .wasm");
    check("lonely", &[], "there is no plugin of its name: add plugin = \"NAME\" to [functions.lonely]");
    check("nothing", &[], "there is no plugin `not_there`");
    let reference = UdfOption {
        name: "field".to_owned(),
        values: vec![OptionValue { r#type: ValueType::Bool.into(), value: None }],
    };
    check("moving_avg", &[reference], "use 'single quotes' for strings");
}

#[test]
fn function_without_plugin_answers_info() {
    let host = generic();
    for function in ["nothing", "wrong_abi"] {
        assert!(host.connect(function).info().unwrap().options.is_empty());
    }
}
