//! State over a restart of Kapacitor, of the host and of both, and over a new version of the plugin.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::api::Row;
use super::daemons::{Setup, Stack, wait_for};
use super::{EPOCH, MOVING_AVG, SECOND, averages, expected_averages, line};
use crate::http::{metrics_at, value};
use crate::support;

/// Writes points before and after `restart`, which must not change the averages.
fn averages_go_on_after(restart: impl FnOnce(&mut Stack)) {
    let setup = Setup { snapshot_interval: "200ms", ..Setup::default() };
    let Some(mut stack) = Stack::start(setup) else { return };
    stack.api.enable_task("averages", "stream", &averages(MOVING_AVG, "means"));
    let write = |stack: &Stack, points: std::ops::Range<i64>| {
        for i in points {
            stack.api.write_kapacitor(&[line("a", i), line("b", i)].join("\n"));
        }
    };
    write(&stack, 0..8);
    // Kapacitor asks for the second once it has stored the first.
    wait_for("two snapshots that hold all points", || {
        let log = stack.host_log();
        let snapshots = log.lines().filter(|line| line.contains("snapshot given"));
        (snapshots.filter(|line| line.contains("points_seen=16")).count() >= 2).then_some(())
    });
    restart(&mut stack);
    write(&stack, 8..16);
    stack.api.expect_rows("means", &[expected_averages("a", 16), expected_averages("b", 16)].concat());
    let log = stack.host_log();
    assert!(log.lines().any(|line| line.contains("state restored") && line.contains("points_seen=16")));
}

#[test]
fn averages_continue_after_restart_of_kapacitor() {
    averages_go_on_after(|stack| {
        stack.stop_kapacitord();
        stack.start_kapacitord();
    });
}

#[test]
fn averages_continue_after_restart_of_kapacitor_and_host() {
    averages_go_on_after(|stack| {
        stack.stop_kapacitord();
        stack.stop_host();
        stack.start_host();
        stack.start_kapacitord();
    });
}

/// Nanoseconds since 1970.
fn now() -> i64 {
    kapacitor_wasm::internals::now()
}

/// Counts the points of each host of `cpu` with `own_format`.
fn counts(measurement: &str) -> String {
    averages("@own_format().as('n')", measurement)
}

/// A task that counts its points, and the rows that it must have written.
struct Counted {
    stack: Stack,
    first: i64,
    expected: Vec<Row>,
}

impl Counted {
    /// Starts a task for points of now, so that checkpoints are kept. Kapacitor takes no snapshot meanwhile.
    fn start(udf_toml: &str) -> Option<Self> {
        let stack = Stack::start(Setup { plugins: &["own_format"], udf_toml, ..Setup::default() })?;
        stack.api.enable_task("counts", "stream", &counts("counts"));
        Some(Self { stack, first: now() - 1000, expected: Vec::new() })
    }

    /// Writes the next points; each comes back with its number among all.
    fn write(&mut self, points: i64) {
        self.write_and_expect(points, |_, number| json!({"n": number}));
    }

    fn write_and_expect(&mut self, points: i64, mut columns: impl FnMut(i64, i64) -> serde_json::Value) {
        for _ in 0..points {
            let number = self.expected.len() as i64 + 1;
            let time = self.first + number;
            self.stack.api.write_kapacitor(&format!("cpu,host=a usage=1 {time}"));
            let mut columns = columns(time, number);
            columns["host"] = "a".into();
            columns["usage"] = 1.into();
            self.expected.push(Row::new(time, columns));
        }
        self.stack.api.expect_rows("counts", &self.expected);
    }

    /// Waits until the host has ended the sessions of the task.
    fn wait_for_end(&self, count: usize) {
        wait_for("the task ends", || {
            let log = self.stack.host_log();
            (log.lines().filter(|line| line.contains("msg=\"task ended\"")).count() >= count).then_some(())
        });
    }
}

