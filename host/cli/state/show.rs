//! `state list` and `state show`.

use std::cmp::Reverse;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::digest::hex;
use crate::state::{PayloadKind, Snapshot, SnapshotHeader};
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
    let mut header = vec!["task", "node", "function", "plugin", "points seen", "taken", "bytes"];
    header.extend(retention.iter().flat_map(|_| ["used", "given up"]));
    header.extend(files.then_some("file"));
    let mut table = new_table(&header);
    for Found { key, bytes, name } in found {
        let (plugin, points, taken) = match Snapshot::parse(bytes) {
            Ok(snapshot) if snapshot.is_none() => {
                ("(dropped)".to_owned(), String::new(), time(snapshot.header.taken_at))
            }
            Ok(Snapshot { header, .. }) => {
                (header.plugin.clone(), header.points_seen.to_string(), time(header.taken_at))
            }
            Err(e) => (format!("({e})"), String::new(), String::new()),
        };
        let size = Bytes(bytes.len() as u64).to_string();
        let mut row = vec![&key.task, &key.node, &key.function, &plugin, &points, &taken, &size];
        let times = retention.map(|retention| {
            // Another process may have deleted the file meanwhile.
            let Ok((used, over)) = retention.times(Path::new(name)) else {
                return [String::new(), String::new()];
            };
            [ago(used), over.map_or("never".to_owned(), ahead)]
        });
        row.extend(times.iter().flatten());
        row.extend(files.then_some(name));
        table.add_row(row);
    }
    Ok(table)
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
    table.add_row(["state", &found.name]);
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
    vec![
        ("task", task.clone()),
        ("node", node.clone()),
        ("function", function.clone()),
        ("plugin", plugin.clone()),
        ("plugin's SHA-256", hex(plugin_sha256)),
        ("options' SHA-256", hex(options_sha256)),
        ("guest interface", abi.to_string()),
        ("kind", kind),
        ("points seen", points_seen.to_string()),
        ("began", time(*started_at)),
        ("taken", time(*taken_at)),
        ("given to Kapacitor", yes(*given)),
        ("of a replay", yes(*replay)),
        ("host", host_version.clone()),
        ("bytes", format!("{}, {} of them compressed state", bytes.len(), snapshot.compressed_bytes())),
    ]
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
