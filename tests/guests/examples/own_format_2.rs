//! The next version of `own_format`: another format, which it reads beside the old one, and another field.
//! Fails at points that have a field `old`.

use kapacitor_guest::prelude::*;

#[derive(Options)]
struct Count {
    r#as: String,
}

impl Stream for Count {
    type Group = i64;

    fn point(&self, count: &mut i64, point: Point<'_>, out: &mut Output) -> Result<()> {
        *count += 1;
        assert!(point.field("old").is_none(), "a point for the old version");
        out.send(point.with(&self.r#as, *count).with("version", 2i64))
    }
}

impl Snapshot<i64> for Count {
    const VERSION: u32 = 2;

    fn snapshot(&self, groups: &Groups<i64>) -> Result<Vec<u8>> {
        let lines: Vec<String> = groups.iter().map(|(id, count)| format!("{id} {count}")).collect();
        Ok(lines.join("\n").into_bytes())
    }

    fn restore(&self, version: u32, snapshot: &[u8], groups: &mut Groups<i64>) -> Result<()> {
        for line in String::from_utf8_lossy(snapshot).lines() {
            let (first, second) = line.split_once(' ').ok_or("a line is not of two words")?;
            let (id, count) = match version {
                1 => (second, first),
                2 => (first, second),
                other => return Err(Error::new(format!("version {other} is not known"))),
            };
            groups.insert(id, count.parse().map_err(|_| Error::new(format!("`{count}` is no count")))?);
        }
        Ok(())
    }
}

register!(Count, snapshot);
