//! `state list` and `state show`.

use std::cmp::Reverse;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::digest::hex;
use crate::logging::on_one_line;
use crate::state::{PayloadKind, PointCounts, Snapshot, SnapshotHeader};
use crate::units::Bytes;
use anyhow::{Context, Result};
use comfy_table::Table;

use super::{Found, Store, read};
use crate::cli::table::table as new_table;

/// The checkpoints and what was set aside, or what a database holds.
pub fn list(store: &Store) -> Result<String> {
    let found = store.all()?;
    let mut out = if found.is_empty() {
        "there are no states\n".to_owned()
    } else {
        format!("{}\n", table(store, &found, false)?)
    };
    if let Store::Folder(_) = store {
        let aside = store.checkpoints()?.files_aside().context("what was set aside can't be read")?;
        let mut aside: Vec<_> = aside.iter().map(|path| read(path)).collect::<Result<_>>()?;
        if !aside.is_empty() {
            // The newest first.
            aside.sort_by_key(|found| Reverse(Snapshot::peek(&found.bytes[..]).map_or(0, |h| h.taken_at)));
            out += &format!("\nset aside:\n{}\n", table(store, &aside, true)?);
        }
    }
    Ok(out)
}

/// A row for each state, with its file if that is to be named.
fn table(store: &Store, found: &[Found], files: bool) -> Result<Table> {
    let retention = match store {
        Store::Folder(_) => Some(store.checkpoints()?.retention()),
        Store::Database(_) => None,
    };
    let mut header =
        vec!["task", "node", "function", "plugin", "points seen", "in", "skipped", "out", "taken", "bytes"];
    header.extend(retention.iter().flat_map(|_| ["used", "given up"]));
    header.extend(files.then_some("file"));
    let mut table = new_table(&header);
    for Found { key, bytes, name } in found {
        let (plugin, points, taken) = match Snapshot::parse(bytes) {
            Ok(snapshot) if snapshot.is_none() => {
                ("(dropped)".to_owned(), <[String; 4]>::default(), time(snapshot.header.taken_at))
            }
            Ok(Snapshot { header, .. }) => (header.plugin.clone(), numbers(&header), time(header.taken_at)),
            Err(e) => (format!("({e})"), <[String; 4]>::default(), String::new()),
        };
        let size = Bytes(bytes.len() as u64).to_string();
        let of = [&key.task, &key.node, &key.function, &plugin].map(|text| on_one_line(text));
        let file = on_one_line(name);
        let mut row: Vec<&String> = of.iter().collect();
        row.extend(&points);
        row.extend([&taken, &size]);
        let times = retention.map(|retention| {
            // Another process may have deleted the file meanwhile.
            let Ok((used, over)) = retention.times(Path::new(name)) else {
                return [String::new(), String::new()];
            };
            [ago(used), over.map_or("never".to_owned(), ahead)]
        });
        row.extend(times.iter().flatten());
        row.extend(files.then_some(&file));
        table.add_row(row);
    }
    Ok(table)
}

/// The numbers of points in a row: those that the state has seen, and those that came, were skipped and went out.
/// Older hosts have stored the first one only.
fn numbers(header: &SnapshotHeader) -> [String; 4] {
    let of = |number: fn(&PointCounts) -> u64| {
        header.counts.as_ref().map_or(String::new(), |c| number(c).to_string())
    };
    [
        header.points_seen.to_string(),
        of(|counts| counts.points_in),
        of(|counts| counts.skipped.saturating_add(counts.skipped_by_plugin)),
        of(|counts| counts.points_out),
    ]
}

/// How long ago `time` was.
fn ago(time: SystemTime) -> String {
    format!("{} ago", roughly(time.elapsed().unwrap_or_default()))
}

/// How far ahead `time` is.
fn ahead(time: SystemTime) -> String {
    let span = time.duration_since(SystemTime::now()).unwrap_or_default();
    if span.is_zero() { "now".to_owned() } else { format!("in {}", roughly(span)) }
}

