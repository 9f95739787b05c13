//! Counts the points of each group, with snapshots in a format of its own: lines `count group`.

use kapacitor_guest::prelude::*;

#[derive(Options)]
struct Count {
    /// An option that is not part of the snapshot, so that it may change.
    r#as: String,
}

impl Stream for Count {
    type Group = i64;

    fn point(&self, count: &mut i64, point: Point<'_>, out: &mut Output) -> Result<()> {
        *count += 1;
        out.send(point.with(&self.r#as, *count))
    }
}

impl Snapshot<i64> for Count {
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

register!(Count, snapshot);
