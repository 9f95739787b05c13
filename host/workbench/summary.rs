//! What a replay has led to, in words.

use std::collections::BTreeMap;
use std::time::Duration;

use kapacitor_wasm_report::thousands;

use super::call::Call;
use super::pipeline::MAX_GROUPS;
use super::plugin_host::PluginHost;
use super::replay::Replayed;
use crate::protocol::option_value::Value;

/// Maximum number of names in one sentence.
const MAX_NAMES: usize = 12;

/// The figures of a replay: what, and how much.
pub fn rows(replayed: &Replayed, host: &PluginHost, call: &Call) -> Vec<(String, String)> {
    let Replayed { input, entries, took, .. } = replayed;
    let counts = entries.end.counts;
    let mut rows = Vec::new();
    let mut row = |what: &str, value: String| rows.push((what.to_owned(), value));
    let plugin = host.plugin();
    row("plugin", format!("{} ({}), {}", plugin.name, plugin.version(), plugin.edges()));
    if !call.shown.is_empty() {
        row("call", call.shown.clone());
    }
    row("points in", thousands(input.points));
    if let Some((first, last)) = input.times() {
        row("time of the data", format!("{} to {}", rfc3339(first), rfc3339(last)));
    }
    let more = if input.groups() < MAX_GROUPS { "" } else { " or more" };
    row("groups", format!("{}{more}", thousands(input.groups() as u64)));
    row("points out", thousands(entries.points_out));
    if entries.batches_out > 0 {
        row("batches out", thousands(entries.batches_out));
    }
    row("skipped by the plugin", with_reasons(counts.declined, &entries.declined));
    row("skipped after failures", with_reasons(counts.skipped, &entries.failed));
    for (what, count) in [
        ("passed through", counts.passed_through),
        ("left out for InfluxDB", counts.dropped),
        ("points that lost fields", counts.reduced),
        ("recoveries", counts.recoveries),
        ("lines that can't be read", replayed.bad_lines.0),
        ("points out of order", input.out_of_order),
        ("points in unfinished windows", replayed.unsent),
    ] {
        if count > 0 {
            row(what, thousands(count));
        }
    }
    if input.points > 0 {
        let rate = input.points as f64 / took.as_secs_f64().max(1e-9);
        row("took", format!("{}, {} points/s", span(*took), thousands(significant(rate))));
        let cpu = entries.end.computed.as_nanos() as f64 / input.points as f64;
        row("CPU of the plugin", format!("{} ns for a point", thousands(cpu as u64)));
    }
    row("memory of the plugin", size(entries.end.memory));
    if let Some(snapshot) = replayed.snapshot {
        row("snapshot", size(snapshot));
    }
    // How many groups the input has is said above.
    for (metric, value) in entries.end.metrics.iter().filter(|(metric, _)| !metric.is_groups()) {
        row(&format!("{} `{}`", metric.kind.name(), metric.name), value.to_string());
    }
    row("log lines", thousands(entries.lines_in_all));
    rows
}

/// What a user should know of a replay: a sentence each.
pub fn notes(replayed: &Replayed, host: &PluginHost, call: &Call) -> Vec<String> {
    let Replayed { input, entries, .. } = replayed;
    let mut notes = call.left_out.clone();
    if let Some(function) = call.function.as_ref().filter(|function| **function != host.plugin().name) {
        notes.push(format!(
            "the call names @{function}, and the plugin that was tried is {}",
            host.plugin().name
        ));
    }
    if let Some(error) = &entries.failed_at_end {
        notes.push(format!(
            "the plugin failed at the end of its input, and what it would send then is lost: {error}"
        ));
    }
    if let Some(error) = &entries.no_snapshot {
        notes.push(format!("no snapshot could be taken: {error}"));
    }
    notes.extend(replayed.empty.iter().cloned());
    notes.extend(replayed.bad_lines.1.iter().map(|line| format!("skipped: {line}")));
    notes.extend(missing_fields(replayed, call));
    notes.extend(missing_tags(replayed, call));
    notes.extend(
        input
            .mixed_types()
            .into_iter()
            .map(|mixed| format!("{mixed}: the plugin gets each as it is, as from Kapacitor")),
    );
    if replayed.unsent > 0 {
        notes.push(format!(
            "{} points are in windows that no later point has completed, so they were not sent, as in Kapacitor",
            thousands(replayed.unsent)
        ));
    }
    if input.out_of_order > 0 {
        notes.push(format!(
            "{} points are older than one before them: they were played as they are in the file, as Kapacitor does",
            thousands(input.out_of_order)
        ));
    }
    if replayed.left_out > 0 {
        notes.push(format!(
            "{} unsigned numbers are too large for Kapacitor's ints, and were left out",
            thousands(replayed.left_out)
        ));
    }
    if let (count, Some(problem)) = &replayed.unwritten {
        notes.push(format!(
            "{} points of the plugin can't be written as line protocol; the first has {problem}",
            thousands(*count)
        ));
    }
    if entries.points_out == 0 && input.points > 0 {
        notes.push("the plugin sent nothing".to_owned());
    }
    notes
}

