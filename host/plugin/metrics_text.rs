//! What a plugin says of its metrics: a line for each, with its kind, its name and a description.

use super::admission_error::{AdmissionErrorKind, printable};
use crate::logging::{cut, on_one_line};
use crate::sandbox::{MetricDescription, MetricKind, MetricTable};
use crate::units::Bytes;

/// Maximum size of the text.
const MAX_TEXT: Bytes = Bytes::kib(16);

/// Maximum number of metrics, beside the number of groups.
const MAX_METRICS: usize = 16;

/// Maximum length of a name in bytes.
const MAX_NAME: usize = 64;

/// Length in bytes to which a description is cut.
const MAX_HELP: usize = 256;

/// Reads the descriptions of metrics whose values are at `address` in a memory of `memory` bytes.
///
/// # Errors
///
/// The first thing that is wrong.
pub(super) fn read_metrics(
    text: &[u8],
    address: u32,
    memory: usize,
) -> Result<MetricTable, AdmissionErrorKind> {
    let wrong = AdmissionErrorKind::Metrics;
    if text.len() > MAX_TEXT.as_usize() {
        return Err(wrong(format!("their descriptions are larger than {MAX_TEXT}")));
    }
    let text = std::str::from_utf8(text).map_err(|_| wrong("their descriptions are not UTF-8".to_owned()))?;
    let mut metrics: Vec<MetricDescription> = Vec::new();
    for line in text.lines() {
        let metric = read_line(line).map_err(wrong)?;
        if metrics.iter().any(|other| other.name == metric.name) {
            return Err(wrong(format!("two of them are named `{}`", metric.name)));
        }
        metrics.push(metric);
        if metrics.iter().filter(|metric| !metric.is_groups()).count() > MAX_METRICS {
            return Err(wrong(format!("there are more than {MAX_METRICS}")));
        }
    }
    let table = MetricTable::new(metrics, address);
    if table.range().end > memory {
        return Err(wrong(format!(
            "their values at address {address} are not within its memory of {memory} bytes"
        )));
    }
    Ok(table)
}

fn read_line(line: &str) -> Result<MetricDescription, String> {
    let mut words = line.splitn(3, ' ');
    let kind = match words.next() {
        Some("counter") => MetricKind::Counter,
        Some("gauge") => MetricKind::Gauge,
        _ => {
            return Err(format!("`{}` is no line `counter NAME HELP` or `gauge NAME HELP`", printable(line)));
        }
    };
    let name = words.next().unwrap_or_default();
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= MAX_NAME
        && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_');
    if !is_name {
        return Err(format!(
            "`{}` is no name of one: use a lower-case letter, and then lower-case letters, digits and `_`, {MAX_NAME} at most",
            printable(name)
        ));
    }
    let mut help = on_one_line(words.next().unwrap_or_default().trim());
    cut(&mut help, MAX_HELP);
    Ok(MetricDescription { kind, name: name.to_owned(), help })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<MetricTable, String> {
        read_metrics(text.as_bytes(), 1024, 65536).map_err(|kind| kind.to_string())
    }

    #[test]
    fn lines_describe_metrics() {
        let table =
            read("gauge groups Groups.\ncounter a_1 Points  that\u{1b}[31m count.\ngauge b\n").unwrap();
        let parts: Vec<_> =
            table.metrics.iter().map(|m| (m.kind.name(), m.name.as_str(), m.help.as_str())).collect();
        assert_eq!(parts[0], ("gauge", "groups", "Groups."));
        assert_eq!((parts[1].0, parts[1].1, parts[2]), ("counter", "a_1", ("gauge", "b", "")));
        assert!(parts[1].2.starts_with("Points  that") && !parts[1].2.contains('\u{1b}'), "{}", parts[1].2);
        assert_eq!(table.range(), 1024..1048);
        assert!(read("").unwrap().metrics.is_empty());
        let long = read(&format!("gauge a {}", "x".repeat(5_000))).unwrap();
        assert!(long.metrics[0].help.len() < 300);
    }

    #[test]
    fn wrong_descriptions_are_refused() {
        let many = (0..17).map(|i| format!("counter m{i} x")).collect::<Vec<_>>().join("\n");
        for (text, part) in [
            ("histogram a x", "`histogram a x` is no line"),
            ("", ""),
            ("counter A x", "`A` is no name of one"),
            ("counter 1a x", "`1a` is no name"),
            ("counter a-b x", "`a-b` is no name"),
            ("counter", "`` is no name"),
            (&format!("counter {} x", "x".repeat(65)), "is no name"),
            ("counter a x\ngauge a y", "two of them are named `a`"),
            (&many, "more than 16"),
            (&format!("counter a {}", "x".repeat(16 * 1024)), "larger than 16KiB"),
        ] {
            let error = read(text).err().unwrap_or_default();
            assert!(error.contains(part), "{text}: {error}");
            assert_eq!(error.is_empty(), part.is_empty(), "{text}");
        }
        let groups = (0..16).map(|i| format!("counter m{i} x")).collect::<Vec<_>>().join("\n");
        assert_eq!(read(&format!("gauge groups x\n{groups}")).unwrap().metrics.len(), 17);
        let outside = |address| read_metrics(b"gauge a x", address, 65536).is_err();
        assert!(!outside(65528) && outside(65529) && outside(u32::MAX));
        assert!(read_metrics(b"gauge \xff", 0, 65536).unwrap_err().to_string().contains("not UTF-8"));
    }
}
