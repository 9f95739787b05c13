//! Checks an installation: what goes wrong between the host, Kapacitor and the system, each with what to do.
//!
//! It changes nothing. [`examine`] gathers what several checks need, which is a [`Site`], and runs the checks one after
//! the other. A check is a function of the site that returns what it finds; what it can't look at is skipped, and says
//! why.

mod announced;
mod clock;
mod finding;
mod functions;
mod http;
mod kapacitor_api;
mod kapacitor_conf;
mod kapacitor_functions;
mod kapacitord;
mod leftovers;
mod limits;
mod registry;
mod rights;
mod running;
mod site;
mod space;
mod tasks;
mod unit_file;
mod units;
mod versions;

use anyhow::Result;

pub use finding::{Finding, Verdict};
pub use functions::{problems_of_functions, problems_of_sockets};
pub use running::as_reloaded;
pub use site::Options;

use crate::config::Config;
use crate::shared::Mode;
use finding::Findings;
use site::Site;

/// All checks, in the order of the list.
const CHECKS: [fn(&Site) -> Vec<Finding>; 14] = [
    functions::check,
    registry::check,
    running::check,
    rights::check,
    http::check,
    kapacitor_functions::check,
    tasks::check,
    announced::check,
    versions::check,
    units::check,
    limits::check,
    space::check,
    clock::check,
    leftovers::check,
];

/// Checks the installation that `config`, the `udf.toml` of `options`, describes. `mode` is that of a process that only
/// looks.
pub fn examine(options: Options, config: Result<Config>, mode: &Mode) -> Vec<Finding> {
    let mut findings = Findings::of("udf.toml");
    let shown = options.config.display().to_string();
    let config = match config {
        Ok(config) => config,
        Err(e) => {
            findings.plain_problem(format!("{e:#}"));
            findings.skip("all other checks need a udf.toml that is right");
            return findings.list();
        }
    };
    let site = match Site::gather(options, config, mode) {
        Ok(site) => site,
        Err(e) => {
            findings.plain_problem(format!("{e:#}"));
            findings.skip("all other checks need the functions");
            return findings.list();
        }
    };
    findings.ok(format!("{shown} is right, and has {} functions", site.shared.functions().len()));
    let mut list = findings.list();
    list.extend(CHECKS.iter().flat_map(|check| check(&site)));
    list
}
