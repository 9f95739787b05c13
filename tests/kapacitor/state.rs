//! State outlives a restart: Kapacitor keeps the snapshots and gives them back.

use super::daemons::{Setup, Stack, wait_for};
use super::{MOVING_AVG, averages, expected_averages, line};

/// Writes points before and after `restart`, which is to make no difference.
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
fn averages_go_on_after_a_restart_of_kapacitor() {
    averages_go_on_after(|stack| {
        stack.stop_kapacitord();
        stack.start_kapacitord();
    });
}

#[test]
fn averages_go_on_after_a_restart_of_kapacitor_and_the_host() {
    averages_go_on_after(|stack| {
        stack.stop_kapacitord();
        stack.stop_host();
        stack.start_host();
        stack.start_kapacitord();
    });
}
