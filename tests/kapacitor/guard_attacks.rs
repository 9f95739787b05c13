//! Every guest of `tests/guests` as a task of one kapacitord, beside a task that must not be affected.
//!
//! Nothing here depends on whether a task goes on after its plugin has failed. The test requires that
//! Kapacitor keeps running and answering, and that the other task loses nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::daemons::{Setup, Stack, wait_for};
use super::{EPOCH, MOVING_AVG, averages, expected_averages, into, line};
use crate::guard_attacks::LIMITS;
use crate::support::wat_guests;

/// Number of guests that attack at the same time.
const AT_ONCE: usize = 24;

/// Number of points that a task gets after each start.
const POINTS: u64 = 3;

/// Number of snapshots that are taken of a running task after it has got its points.
const SNAPSHOTS: usize = 2;

/// Maximum memory that kapacitord may have in RAM, in KiB. The output of one guest that it holds is
/// bounded by `limits.output`.
const MOST_KAPACITORD: u64 = 512 * 1024;

#[test]
fn kapacitor_survives_every_guest() {
    let names = corpus();
    assert!(names.len() > 64, "{names:?}");
    let plugins: Vec<&str> = names.iter().map(String::as_str).chain(["moving_avg"]).collect();
    let setup = Setup { plugins: &plugins, udf_toml: LIMITS, snapshot_interval: "200ms", ..Setup::default() };
    let Some(mut stack) = Stack::start(setup) else { return };
    let (edges, kapacitord) = (edges(&stack.host_log()), stack.kapacitord_id());
    stack.api.enable_task("healthy", "stream", &averages(MOVING_AVG, "means"));
    let mut siege = Siege { stack, edges, kapacitord, fed: 0 };
    for names in names.chunks(AT_ONCE) {
        siege.attack(names);
    }
    let Siege { stack, fed, .. } = siege;
    assert!(fed as usize > 2 * names.len());
    stack.api.expect_rows("means", &expected_averages("a", fed));
    let healthy = stack.api.task("healthy");
    assert_eq!((&healthy["executing"], &healthy["error"]), (&true.into(), &"".into()));
    for (whose, log) in [("Kapacitor", stack.kapacitord_log()), ("the host", stack.host_log())] {
        // Text of a guest stays within its line, and has no control sequence for a terminal.
        let forged = log.lines().find(|line| line.starts_with("ts=2030") || line.starts_with("forged"));
        assert_eq!(forged, None, "in the log of {whose}");
        let escape = log.lines().find(|line| line.contains('\u{1b}'));
        assert_eq!(escape, None, "in the log of {whose}");
    }
    // Some guests are restored, and some attack in restore.
    for part in ["msg=\"state restored\"", "set aside"] {
        assert!(stack.host_log().contains(part), "the host does not say: {part}");
    }
    // No name in a point is taken for a further point.
    let measurements = stack.api.query_influxdb("SHOW MEASUREMENTS ON \"out\"");
    for name in measurements["series"][0]["values"].as_array().expect("there are some") {
        let name = name[0].as_str().expect("a name");
        assert!(name == "means" || name.starts_with("out_"), "{name}");
    }
    let most = stack.kapacitord_most_kib();
    assert!(most < MOST_KAPACITORD, "kapacitord had {most} KiB in RAM");
}

