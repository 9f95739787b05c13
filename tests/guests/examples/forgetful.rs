//! Numbers the points of each group and of all groups. The second number is not in its snapshots, which are in a format
//! of its own.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use kapacitor_guest::prelude::*;

/// Number of points of all groups.
static ALL: AtomicI64 = AtomicI64::new(0);

#[derive(Options)]
struct Forgetful {}

impl Stream for Forgetful {
    type Group = i64;

    fn point(&self, count: &mut i64, point: Point<'_>, out: &mut Output) -> Result<()> {
        *count += 1;
        let all = ALL.fetch_add(1, Relaxed) + 1;
        out.send(point.with("count", *count).with("all", all))
    }
}

impl Snapshot<i64> for Forgetful {
    fn snapshot(&self, groups: &Groups<i64>) -> Result<Vec<u8>> {
        let lines: Vec<String> = groups.iter().map(|(id, count)| format!("{count} {id}")).collect();
        Ok(lines.join("\n").into_bytes())
    }

    fn restore(&self, _version: u32, snapshot: &[u8], groups: &mut Groups<i64>) -> Result<()> {
        for line in String::from_utf8_lossy(snapshot).lines() {
            let (count, id) = line.split_once(' ').ok_or("a line is not `count group`")?;
            groups.insert(id, count.parse().map_err(|_| Error::new(format!("`{count}` is no count")))?);
        }
        Ok(())
    }
}

register!(Forgetful, snapshot);
