//! The clock: states say when they began, and of two states the later one wins.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::finding::{Finding, Findings};
use super::site::Site;
use crate::regular_file;
use crate::state::{Checkpoints, Retention, Snapshot};

/// The beginning of 2020 in seconds since the epoch: no clock that was set shows less.
const UNSET: u64 = 1_577_836_800;

/// Difference that two right clocks may have.
const TOLERANCE: Duration = Duration::from_secs(120);

/// Maximum number of states that are named.
const MOST: usize = 5;

pub(super) fn check(site: &Site) -> Vec<Finding> {
    let mut findings = Findings::of("clock");
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let shown = humantime::format_rfc3339_seconds(now);
    if since.as_secs() < UNSET {
        findings.problem(
            format!("it is {shown} by the clock of this machine, which was never set"),
            "set the clock",
        );
    }
    let ahead = ahead_of(site, since + TOLERANCE);
    if !ahead.is_empty() {
        let more = ahead.len().saturating_sub(MOST);
        let named = ahead[..ahead.len().min(MOST)].join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        findings.warn(
            format!("states begin later than now ({shown}): {named}{more}"),
            "the clock was ahead, or is behind: set it; `kapacitor-wasm state drop` lets such a task begin anew",
        );
    }
    if let Some(other) = site.api.as_ref().ok().and_then(|api| api.date.as_deref())
        && let Ok(other) = httpdate::parse_http_date(other)
    {
        let difference = now.duration_since(other).or_else(|_| other.duration_since(now)).unwrap_or_default();
        if difference > TOLERANCE {
            findings.warn(
                format!("the clocks of Kapacitor and of this machine are {} s apart", difference.as_secs()),
                "set both: data counts as live by the clock of this machine",
            );
        }
    }
    findings.ok_if_none(format!("it is {shown}, and no state begins later"));
    findings.list()
}

/// The states that began after `most`, as `TASK/NODE`.
fn ahead_of(site: &Site, most: Duration) -> Vec<String> {
    let config = site.shared.config();
    let retention = Retention { keep: config.state.keep, set_aside: config.state.set_aside };
    let checkpoints = Checkpoints::new(&config.state_dir, false, retention, Arc::default());
    let most = i64::try_from(most.as_nanos()).unwrap_or(i64::MAX);
    let headers = checkpoints.files().unwrap_or_default().into_iter();
    let headers = headers.filter_map(|file| Snapshot::peek(regular_file::open(&file).ok()?).ok());
    headers
        .filter(|header| header.started_at > most)
        .map(|header| format!("{}/{}", header.task, header.node))
        .collect()
}