#[test]
fn reenabled_task_continues() {
    let Some(mut counted) = Counted::start("") else { return };
    counted.write(5);
    counted.stack.disable_and_settle("counts");
    counted.wait_for_end(1);
    counted.stack.api.set_status("counts", "enabled");
    counted.write(5);
}

#[test]
fn task_continues_after_restart_of_host() {
    let Some(mut counted) = Counted::start("") else { return };
    counted.write(5);
    counted.stack.stop_host();
    counted.stack.start_host();
    // Kapacitor does not reconnect by itself: an operator has to enable the task again.
    counted.stack.disable_and_settle("counts");
    counted.stack.api.set_status("counts", "enabled");
    counted.write(5);
    let log = counted.stack.host_log();
    assert!(log.lines().any(|line| line.contains("state restored") && line.contains("from=checkpoint")));
}

#[test]
fn plugin_is_updated_while_points_flow() {
    let Some(mut counted) = Counted::start("[policy]\non-update = \"migrate\"\n") else { return };
    counted.write(20);
    let path = counted.stack.path("plugins/own_format.wasm");
    let partial = counted.stack.path("plugins/partial");
    fs::write(&partial, support::wasm("own_format_2")).unwrap();
    fs::rename(partial, path).unwrap();
    // No point is lost or counted twice while points flow, whichever version counts it.
    let mut version = 1;
    while version == 1 {
        let number = counted.expected.len() as i64 + 1;
        let time = counted.first + number;
        counted.stack.api.write_kapacitor(&format!("cpu,host=a usage=1 {time}"));
        let row = wait_for("the point comes back", || {
            let rows = counted.stack.api.rows("out", "counts");
            rows.into_iter().find(|row| row.time == time && row.columns.contains_key("n"))
        });
        assert_eq!(row.columns["n"], number);
        if row.columns.contains_key("version") {
            version = 2;
        }
        counted.expected.push(row);
    }
    assert!(counted.stack.host_log().contains("task goes on with the new version"));
    counted.write_and_expect(20, |_, number| json!({"n": number, "version": 2}));
    let task = counted.stack.api.task("counts");
    assert_eq!((&task["executing"], &task["error"]), (&true.into(), &"".into()));
}

#[test]
fn changed_script_starts_clean() {
    let setup = Setup { snapshot_interval: "100ms", ..Setup::default() };
    let Some(stack) = Stack::start(setup) else { return };
    stack.api.enable_task("averages", "stream", &averages(MOVING_AVG, "means"));
    stack.api.write_kapacitor(&line("a", 0));
    wait_for("Kapacitor has a snapshot of it", || {
        let log = stack.host_log();
        let given = log.lines().filter(|line| line.contains("snapshot given"));
        (given.filter(|line| line.contains("points_seen=1")).count() >= 2).then_some(())
    });
    stack.disable_and_settle("averages");
    // The same nodes by name, so that Kapacitor gives the snapshot back.
    let udf = "@moving_avg().field('usage').size(9).as('mean')";
    stack.api.change_script("averages", &averages(udf, "others"));
    stack.api.set_status("averages", "enabled");
    for i in 1..4 {
        stack.api.write_kapacitor(&line("a", i));
    }
    let clean = wait_for("three averages", || {
        let rows = stack.api.rows("out", "others");
        let complete = |row: &Row| ["mean", "usage"].iter().all(|column| row.columns.contains_key(*column));
        (rows.len() == 3 && rows.iter().all(complete)).then_some(rows)
    });
    assert_eq!(clean[0].columns["mean"], clean[0].columns["usage"]);
    let log = stack.host_log();
    let warning = log.lines().find(|line| line.contains("state does not fit and was set aside"));
    let warning = warning.unwrap_or_else(|| panic!("{log}"));
    assert!(warning.contains("it was taken with other options"), "{warning}");
    let task = stack.api.task("averages");
    assert_eq!((&task["executing"], &task["error"]), (&true.into(), &"".into()));
}

