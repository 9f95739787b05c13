//! The TICKscripts with which Kapacitor watches the host, in a real Kapacitor.

use std::fs;

use super::daemons::{Setup, Stack, wait_for};
use crate::support::ROOT;

/// The topic of all alerts.
const TOPIC: &str = "kapacitor-wasm";

/// The number of points that a task has taken in, from Kapacitor's graph of it.
fn taken_in(dot: &str) -> Option<u64> {
    let edge = dot.lines().find(|line| line.trim().starts_with("stream0 -> "))?;
    edge.split("processed=\"").nth(1)?.split('"').next()?.parse().ok()
}

#[test]
fn each_script_fires_for_what_it_watches_and_for_nothing_else() {
    let Some(stack) = Stack::start(Setup::default()) else { return };
    let files = fs::read_dir(format!("{ROOT}/packaging/watch")).unwrap().map(|entry| entry.unwrap().path());
    let mut scripts: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|end| end == "tick")).collect();
    scripts.sort();
    assert!(!scripts.is_empty());
    for path in scripts {
        let name = path.file_stem().unwrap().to_str().unwrap();
        // The clock on the wall is what tells silence.
        let script = fs::read_to_string(&path).unwrap().replace("var silence = 2m", "var silence = 2s");
        let input = |kind: &str| fs::read_to_string(path.with_extension(format!("{kind}.lp"))).unwrap();
        let play = |lines: &str| {
            stack.api.enable_task_on("telegraf", name, "stream", &script);
            stack.api.write_kapacitor_on("telegraf", lines);
            let count =
                lines.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count() as u64;
            wait_for(&format!("{name} has taken in {count} points"), || {
                (taken_in(stack.api.task(name)["dot"].as_str()?)? >= count).then_some(())
            });
        };
        // What is quiet while it comes is silence when it ends.
        if !script.contains("silence") {
            play(&input("quiet"));
            // All of it has gone through when nothing moves any more.
            let mut before = String::new();
            wait_for(&format!("{name} has judged all points"), || {
                let last = std::mem::replace(&mut before, stack.api.task(name)["dot"].to_string());
                (last == before).then_some(())
            });
            stack.api.delete_task(name);
            assert_eq!(stack.api.alerts(TOPIC), Vec::<String>::new(), "{name}");
        }
        play(&input("fires"));
        let message = wait_for(&format!("{name} fires"), || stack.api.alerts(TOPIC).pop());
        assert!(!message.contains("no value"), "{name}: {message}");
        stack.api.delete_task(name);
        stack.api.delete_topic(TOPIC);
    }
}
