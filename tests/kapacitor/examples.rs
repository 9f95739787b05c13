//! The TICKscripts of the plugins' pages, in a real Kapacitor.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::daemons::{Setup, Stack, poll, wait_for};
use crate::support::{BINARY, ROOT};

/// The example of a plugin.
struct Example {
    /// The plugin, as the script calls it.
    plugin: String,
    script: String,
    /// The folder of its case.
    case: PathBuf,
}

impl Example {
    /// The example in the folder of a plugin, if it has one. A plugin that needs a model is packed into `packed`.
    fn of(folder: &Path, packed: &Path) -> Option<(Self, PathBuf)> {
        let script = fs::read_to_string(folder.join("example.tick")).ok()?;
        let plugin =
            script.split("\n    @").nth(1).expect("a script calls a plugin").split('(').next()?.to_owned();
        let mut file = folder.with_extension("wasm");
        let mut case = folder.join("cases/example");
        let model = folder.join("models").join(&plugin);
        if model.exists() {
            let (unpacked, kwf) = (file, model.join(format!("{plugin}.kwf")));
            file = packed.join(format!("{plugin}.wasm"));
            case = model.join("cases/example");
            let status =
                Command::new(BINARY).arg("pack").args([&unpacked, &kwf]).arg("-o").arg(&file).status();
            assert!(status.unwrap().success(), "{} can't be packed", kwf.display());
        }
        Some((Self { plugin, script, case }, file))
    }

    fn read(&self, file: &str) -> String {
        let path = self.case.join(file);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// The database that the script takes its points from.
    fn database(&self) -> &str {
        let between = |before: &str, behind: char| self.script.split(before).nth(1)?.split(behind).next();
        between("dbrp \"", '"').or_else(|| between(".database('", '\'')).unwrap_or("telegraf")
    }
}

/// The number of points or batches that have gone into the UDF and come out of it, from Kapacitor's graph of the task:
/// it has lines such as `zscore2 -> alert3 [processed="17"];`.
fn passed(dot: &str, plugin: &str) -> (Option<u64>, Option<u64>) {
    let is_plugin = |node: &str| node.trim_end_matches(|c: char| c.is_ascii_digit()) == plugin;
    let edges = dot.lines().filter_map(|line| {
        let (from, rest) = line.trim().split_once(" -> ")?;
        let (to, rest) = rest.split_once(" [processed=\"")?;
        Some((from, to, rest.split('"').next()?.parse().ok()?))
    });
    let edges: Vec<(&str, &str, u64)> = edges.collect();
    let into = edges.iter().find(|(_, to, _)| is_plugin(to)).map(|(.., passed)| *passed);
    let out = edges.iter().find(|(from, ..)| is_plugin(from)).map(|(.., passed)| *passed);
    (into, out)
}

#[test]
fn example_of_each_plugin_runs_in_kapacitor_and_sends_what_its_case_expects() {
    let packed = TempDir::with_prefix("kw-").unwrap();
    let folders = fs::read_dir(format!("{ROOT}/plugins")).unwrap().map(|entry| entry.unwrap().path());
    let found: Vec<_> = folders.filter_map(|folder| Example::of(&folder, packed.path())).collect();
    let files: Vec<_> = found.iter().map(|(example, file)| (example.plugin.clone(), file.clone())).collect();
    let Some(stack) = Stack::start(Setup { plugins: &[], files: &files, ..Setup::default() }) else { return };
    let mut failed = Vec::new();
    for (example, _) in &found {
        let name = example.plugin.as_str();
        let expected = example.read("expected.lp");
        let points = expected.lines().filter(|line| !line.starts_with('#')).count() as u64;
        assert!(points > 0, "{name}: nothing is expected");
        // Of batches, Kapacitor counts the batches: each has one that answers it.
        let loaded =
            |line: &&str| line.contains("msg=\"plugin loaded\"") && line.contains(&format!("plugin={name} "));
        let in_batches = stack.host_log().lines().find(loaded).expect("it is loaded").contains("-> batch\"");
        stack.api.enable_task_on(example.database(), name, "stream", &example.script);
        for lines in example.read("input.lp").lines().collect::<Vec<_>>().chunks(500) {
            stack.api.write_kapacitor_on(example.database(), &lines.join("\n"));
        }
        let mut seen = (None, None);
        let arrived = poll(|| {
            seen = passed(stack.api.task(name)["dot"].as_str().unwrap_or_default(), name);
            let (into, out) = seen;
            let all = if in_batches { out > Some(0) && out == into } else { out == Some(points) };
            all.then_some(())
        });
        let task = stack.api.task(name);
        let error = task["error"].as_str().unwrap_or_default();
        if arrived.is_none() || !error.is_empty() {
            failed.push(format!(
                "{name}: {points} points are expected, in and out went {seen:?}; error: {error:?}"
            ));
        }
        stack.api.delete_task(name);
        wait_for(&format!("task {name} has ended"), || {
            let ended =
                |line: &str| line.contains("msg=\"task ended\"") && line.contains(&format!(" task={name} "));
            stack.host_log().lines().any(ended).then_some(())
        });
    }
    let log = stack.host_log();
    let errors: Vec<_> = log.lines().filter(|line| line.contains("lvl=error")).collect();
    assert!(failed.is_empty() && errors.is_empty(), "{}\n{}", failed.join("\n"), errors.join("\n"));
}
