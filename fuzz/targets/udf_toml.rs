//! Text as `udf.toml`.
//!
//! What is accepted can be used: functions are listed, tasks are routed, limits are shown, and
//! deadlines can be added to the time.

#![no_main]

use std::path::Path;
use std::time::{Duration, Instant};

use kapacitor_wasm::internals::Config;
use kapacitor_wasm::internals::socket_path;
use kapacitor_wasm::internals::{Function, Plugins};
use kapacitor_wasm::protocol::option_value::Value;
use kapacitor_wasm::protocol::{InitRequest, Option as UdfOption, OptionValue, ValueType};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|text: &str| -> Corpus {
    let config = match Config::from_text(text, Path::new("/etc/kapacitor-wasm/udf.toml")) {
        Ok(config) => config,
        Err(error) => {
            let _ = format!("{:#}", error.to_string());
            return Corpus::Keep;
        }
    };
    let sessions = config.sessions;
    later(sessions.drain_deadline.0);
    let _ = format!("{} {} {}", sessions.message, sessions.queue, sessions.drain_deadline);
    let files = ["mirror".to_owned(), "not a name".to_owned()];
    let Ok(functions) = Function::all(&config, files.iter()) else { return Corpus::Keep };
    assert!(functions.iter().any(|function| function.name == "mirror"));
    assert!(functions.iter().all(|function| function.name != "not a name"));
    let plugins = Plugins::new();
    for function in &functions {
        let limits = function.limits.or_more(&config.default_limits());
        later(limits.call_deadline.0);
        let _ = format!("{} {} {}", limits.memory, limits.output, limits.call_deadline);
        let _ = format!("{} {:?}", function.name, socket_path(&config, &function.name));
        let info = function.info(&plugins);
        let _ = (info.wants(), info.provides(), function.named_plugins().count());
        for task in ["", "cpu_alert", "a/b-c.d", "Ω"] {
            // A generic function is given what it declares.
            let options = info.options.keys().map(|name| UdfOption {
                name: name.clone(),
                values: vec![OptionValue {
                    r#type: ValueType::String.into(),
                    value: Some(Value::StringValue("mirror".to_owned())),
                }],
            });
            let request = InitRequest {
                task_id: task.to_owned(),
                options: options.collect(),
                ..InitRequest::default()
            };
            let _ = function.chosen(&request);
            // There are no plugins: the answer is a sentence.
            let said = function.route(request, &plugins, None).expect_err("there are no plugins");
            assert!(said.to_string().contains(&function.name));
        }
    }
    Corpus::Keep
});

/// What the host does with a deadline.
fn later(span: Duration) {
    let _ = Instant::now() + span;
}
