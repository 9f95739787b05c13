//! Tasks that fail, tasks that stop, and tasks that choose their plugin.

use std::fs;

use serde_json::json;

use super::api::Row;
use super::daemons::{Setup, Stack, wait_for};
use super::{EPOCH, MOVING_AVG, SECOND, averages, expected_averages, line};

/// A plugin that starts well, and traps when it gets a point.
const TRAPPING: &str = r#"
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 16) "\08\01")
  (func (export "kapacitor_udf_abi_1"))
  ;; An empty InfoResponse: stream to stream, no options.
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_input") (param i32) (result i32) (i32.const 1024))
  (func (export "udf_init") (param i32 i32) (result i64)
    (i64.or (i64.shl (i64.const 16) (i64.const 32)) (i64.const 2)))
  (func (export "udf_process") (param i32 i32) (result i64) (unreachable))
  (func (export "udf_finish") (result i64) (i64.const 0)))
"#;

#[test]
fn trapping_plugin_fails_only_its_own_task() {
    let udf_toml = "[policy]\non-trap = \"fail\"\n";
    let setup = Setup { guests: &[("trapping", TRAPPING)], udf_toml, ..Setup::default() };
    let Some(mut stack) = Stack::start(setup) else { return };
    let kapacitord = stack.kapacitord_id();
    stack.api.enable_task("bad", "stream", &averages("@trapping()", "nothing"));
    stack.api.enable_task("good", "stream", &averages(MOVING_AVG, "means"));
    // Both tasks get every point, and the first point ends one of them.
    for i in 0..50 {
        stack.api.write_kapacitor(&line("a", i));
    }
    let error = stack.api.wait_for_error("bad");
    assert!(error.contains("plugin \"trapping\"") && error.contains("unreachable"), "{error}");
    assert_eq!(stack.api.task("bad")["executing"], false);
    for i in 50..100 {
        stack.api.write_kapacitor(&line("a", i));
    }
    stack.api.expect_rows("means", &expected_averages("a", 100));
    let good = stack.api.task("good");
    assert_eq!((&good["executing"], &good["error"]), (&true.into(), &"".into()));
    // The failed task can be stopped and started again.
    stack.api.set_status("bad", "disabled");
    stack.api.set_status("bad", "enabled");
    assert_eq!(stack.api.task("bad")["executing"], true);
    assert_eq!(stack.kapacitord_id(), kapacitord);
}

#[test]
fn failed_points_are_skipped() {
    let Some(mut stack) = Stack::start(Setup { plugins: &["fragile"], ..Setup::default() }) else { return };
    let kapacitord = stack.kapacitord_id();
    stack.api.enable_task("sums", "stream", &averages("@fragile()", "sums"));
    let mut expected = Vec::new();
    for i in 0..60 {
        let time = EPOCH + i * SECOND;
        // Points that make the plugin fail in each way are between good ones.
        let how = ["panic", "fail", "deep", "hog"][i as usize % 4];
        let bad = format!("cpu,host=a value=1000,{how}=7i {}", time + 1);
        stack.api.write_kapacitor(&format!(
            "cpu,host=a value=1 {time}\n{}",
            if i % 6 == 0 { bad } else { String::new() }
        ));
        expected.push(Row::new(time, json!({"host": "a", "value": 1.0, "sum": (i + 1) as f64})));
    }
    stack.api.expect_rows("sums", &expected);
    let task = stack.api.task("sums");
    assert_eq!((&task["executing"], &task["error"]), (&true.into(), &"".into()));
    assert_eq!(stack.kapacitord_id(), kapacitord);
}

#[test]
fn task_can_be_reenabled_repeatedly() {
    let Some(stack) = Stack::start(Setup::default()) else { return };
    stack.api.enable_task("averages", "stream", &averages(MOVING_AVG, "means"));
    // Each call of the API has a timeout, so a task that does not stop fails the test.
    for i in 0..10 {
        // Kapacitor can crash when a UDF still sends points while its task is stopped.
        stack.api.write_kapacitor(&line("other", i));
        wait_for("the point is through", || (stack.api.rows("out", "means").len() as i64 > i).then_some(()));
        let error = stack.disable_and_settle("averages");
        assert!(error.is_empty() || error.contains("node aborted"), "{error}");
        stack.api.set_status("averages", "enabled");
        assert_eq!(stack.api.task("averages")["executing"], true);
    }
    for i in 0..5 {
        stack.api.write_kapacitor(&line("a", i));
    }
    stack.api.expect_rows_where("means", |row| row.columns["host"] == "a", &expected_averages("a", 5));
}

#[test]
fn child_process_ends_with_its_task() {
    let Some(mut stack) = Stack::start(Setup { stdio: true, ..Setup::default() }) else { return };
    let kapacitord = stack.kapacitord_id();
    wait_for("no child while no task runs", || children(kapacitord).is_empty().then_some(()));
    stack.api.enable_task("averages", "stream", &averages(MOVING_AVG, "means"));
    for i in 0..10 {
        stack.api.write_kapacitor(&line("a", i));
    }
    stack.api.expect_rows("means", &expected_averages("a", 10));
    let [child] = children(kapacitord)[..] else { panic!("no single child: {:?}", children(kapacitord)) };
    let command = fs::read_to_string(format!("/proc/{child}/cmdline")).expect("the child runs");
    assert!(command.contains("\0stdio\0moving_avg\0"), "{command:?}");
    stack.api.set_status("averages", "disabled");
    wait_for("the child ends", || children(kapacitord).is_empty().then_some(()));
    assert_eq!(stack.api.task("averages")["error"], "");
}

/// The processes that `parent` has started and that still run.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("/proc can be read");
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter(|id| {
        // `pid (name) state ppid …`
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let mut rest = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        rest.next() != Some("Z") && rest.next() == Some(&parent.to_string())
    })
    .collect()
}

/// A function whose TICKscript names the plugin.
const GENERIC: &str = r#"
[functions.wasm]
plugin-option = "plugin"
edges = "stream -> stream"
"#;

#[test]
fn script_chooses_plugin_of_generic_function() {
    let Some(stack) = Stack::start(Setup { udf_toml: GENERIC, ..Setup::default() }) else { return };
    let udf = "@wasm().plugin('moving_avg').set('field', 'usage').set('size', '3').set('as', 'mean')";
    stack.api.enable_task("averages", "stream", &averages(udf, "means"));
    for i in 0..10 {
        stack.api.write_kapacitor(&line("a", i));
    }
    stack.api.expect_rows("means", &expected_averages("a", 10));
}

#[test]
fn unknown_plugin_is_named_in_error_of_task() {
    let Some(stack) = Stack::start(Setup { udf_toml: GENERIC, ..Setup::default() }) else { return };
    stack.api.enable_task("typo", "stream", &averages("@wasm().plugin('moving_average')", "nothing"));
    let error = stack.api.wait_for_error("typo");
    assert!(error.contains("moving_average") && error.contains("moving_avg"), "{error}");
    let shown = stack.kapacitor(&["show", "typo"]);
    assert!(shown.contains("there is no plugin"), "{shown}");
    // Kapacitor leaves the connection open, so the host has to close it.
    wait_for("the host closes the connection", || {
        let log = stack.host_log();
        log.lines().any(|line| line.contains("task ended") && line.contains("task=typo")).then_some(())
    });
    stack.api.set_status("typo", "disabled");
}
