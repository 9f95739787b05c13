//! The TICKscripts of the plugins' pages, in a real Kapacitor.

use std::fs;
use std::path::PathBuf;

use super::daemons::{Setup, Stack, wait_for};
use crate::support::ROOT;

/// The folders of the plugins that have an example.
fn plugins() -> Vec<PathBuf> {
    let folders = fs::read_dir(format!("{ROOT}/plugins")).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = folders.filter(|folder| folder.join("example.tick").exists()).collect();
    folders.sort();
    folders
}

/// The value of the first `.NAME('...')` of a script.
fn property(script: &str, name: &str) -> Option<String> {
    let value = script.split(&format!(".{name}('")).nth(1)?;
    Some(value.split('\'').next()?.to_owned())
}

/// The number of points that have come out of the UDF, from Kapacitor's graph of the task: it has lines such as
/// `zscore2 -> alert3 [processed="17"];`.
fn sent(dot: &str, plugin: &str) -> Option<u64> {
    let edge = dot.lines().map(str::trim).find(|line| {
        let node = line.split(" -> ").next().unwrap_or_default();
        line.contains(" -> ") && node.trim_end_matches(|c: char| c.is_ascii_digit()) == plugin
    })?;
    edge.split("processed=\"").nth(1)?.split('"').next()?.parse().ok()
}

#[test]
fn example_of_each_plugin_runs_in_kapacitor_and_sends_what_its_case_expects() {
    let folders = plugins();
    let names: Vec<_> = folders.iter().map(|folder| folder.file_name().unwrap().to_str().unwrap()).collect();
    let Some(stack) = Stack::start(Setup { plugins: &names, ..Setup::default() }) else { return };
    let mut failed = Vec::new();
    for (folder, name) in folders.iter().zip(&names) {
        let read = |file: &str| {
            fs::read_to_string(folder.join(file))
                .unwrap_or_else(|e| panic!("{}/{file}: {e}", folder.display()))
        };
        let script = read("example.tick");
        let database = property(&script, "database").unwrap_or_else(|| "telegraf".to_owned());
        let expected =
            read("cases/example/expected.lp").lines().filter(|line| !line.starts_with('#')).count() as u64;
        assert!(expected > 0, "{name}: nothing is expected");
        stack.api.enable_task_on(&database, name, "stream", &script);
        for lines in read("cases/example/input.lp").lines().collect::<Vec<_>>().chunks(500) {
            stack.api.write_kapacitor_on(&database, &lines.join("\n"));
        }
        let mut seen = None;
        let arrived = super::daemons::poll(|| {
            let task = stack.api.task(name);
            seen = sent(task["dot"].as_str().unwrap_or_default(), name);
            (seen >= Some(expected)).then_some(())
        });
        let task = stack.api.task(name);
        let error = task["error"].as_str().unwrap_or_default();
        if arrived.is_none() || seen != Some(expected) || !error.is_empty() {
            failed.push(format!(
                "{name}: {expected} points are expected, Kapacitor got {seen:?}; error: {error:?}"
            ));
        }
        stack.api.delete_task(name);
        wait_for(&format!("task {name} has ended"), || {
            stack
                .host_log()
                .lines()
                .any(|l| l.contains("msg=\"task ended\"") && l.contains(&format!("task={name} ")))
                .then_some(())
        });
    }
    let log = stack.host_log();
    let errors: Vec<_> = log.lines().filter(|line| line.contains("lvl=error")).collect();
    assert!(failed.is_empty() && errors.is_empty(), "{}\n{}", failed.join("\n"), errors.join("\n"));
}