/// Why nothing was played; `None` if something was.
pub fn nothing_played(replayed: &Replayed, call: &Call) -> Option<String> {
    if replayed.input.points > 0 {
        return None;
    }
    let filtered = replayed.input.filtered();
    if filtered.is_empty() {
        return Some(replayed.empty.first().cloned().unwrap_or_else(|| "the input has no point".to_owned()));
    }
    let pipeline = &call.pipeline;
    let mut wanted = Vec::new();
    if !pipeline.measurements.is_empty() {
        wanted.push(format!("measurement `{}`", pipeline.measurements.join("`, `")));
    }
    if !pipeline.database.is_empty() {
        wanted.push(format!("database `{}`", pipeline.database));
    }
    if !pipeline.retention_policy.is_empty() {
        wanted.push(format!("retention policy `{}`", pipeline.retention_policy));
    }
    let there: Vec<String> = filtered.keys().cloned().collect();
    Some(format!("no point of the input is of {}; there are: {}", wanted.join(" and "), some_of(&there)))
}

/// The options that seem to name a field which no point has.
fn missing_fields(replayed: &Replayed, call: &Call) -> Vec<String> {
    let input = &replayed.input;
    if !input.knows_all_fields() || input.points == 0 {
        return Vec::new();
    }
    let there: Vec<String> = input.field_names().map(str::to_owned).collect();
    let mut notes = Vec::new();
    for option in call.options.iter().filter(|option| matches!(option.name.as_str(), "field" | "fields")) {
        for value in &option.values {
            let Some(Value::StringValue(name)) = &value.value else { continue };
            if !there.contains(name) {
                let near = strsim_nearest(name, &there);
                let near = near.map_or(String::new(), |near| format!(", did you mean `{near}`?"));
                notes.push(format!(
                    "no point has the field `{name}` of the option `{}`{near}; there are: {}",
                    option.name,
                    some_of(&there)
                ));
            }
        }
    }
    notes
}

/// The tags of `group-by` that no point has.
fn missing_tags(replayed: &Replayed, call: &Call) -> Vec<String> {
    let missing = |tag: &&String| replayed.input.points > 0 && !replayed.input.has_tag(tag);
    let note = |tag: &String| format!("no point has the tag `{tag}` that points are grouped by");
    call.pipeline.group_by.tags().iter().filter(missing).map(note).collect()
}

fn strsim_nearest<'a>(name: &str, there: &'a [String]) -> Option<&'a String> {
    let near = there.iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
    near.filter(|(distance, _)| *distance <= 2.max(name.len() / 4)).min().map(|(_, known)| known)
}

/// Names in a sentence, of which there may be many.
fn some_of(names: &[String]) -> String {
    let shown = names.iter().take(MAX_NAMES).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn with_reasons(count: u64, reasons: &BTreeMap<String, u64>) -> String {
    let mut by_count: Vec<_> = reasons.iter().filter(|(reason, _)| !reason.is_empty()).collect();
    by_count.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let shown: Vec<String> =
        by_count.iter().take(5).map(|(reason, count)| format!("{}: {reason}", thousands(**count))).collect();
    if shown.is_empty() { thousands(count) } else { format!("{} ({})", thousands(count), shown.join("; ")) }
}

/// Three digits are enough: the others differ from run to run.
pub fn significant(number: f64) -> u64 {
    let unit = 10f64.powi((number.max(1.0).log10().floor() as i32 - 2).max(0));
    ((number / unit).round() * unit) as u64
}

/// `1.5 MiB`
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..0x10_0000 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
    }
}

/// `1.25 s`
pub fn span(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds >= 100.0 => format!("{seconds:.0} s"),
        seconds if seconds >= 1.0 => format!("{seconds:.2} s"),
        seconds if seconds >= 1e-3 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{:.1} us", seconds * 1e6),
    }
}

/// A time in nanoseconds since 1970, as a person reads it.
pub fn rfc3339(time: i64) -> String {
    let since = Duration::from_nanos(time.unsigned_abs());
    let epoch = std::time::UNIX_EPOCH;
    let at = if time < 0 { epoch.checked_sub(since) } else { epoch.checked_add(since) };
    at.filter(|at| *at >= epoch)
        .map_or_else(|| format!("{time} ns"), |at| humantime::format_rfc3339(at).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(["0", "999", "1,000", "1,234,567"], [0, 999, 1_000, 1_234_567].map(thousands));
        assert_eq!([123_000, 7, 100], [123_456.0, 7.2, 99.96].map(significant));
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(span(Duration::from_millis(1_250)), "1.25 s");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(-5), "-5 ns");
    }

    #[test]
    fn a_field_that_was_meant_is_named() {
        let there = ["usage_user".to_owned(), "usage_idle".to_owned()];
        assert_eq!(strsim_nearest("usage_usr", &there), Some(&there[0]));
        assert_eq!(strsim_nearest("temperature", &there), None);
    }
}
