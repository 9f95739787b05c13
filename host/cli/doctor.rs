//! `doctor`: prints what the checks of an installation find.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::exit::{DONE, FAILED};
use super::settings::{Settings, looking};
use crate::doctor::{self, Finding, Verdict, examine};
use crate::logging::{on_one_line, visible};

/// Kapacitor's configuration file, where its package puts it.
const KAPACITOR_CONF: &str = "/etc/kapacitor/kapacitor.conf";

/// Folders of systemd's units, the first of which wins.
const UNIT_DIRS: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// Where the parts of the installation are.
#[derive(Args)]
pub struct Options {
    /// Kapacitor's configuration file.
    #[arg(long, value_name = "FILE", default_value = KAPACITOR_CONF)]
    kapacitor_conf: PathBuf,
    /// URL of Kapacitor, with user and password if it wants them [default: this machine and the port in
    /// kapacitor.conf].
    // The value may have a password, which --help would show.
    #[arg(long, value_name = "URL", env = "KAPACITOR_URL", hide_env_values = true)]
    kapacitor_url: Option<String>,
    /// User that Kapacitor runs as, by name or number [default: that of its process, or of its unit, or `kapacitor`].
    #[arg(long, value_name = "USER")]
    kapacitor_user: Option<String>,
    /// Folder of systemd's units, in place of those of the system; may be given more than once, the first one wins.
    #[arg(long, value_name = "DIR")]
    unit_dir: Vec<PathBuf>,
    /// Print one JSON object instead of a list.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Json<'a> {
    version: &'static str,
    build: &'static str,
    problems: usize,
    warnings: usize,
    findings: &'a [Finding],
}

/// Prints a line for each thing that was looked at.
pub fn doctor(options: Options) -> Result<ExitCode> {
    let Options { kapacitor_conf, kapacitor_url, kapacitor_user, unit_dir, json, settings } = options;
    let unit_dirs = if unit_dir.is_empty() { UNIT_DIRS.map(PathBuf::from).into() } else { unit_dir };
    let config = settings.load();
    let options = doctor::Options {
        config: settings.config,
        kapacitor_conf: std::path::absolute(kapacitor_conf)?,
        kapacitor_url,
        kapacitor_user,
        unit_dirs,
    };
    let findings = examine(options, config, &looking());
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (problems, warnings) = (count(Verdict::Problem), count(Verdict::Warning));
    let report = if json {
        let (version, build) = (env!("CARGO_PKG_VERSION"), env!("BUILD"));
        let json = Json { version, build, problems, warnings, findings: &findings };
        serde_json::to_string_pretty(&json)? + "\n"
    } else {
        let mut report: String = findings.iter().map(line).collect();
        let skipped = count(Verdict::Skipped);
        writeln!(report, "problems: {problems}, warnings: {warnings}, skipped: {skipped}")?;
        visible(&report)
    };
    std::io::stdout().write_all(report.as_bytes())?;
    Ok(if problems > 0 { FAILED } else { DONE })
}

/// A finding as a line, and what to do as another one.
fn line(finding: &Finding) -> String {
    let Finding { check, verdict, text, advice } = finding;
    let mut line = format!("{:<7}  {check}: {}\n", verdict.name(), on_one_line(text));
    if let Some(advice) = advice {
        line.push_str(&format!("{:<7}  to do: {}\n", "", on_one_line(advice)));
    }
    line
}
