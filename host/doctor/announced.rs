//! What Kapacitor was told of each function when it started, against what the plugins say now.

use std::io;
use std::sync::Arc;

use super::finding::{Finding, Findings};
use super::site::Site;
use crate::routing::AnnouncedInfo;

pub(super) fn check(site: &Site) -> Vec<Finding> {
    let mut findings = Findings::of("told");
    let state_dir = &site.shared.config().state_dir;
    match std::fs::read_dir(state_dir) {
        Ok(_) => {}
        // No host has run yet.
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => {
            findings.skip(format!(
                "what Kapacitor was told: {}: {e}: run this as the user of the host",
                state_dir.display()
            ));
            return findings.list();
        }
    }
    let announced = AnnouncedInfo::new(state_dir, true, Arc::default());
    let (functions, plugins) = (site.shared.functions(), site.shared.plugins());
    let mut told = 0;
    for (name, function) in functions.iter().filter(|(_, function)| function.is_served(&plugins)) {
        let Some(drift) = announced.drift(name, &function.info(&plugins)) else { continue };
        told += 1;
        if drift.differences.is_empty() {
            continue;
        }
        let differences = drift.differences.join(", ");
        let text = format!("Kapacitor was told something else of function `{name}`: {differences}");
        if drift.breaks_scripts {
            findings.problem(
                text,
                "change the scripts that do not fit the plugin any more, or put the old file back, before Kapacitor is restarted: it could not even disable their tasks",
            );
        } else {
            findings.warn(text, "restart Kapacitor to use the plugin as it is now");
        }
    }
    if told == 0 {
        findings.skip("Kapacitor has not asked for any function yet");
    } else {
        findings
            .ok_if_none(format!("what Kapacitor was told of {told} functions is what the plugins say now"));
    }
    findings.list()
}