/// The largest unit of `span` only, from days to seconds.
fn roughly(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(24 * 3600, "d"), (3600, "h"), (60, "min")];
    let unit = units.into_iter().find(|(length, _)| seconds >= *length);
    unit.map_or(format!("{seconds} s"), |(length, name)| format!("{} {name}", seconds / length))
}

/// What a state is of, a line for each thing.
pub fn show(found: &Found) -> Result<String> {
    let snapshot = Snapshot::parse(&found.bytes).with_context(|| found.name.clone())?;
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.add_row(["state", &on_one_line(&found.name)]);
    for (name, value) in lines(&snapshot, &found.bytes) {
        table.add_row([name, &value]);
    }
    Ok(format!("{table}\n"))
}

/// All that the header says.
pub fn lines(snapshot: &Snapshot, bytes: &[u8]) -> Vec<(&'static str, String)> {
    let SnapshotHeader {
        plugin,
        plugin_sha256,
        abi,
        options_sha256,
        points_seen,
        taken_at,
        host_version,
        payload_bytes,
        memory_bytes,
        globals,
        function,
        task,
        node,
        started_at,
        state_version,
        replay,
        given,
        counts,
        ..
    } = &snapshot.header;
    let kind = match snapshot.header.kind() {
        PayloadKind::Memory => format!(
            "memory: {} of {} differ from a fresh start, {} globals",
            Bytes(*payload_bytes),
            Bytes(*memory_bytes),
            globals.len()
        ),
        PayloadKind::Plugin => {
            format!("the plugin's own format, version {state_version}: {}", Bytes(*payload_bytes))
        }
        PayloadKind::None => "none: the task starts clean".to_owned(),
    };
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let counts = counts.as_ref();
    let count = |number: fn(&PointCounts) -> u64| counts.map_or(String::new(), |c| number(c).to_string());
    vec![
        ("task", on_one_line(task)),
        ("node", on_one_line(node)),
        ("function", on_one_line(function)),
        ("plugin", on_one_line(plugin)),
        ("plugin's SHA-256", hex(plugin_sha256)),
        ("options' SHA-256", hex(options_sha256)),
        ("guest interface", abi.to_string()),
        ("kind", kind),
        ("points seen", points_seen.to_string()),
        ("points in", count(|c| c.points_in)),
        ("taken in", count(|c| c.taken_in)),
        ("skipped", count(|c| c.skipped.saturating_add(c.skipped_by_plugin))),
        ("skipped by the plugin", count(|c| c.skipped_by_plugin)),
        ("passed through", count(|c| c.passed_through)),
        ("unfinished", count(unfinished)),
        ("points out", count(|c| c.points_out)),
        ("dropped", count(|c| c.dropped)),
        ("reduced", count(|c| c.reduced)),
        ("recoveries", count(|c| c.recoveries)),
        ("began", time(*started_at)),
        ("taken", time(*taken_at)),
        ("given to Kapacitor", yes(*given)),
        ("of a replay", yes(*replay)),
        ("host", on_one_line(host_version)),
        ("bytes", format!("{}, {} of them compressed state", bytes.len(), snapshot.compressed_bytes())),
    ]
}

/// Points that nothing had become of when the snapshot was taken.
fn unfinished(counts: &PointCounts) -> u64 {
    let PointCounts { taken_in, skipped, skipped_by_plugin, passed_through, .. } = *counts;
    let done =
        [taken_in, skipped, skipped_by_plugin, passed_through].into_iter().fold(0, u64::saturating_add);
    counts.points_in.saturating_sub(done)
}

/// A time in a header; nothing for one that was not written.
fn time(nanos: i64) -> String {
    match u64::try_from(nanos) {
        Ok(0) | Err(_) => String::new(),
        Ok(nanos) => {
            let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos);
            humantime::format_rfc3339_millis(time).to_string()
        }
    }
}