#[test]
fn replay_does_not_change_live_task() {
    let Some(mut counted) = Counted::start("[state]\ncheckpoint-interval = \"50ms\"\n") else { return };
    let stack = &counted.stack;
    // A recording of the points of another host, with the ids of the live task.
    let recorder = stack.spawn_kapacitor(&["record", "stream", "-task", "counts", "-duration", "2s"]);
    // The recording may begin a little later, so there are many points.
    let replayed = 100;
    for i in 0..replayed {
        stack.api.write_kapacitor(&format!("cpu,host=recorded usage=1 {}", now() + i));
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
    let recording = recorder.wait_with_output().unwrap();
    let recording = String::from_utf8(recording.stdout).unwrap().trim().to_owned();
    let write = |counted: &mut Counted, points: i64| {
        for _ in 0..points {
            let number = counted.expected.len() as i64 + 1;
            let time = counted.first + number;
            counted.stack.api.write_kapacitor(&format!("cpu,host=a usage=1 {time}"));
            counted.expected.push(Row::new(time, json!({"n": number, "host": "a", "usage": 1})));
        }
        let of_live_task = |row: &Row| row.columns["host"] == "a";
        counted.stack.api.expect_rows_where("counts", of_live_task, &counted.expected);
    };
    write(&mut counted, 5);
    let replay =
        counted.stack.kapacitor(&["replay", "-recording", &recording, "-task", "counts", "-rec-time"]);
    assert!(!replay.trim().is_empty());
    wait_for("the replay ends", || {
        let shown = counted.stack.kapacitor(&["list", "replays", replay.trim()]);
        shown.contains("finished").then_some(())
    });
    counted.wait_for_end(1);
    write(&mut counted, 5);
    counted.stack.disable_and_settle("counts");
    counted.wait_for_end(2);
    counted.stack.api.set_status("counts", "enabled");
    write(&mut counted, 5);
}

#[test]
fn state_command_reads_database_of_stopped_kapacitor() {
    let setup = Setup { snapshot_interval: "100ms", ..Setup::default() };
    let Some(mut stack) = Stack::start(setup) else { return };
    stack.api.enable_task("averages", "stream", &averages(MOVING_AVG, "means"));
    for i in 0..8 {
        stack.api.write_kapacitor(&line("a", i));
    }
    wait_for("two snapshots that hold all points", || {
        let log = stack.host_log();
        let snapshots = log.lines().filter(|line| line.contains("snapshot given"));
        (snapshots.filter(|line| line.contains("points_seen=8")).count() >= 2).then_some(())
    });
    let database = stack.path("kapacitor/kapacitor.db");
    let config = stack.path("udf.toml");
    let state = |args: &[&str]| {
        let mut command = Command::new(support::BINARY);
        command.arg("state").args(args).arg("--db").arg(&database).arg("--config").arg(&config);
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (success, said) = state(&["list"]);
    assert!(!success && said.contains("is in use: stop Kapacitor first"), "{said}");
    stack.stop_kapacitord();
    let (success, said) = state(&["list"]);
    assert!(success, "{said}");
    let row: Vec<&str> = said.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!((row[0], row[2], row[3], row[4]), ("averages", "moving_avg", "moving_avg", "8"), "{said}");
    let file = stack.path("exported");
    assert!(state(&["export", "averages", file.to_str().unwrap()]).0);
    let snapshot = kapacitor_wasm::internals::Snapshot::parse(&fs::read(file).unwrap()).unwrap();
    assert_eq!((snapshot.header.points_seen, snapshot.header.task.as_str()), (8, "averages"));
}

/// The line of the host's log number `index` that has all of `parts`, once it is there.
fn wait_for_line(stack: &Stack, index: usize, parts: &[&str]) -> String {
    wait_for(&format!("the log has a line with {parts:?}"), || {
        let log = stack.host_log();
        let mut lines = log.lines().filter(|line| parts.iter().all(|part| line.contains(part)));
        lines.nth(index).map(str::to_owned)
    })
}

#[test]
fn task_that_is_reenabled_at_once_while_its_queue_is_full_continues() {
    // The plugin sends nothing, so that the host does not learn from writing that Kapacitor has gone.
    let slow = support::SLOW.replace("200000000", "3000000000");
    let udf_toml = "[sessions]\nqueue = \"64KiB\"\ndrain-deadline = \"60s\"\n[state]\ncheckpoints = \"always\"\n[limits]\ncall-deadline = \"30s\"\n[http]\nlisten = \"unix:http.sock\"\n";
    // How soon the host writes to a session that has gone, a sign of life, is different each time.
    for _ in 0..3 {
        let setup = Setup { plugins: &[], guests: &[("slow", &slow)], udf_toml, ..Setup::default() };
        let Some(stack) = Stack::start(setup) else { return };
        stack.api.enable_task("slow", "stream", &averages("@slow()", "nothing"));
        let write = |points: std::ops::Range<i64>| {
            let points: Vec<_> = points.map(|i| line("a", i)).collect();
            stack.api.write_kapacitor(&points.join("\n"));
        };
        // More than the buffers of the kernel, the queue and a call hold.
        write(0..5000);
        wait_for("the queue is full", || {
            let metrics = metrics_at(&stack.path("http.sock"));
            let queue = value(&metrics, "kapacitor_wasm_queue_bytes{function=\"slow\"");
            queue.filter(|bytes| *bytes >= 64.0 * 1024.0)
        });
        stack.api.set_status("slow", "disabled");
        stack.api.set_status("slow", "enabled");
        write(5000..5100);
        let restored = wait_for_line(&stack, 0, &["state restored", "from=checkpoint"]);
        let ended = wait_for_line(&stack, 0, &["msg=\"task ended\""]);
        let seen = support::number(&ended, "taken_in=");
        assert_eq!(support::number(&restored, "points_seen="), seen, "{ended}");
        assert_eq!(support::number(&ended, "unfinished="), 0, "{ended}");
        let log = stack.host_log();
        assert!(!log.contains("counts as a replay"), "{log}");
    }
}

#[test]
fn task_that_failures_have_ended_goes_on_from_its_last_good_state() {
    let udf_toml = "[state]\ncheckpoints = \"always\"\n";
    let Some(stack) = Stack::start(Setup { plugins: &["fragile"], udf_toml, ..Setup::default() }) else {
        return;
    };
    stack.api.enable_task("sums", "stream", &averages("@fragile()", "sums"));
    let at = |i: i64| EPOCH + i * SECOND;
    let good = |i: i64| format!("cpu,host=a value=1 {}", at(i));
    let sum = |i: i64, sum: f64| Row::new(at(i), json!({"host": "a", "value": 1.0, "sum": sum}));
    let mut expected: Vec<Row> = (0..10).map(|i| sum(i, (i + 1) as f64)).collect();
    stack.api.write_kapacitor(&(0..10).map(good).collect::<Vec<_>>().join("\n"));
    stack.api.expect_rows("sums", &expected);
    let bad: Vec<_> = (10..80).map(|i| format!("cpu,host=a value=1,fail=7i {}", at(i))).collect();
    stack.api.write_kapacitor(&bad.join("\n"));
    wait_for_line(&stack, 0, &["msg=\"task failed\"", "failures-per-minute"]);
    // Kapacitor notes the end of the UDF with the next point.
    stack.api.write_kapacitor(&good(80));
    let error = stack.api.wait_for_error("sums");
    assert!(error.contains("failures-per-minute"), "{error}");
    stack.api.set_status("sums", "disabled");
    stack.api.set_status("sums", "enabled");
    stack.api.write_kapacitor(&good(81));
    expected.push(sum(81, 11.0));
    stack.api.expect_rows("sums", &expected);
    wait_for_line(&stack, 0, &["state restored", "from=checkpoint", "points_seen=10"]);
}
