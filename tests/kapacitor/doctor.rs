//! `doctor` beside a real kapacitord: its version, its tasks, and what it was told.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::daemons::{Setup, Stack};
use super::{MOVING_AVG, averages};
use crate::support::BINARY;
use crate::support::wasm;

/// What `doctor` finds: check, verdict, text and advice.
fn findings(stack: &Stack, args: &[&str]) -> Vec<[String; 4]> {
    let mut command = Command::new(BINARY);
    command.args(["doctor", "--json", "--config", "udf.toml", "--kapacitor-conf", "kapacitor.conf"]);
    command.args(["--unit-dir", "."]).args(args).current_dir(stack.path("")).env_remove("KAPACITOR_URL");
    let output = command.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|finding| ["check", "verdict", "text", "advice"].map(|key| text(finding, key))).collect()
}

#[track_caller]
fn has(findings: &[[String; 4]], check: &str, verdict: &str, parts: &[&str]) {
    let found = findings.iter().any(|[c, v, text, advice]| {
        let whole = format!("{text}\n{advice}");
        c == check && v == verdict && parts.iter().all(|part| whole.contains(part))
    });
    assert!(found, "{check} {verdict} {parts:?} is not in {findings:#?}");
}

#[test]
fn installation_that_works_has_no_problem() {
    let Some(stack) = Stack::start(Setup::default()) else { return };
    stack.api.enable_task("good", "stream", &averages(MOVING_AVG, "means"));
    let findings = findings(&stack, &[]);
    let bad: Vec<_> =
        findings.iter().filter(|[_, verdict, ..]| verdict == "problem" || verdict == "warning").collect();
    assert!(bad.is_empty(), "{bad:#?}");
    // Its address and its user come from kapacitor.conf and from its process.
    // The kapacitord of the tests was built without its version.
    has(&findings, "versions", "skipped", &["Kapacitor answers at http://127.0.0.1:", "is no number"]);
    has(&findings, "socket-rights", "ok", &["can connect to 1 sockets"]);
    has(&findings, "tasks", "ok", &["1 of 1 tasks call functions of the host"]);
    has(&findings, "told", "ok", &["1 functions"]);
    has(&findings, "limits", "ok", &["1 enabled tasks"]);
}

#[test]
fn scripts_that_do_not_fit_the_plugins_any_more_are_found() {
    let udf_toml = "[functions.any]\nplugin-option = \"plugin\"\nedges = \"stream -> stream\"\n";
    let setup = Setup { plugins: &["moving_avg", "mirror"], udf_toml, ..Setup::default() };
    let Some(stack) = Stack::start(setup) else { return };
    stack.api.enable_task("means", "stream", &averages(MOVING_AVG, "means"));
    stack.api.enable_task("plain", "stream", &averages("@mirror()", "same"));
    stack.api.enable_task("lost", "stream", &averages("@any().plugin('mirror')", "lost"));
    stack.api.set_status("plain", "disabled");

    // A plugin with other options, one with other edges, and one that is gone.
    fs::write(stack.path("plugins/moving_avg.wasm"), wasm("above")).unwrap();
    fs::write(stack.path("plugins/mirror.wasm"), wasm("outliers")).unwrap();
    let found = findings(&stack, &[]);
    has(
        &found,
        "tasks",
        "problem",
        &["task `means`: line ", "@moving_avg() has no option `size`", "can't even disable"],
    );
    has(
        &found,
        "tasks",
        "warning",
        &["task `plain`: line ", "wants a batch edge, and gets a stream", "(the task is disabled)"],
    );
    has(&found, "tasks", "problem", &["task `lost`", "@any()", "plugin `mirror`"]);
    has(
        &found,
        "told",
        "problem",
        &["function `moving_avg`: ", "option size(int) is gone", "put the old file back"],
    );
    has(&found, "told", "problem", &["function `mirror`: edges batch -> batch were stream -> stream"]);
}

#[test]
fn tasks_that_do_not_run_and_functions_that_kapacitor_lacks_are_found() {
    let setup = Setup {
        plugins: &["moving_avg", "fragile"],
        udf_toml: "[policy]\non-trap = \"fail\"\n",
        ..Setup::default()
    };
    let Some(stack) = Stack::start(setup) else { return };
    stack.api.enable_task("ended", "stream", &averages("@fragile()", "nothing"));
    stack.api.write_kapacitor("cpu,host=a value=1000,panic=7i 1700000000000000000");
    for i in 0..10 {
        stack.api.write_kapacitor(&format!("cpu,host=a value=1 {}", 1_700_000_000_000_000_001_i64 + i));
    }
    stack.api.wait_for_error("ended");
    let conf = fs::read_to_string(stack.path("kapacitor.conf")).unwrap();
    fs::write(stack.path("kapacitor.conf"), conf.replace("[udf.functions.fragile]", "[udf.functions.other]"))
        .unwrap();
    let found = findings(&stack, &[]);
    has(&found, "tasks", "problem", &["task `ended` is enabled, and does not run: "]);
    has(&found, "tasks", "problem", &["task `ended`: line ", "@fragile() is not in kapacitor.conf"]);
}

#[test]
fn what_is_no_kapacitor_is_said() {
    let Some(stack) = Stack::start(Setup::default()) else { return };
    // InfluxDB answers there.
    let found = findings(&stack, &["--kapacitor-url", &stack.api.influxdb_url()]);
    has(&found, "versions", "skipped", &["Kapacitor"]);
    has(&found, "tasks", "skipped", &["Kapacitor"]);
}
