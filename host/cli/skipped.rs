//! `skipped`: what plugins failed at, for their authors.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use crate::config::Config;
use crate::logging::{on_one_line, visible};
use crate::state::{Record, SkippedRecords};
use anyhow::{Context, Result};

use super::exit::{DONE, FAILED};
use super::tell::tell;

/// Prints the records, oldest first.
pub fn skipped(config: &Config) -> Result<ExitCode> {
    let records = SkippedRecords::new(&config.state_dir, Arc::default()).read();
    let records = records.with_context(|| {
        let folder = config.state_dir.display();
        format!("{folder}/skipped can't be read: set state-dir, or run as the user of the service")
    })?;
    let mut report = String::new();
    let mut code = DONE;
    if records.is_empty() {
        report.push_str(
            "No point or batch was skipped because a plugin failed. What a plugin itself leaves out is in its log lines.\n",
        );
    }
    for record in records {
        match record {
            Ok(record) => write(&record, &mut report)?,
            Err(e) => {
                tell(&on_one_line(&e.to_string()));
                code = FAILED;
            }
        }
    }
    std::io::stdout().write_all(report.as_bytes())?;
    Ok(code)
}

/// What a record says is of whoever wrote the points, and may not steer the terminal.
fn write(record: &Record, report: &mut String) -> std::fmt::Result {
    let Record { time, function, task, node, plugin, plugin_sha256, error, points, point, .. } = record;
    let [time, function, task, node, plugin] =
        [time, function, task, node, plugin].map(|text| on_one_line(text));
    let [sha256, point] = [plugin_sha256.get(..12).unwrap_or(plugin_sha256), point].map(on_one_line);
    writeln!(report, "{time}  task {task}, node {node}, function {function}")?;
    writeln!(report, "  plugin  {plugin} ({sha256})")?;
    writeln!(report, "  error   {}", visible(error).replace('\n', "\n          "))?;
    writeln!(report, "  at      {point}")?;
    writeln!(report, "  points  {points}\n")
}
