//! `test`: runs the cases of a plugin.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::flags::{ConfigFlags, LogLines, print};
use super::junit;
use super::locate::{cases_of, plugin_of};
use crate::cli::exit::{DONE, FAILED, unusable};
use crate::cli::tell::tell;
use crate::workbench::{
    Case, CaseError, CaseOutcome, PluginHost, Proof, find_cases, run_case, write_expected,
};

/// Maximum number of log lines that are shown of a case that failed.
const MAX_LINES: usize = 10;

/// Which cases are run on which plugin.
#[derive(clap::Args, Clone)]
pub struct Options {
    /// Folder of a plugin, or a .wasm file.
    #[arg(value_name = "DIR|PLUGIN", default_value = ".")]
    subject: PathBuf,
    /// The plugin [default: the newest .wasm file that was built in the folder].
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,
    /// Folder of the cases [default: `cases` in the folder, or beside the .wasm file].
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
    /// Run only cases whose name has this text.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    filter: String,
    /// Write the points that come out as those that are expected.
    #[arg(long)]
    update: bool,
    /// File for the results in the `JUnit` format.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFlags,
}

/// Runs the cases, and prints what has become of them.
pub fn test(options: &Options) -> Result<ExitCode> {
    let plugin = plugin_of(&options.subject, options.plugin.as_deref())?;
    let folder = cases_of(&options.subject, options.cases.as_deref());
    let cases = match read(&folder, &options.filter) {
        Ok(cases) => cases,
        Err(error) => {
            tell(&error.to_string());
            return Ok(unusable());
        }
    };
    let log = LogLines::take();
    let host = PluginHost::start(options.config.host(&plugin, None)?)?;
    print(&format!("{} ({})\n", plugin.display(), host.plugin().version()))?;
    let mut outcomes = Vec::new();
    for case in &cases {
        let outcome = run_case(&host, case, &|ledger| log.set(ledger))
            .with_context(|| format!("case {}", case.name))?;
        let outcome = if options.update { update(case, outcome)? } else { outcome };
        print(&report(&outcome))?;
        outcomes.push(outcome);
    }
    if let Some(file) = &options.junit {
        fs::write(file, junit::write(&host.plugin().name, &outcomes)?).with_context(|| {
            format!("{}: can't be written, choose another file with --junit", file.display())
        })?;
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
    print(&format!("{} passed, {failed} failed\n", outcomes.len() - failed))?;
    Ok(if failed == 0 { DONE } else { FAILED })
}

fn read(folder: &Path, filter: &str) -> Result<Vec<Case>, CaseError> {
    let mut folders = find_cases(folder)?;
    folders.retain(|case| case.file_name().is_some_and(|name| name.to_string_lossy().contains(filter)));
    if folders.is_empty() {
        let problem = format!("no case has `{filter}` in its name");
        return Err(CaseError::File { path: folder.to_owned(), problem });
    }
    folders.iter().map(|folder| Case::read(folder)).collect()
}

/// Writes what has come out as what is expected.
fn update(case: &Case, outcome: CaseOutcome) -> Result<CaseOutcome> {
    if case.error.is_some() {
        return Ok(outcome);
    }
    let file = case.expected_file();
    write_expected(&file, &outcome.points).with_context(|| file.display().to_string())?;
    Ok(outcome.without_differences())
}

fn report(outcome: &CaseOutcome) -> String {
    let mut notes = vec![format!("{} points out", outcome.points.len())];
    for (name, proof) in &outcome.proofs {
        match proof {
            Proof::Holds(how) => notes.push(how.clone()),
            Proof::Skipped(why) => notes.push(format!("{name}: skipped, {why}")),
            Proof::Fails(_) => notes.push(format!("{name}: FAILED")),
        }
    }
    let word = if outcome.passed() { "ok    " } else { "FAILED" };
    let mut text = format!("{word} {} ({})\n", outcome.name, notes.join("; "));
    for problem in outcome.all_problems() {
        text.push_str(&format!("       {problem}\n"));
    }
    if !outcome.passed() {
        for line in outcome.log.iter().take(MAX_LINES) {
            text.push_str(&format!("       log: {line}\n"));
        }
    }
    text
}