/// The names of all guests: the files in `tests/guests`.
fn corpus() -> Vec<String> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/examples");
    let examples = fs::read_dir(examples).expect("the examples are there");
    let examples = examples.map(|entry| entry.expect("a folder can be read").path());
    let mut names: Vec<String> = examples
        .chain(wat_guests())
        .map(|path| path.file_stem().expect("a guest has a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The edges of each plugin that was loaded, by its name.
fn edges(log: &str) -> BTreeMap<String, String> {
    let between = |line: &str, start: &str, end: char| {
        line.split(start)
            .nth(1)
            .and_then(|rest| rest.split(end).next())
            .expect("a part of the line")
            .to_owned()
    };
    let loaded = log.lines().filter(|line| line.contains("msg=\"plugin loaded\""));
    loaded.map(|line| (between(line, " plugin=", ' '), between(line, " edges=\"", '"'))).collect()
}

struct Siege {
    stack: Stack,
    edges: BTreeMap<String, String>,
    /// The process of kapacitord, which must run to the end.
    kapacitord: u32,
    /// Number of points that the healthy task was sent.
    fed: i64,
}

impl Siege {
    /// Lets guests attack, first after a clean start and then with the state that was saved.
    fn attack(&mut self, names: &[String]) {
        println!("together: {}", names.join(", "));
        self.feed();
        for name in names {
            self.stack.api.enable_task(name, "stream", &self.script(name));
        }
        let alive = self.face(names, 1);
        for name in &alive {
            self.stop(name, 1);
            self.stack.api.set_status(name, "enabled");
        }
        let still_alive = self.face(&alive, 2);
        for name in names {
            if still_alive.contains(name) {
                self.stop(name, 2);
            }
            self.stack.api.delete_task(name);
        }
        self.feed();
        assert!(self.stack.api.kapacitor_is_up());
        assert_eq!(self.stack.kapacitord_id(), self.kapacitord);
    }

    fn script(&self, name: &str) -> String {
        let batches = self.edges.get(name).is_some_and(|edges| edges.starts_with("batch"));
        let window = if batches { "|window().periodCount(1).everyCount(1)" } else { "" };
        let out = into(&format!("out_{name}"));
        format!("stream |from().measurement('{name}').groupBy('host') {window} @{name}() {out}")
    }

    /// Sends points to tasks that were started for the `start`th time, and waits until they are
    /// processed. Returns the tasks that still run.
    fn face(&mut self, names: &[String], start: usize) -> Vec<String> {
        for name in names {
            // This is shown if the test fails: the last guests are the ones that have ended Kapacitor.
            println!("attacking: {name}, started {start} times");
            self.feed();
            let at = |i| format!("{name},host=a value=1.5,panic=7i {}\n", EPOCH + i);
            self.stack.api.write_kapacitor(&(0..POINTS as i64).map(at).collect::<String>());
            self.feed();
            // Kapacitor can crash when a task is stopped while its output is under way, whatever its UDF
            // does. So this waits until the task has failed, or has got all points and a later snapshot.
            wait_for(&format!("{name} has all points"), || {
                (self.ended(name, start) || self.points_taken(name) >= POINTS).then_some(())
            });
            assert_eq!(self.stack.kapacitord_id(), self.kapacitord, "{name}");
        }
        let seen: Vec<usize> = names.iter().map(|name| self.snapshots(name)).collect();
        for (name, seen) in names.iter().zip(seen) {
            wait_for(&format!("{name} is through with its points"), || {
                (self.ended(name, start) || self.snapshots(name) >= seen + SNAPSHOTS).then_some(())
            });
        }
        self.stack.api.expect_rows("means", &expected_averages("a", self.fed));
        assert_eq!(self.stack.kapacitord_id(), self.kapacitord);
        names.iter().filter(|name| !self.ended(name, start)).cloned().collect()
    }

    /// Gives the healthy task a point.
    fn feed(&mut self) {
        self.stack.api.write_kapacitor(&line("a", self.fed));
        self.fed += 1;
    }

    /// Stops a task that was started for the `start`th time.
    fn stop(&self, name: &str, start: usize) {
        self.stack.disable_and_settle(name);
        wait_for(&format!("the session of {name} ends"), || self.ended(name, start).then_some(()));
    }

    /// Whether the `start`th session of a task has ended, started or not.
    fn ended(&self, name: &str, start: usize) -> bool {
        self.host_lines(name, "task ended\"") >= start
    }

    /// The number of snapshots that were asked for; not every guest has one.
    fn snapshots(&self, name: &str) -> usize {
        self.host_lines(name, "snapshot given\"")
    }

    fn host_lines(&self, name: &str, part: &str) -> usize {
        let task = format!(" task={name} ");
        self.stack.host_log().lines().filter(|line| line.contains(&task) && line.contains(part)).count()
    }

    /// The number of points or batches that Kapacitor has collected for the UDF of a task.
    fn points_taken(&self, name: &str) -> u64 {
        let task = self.stack.api.task(name);
        let nodes = task["stats"]["node-stats"].as_object();
        let node = nodes.and_then(|nodes| nodes.iter().find(|(node, _)| node.starts_with(name)));
        node.and_then(|(_, stats)| stats["collected"].as_u64()).unwrap_or(0)
    }
}
