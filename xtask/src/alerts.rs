//! `cargo xtask alerts`: checks packaging/alerts.yml and the TICKscripts of packaging/watch.
//!
//! They may name only metrics of the table, and each alert needs tests. A promtool of the machine checks the rules and
//! runs those tests; `--promtool` builds one instead, with Go, which takes many minutes.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::metrics_table::Table;
use crate::{root, run, say, target_dir};

const RULES: &str = "packaging/alerts.yml";
const TESTS: &str = "packaging/alerts_test.yml";
const SCRIPTS: &str = "packaging/watch";

/// The Go module that pins promtool, and its command.
const MODULE: &str = "tests/promtool";
const PROMTOOL: &str = "github.com/prometheus/prometheus/cmd/promtool";

/// The flag of `go build` that leaves out the discovery of targets in clouds, which is a fifth of the packages.
const TAGS: &str = "-tags=remove_all_sd";

pub fn alerts(rest: &[String]) -> Result<(), String> {
    let promtool = match rest {
        [] => found(),
        [only] if only == "--promtool" => Some(build()?),
        _ => return Err("`cargo xtask alerts` has no arguments but --promtool".to_owned()),
    };
    let table = Table::read()?;
    let (rules, tests) = (read(&root().join(RULES))?, read(&root().join(TESTS))?);
    for (file, text) in [(RULES, &rules), (TESTS, &tests)] {
        table.named_in(text).map_err(|e| format!("{file}: {e}"))?;
    }
    every_alert_is_tested(&rules, &tests)?;
    scripts(&table)?;
    let Some(promtool) = promtool else {
        println!("skipped: promtool is not installed; `cargo xtask alerts --promtool` builds it");
        return Ok(());
    };
    for arguments in [["check", "rules", RULES], ["test", "rules", TESTS]] {
        run(Command::new(&promtool).args(arguments).current_dir(root()))?;
    }
    Ok(())
}

/// The tests ask at some time for each alert that it does not fire, and at another that it does.
fn every_alert_is_tested(rules: &str, tests: &str) -> Result<(), String> {
    let questions: Vec<_> = tests.split("alertname=\"").skip(1).collect();
    for name in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let answered = |answer| {
            let start = format!("{name}\"");
            questions.iter().any(|question| question.starts_with(&start) && question.contains(answer))
        };
        if !answered("exp_samples: []") || !answered("value: 1") {
            return Err(format!(
                "{TESTS}: {name} needs a time at which it fires, and one at which it does not"
            ));
        }
    }
    Ok(())
}

/// A script names only metrics of the table, and has input which makes it fire, and other that does not.
fn scripts(table: &Table) -> Result<(), String> {
    let entries = fs::read_dir(root().join(SCRIPTS)).map_err(|e| format!("{SCRIPTS}: {e}"))?;
    for entry in entries {
        let path = entry.map_err(|e| format!("{SCRIPTS}: {e}"))?.path();
        table.named_in(&read(&path)?).map_err(|e| format!("{}: {e}", path.display()))?;
        if path.extension().is_some_and(|extension| extension == "tick") {
            for input in ["fires.lp", "quiet.lp"] {
                read(&path.with_extension(input))?;
            }
        }
    }
    Ok(())
}

/// A promtool that is installed, or was built.
fn found() -> Option<OsString> {
    let built = target_dir(&root()).join("promtool/promtool");
    let runs = |promtool: &OsString| {
        let version =
            Command::new(promtool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    };
    [built.into(), "promtool".into()].into_iter().find(runs)
}

/// Builds promtool, unless Go finds that nothing has changed.
fn build() -> Result<OsString, String> {
    say("building promtool; the first time this takes many minutes");
    let folder = target_dir(&root()).join("promtool");
    let mut go = Command::new("go");
    // With a slash at the end, Go takes the path for a folder.
    go.args(["build", TAGS, "-o", &format!("{}/", folder.display()), PROMTOOL]);
    run(go.current_dir(root().join(MODULE)))?;
    Ok(folder.join("promtool").into())
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}
