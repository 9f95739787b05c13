//! Finds out what a text is from its first lines.

use super::format::Format;
use super::quotes::{Quotes, Scan};
use crate::line_protocol;

/// Number of bytes from which a format must be known.
pub(super) const ENOUGH: usize = 64 * 1024;

/// Maximum number of lines that are looked at.
const LINES: usize = 20;

/// Number of bytes in which a zero byte says that this is no text.
const BINARY: usize = 512;

/// How files begin that are no text, and what to do about them.
const MAGIC: &[(&[u8], &str)] = &[
    (b"\xff\xfe", "it is UTF-16: convert it to UTF-8"),
    (b"\xfe\xff", "it is UTF-16: convert it to UTF-8"),
    (b"\x1f\x8b", "it is compressed twice: unpack it once"),
    (b"\x28\xb5\x2f\xfd", "it is compressed twice: unpack it once"),
    (b"PK\x03\x04", "it is a zip file in a compressed file: unpack it once"),
    (b"BZh", "it is compressed with bzip2: unpack it, or use gzip or zstd"),
    (b"\xfd7zXZ\0", "it is compressed with xz: unpack it, or use gzip or zstd"),
    (b"\x04\x22\x4d\x18", "it is compressed with lz4: unpack it, or use gzip or zstd"),
    (b"7z\xbc\xaf", "it is a 7z file: unpack it, or use gzip or zstd"),
    (b"PAR1", "it is a Parquet file: export it as CSV"),
    (b"\x16\xd1\x16\xd1", "it is a TSM file of InfluxDB: export it with `influx_inspect export -lponly`"),
];

/// What the beginning of a text says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Recognised {
    /// Its format.
    As(Format),
    /// More of it is needed.
    NeedsMore,
    /// It can't be read: the problem and what to do.
    No(String),
}

/// Recognises the format of the text that begins with `start`. `is_all` says that there is no more of it, or that this
/// is enough.
pub(super) fn recognise(start: &[u8], is_all: bool) -> Recognised {
    if let Some(problem) = problem_of_bytes(start) {
        return Recognised::No(problem);
    }
    if start.trim_ascii_start().starts_with(b"{") {
        return Recognised::As(Format::BatchRecording);
    }
    let lines = whole_lines(start, is_all);
    let Some(first) = lines.iter().position(|line| !is_blank_or_comment(line)) else {
        // Comments and empty lines only.
        let enough = is_all || lines.len() == LINES;
        return if enough { Recognised::As(Format::LineProtocol) } else { Recognised::NeedsMore };
    };
    let lines = &lines[first..];
    if is_annotation(lines[0]) || is_header_of_result(lines[0]) {
        return Recognised::As(Format::AnnotatedCsv);
    }
    if is_point(lines[0]) {
        return Recognised::As(Format::LineProtocol);
    }
    if !is_all && lines.len() < 4 {
        return Recognised::NeedsMore;
    }
    let is_point: Vec<_> = lines.iter().map(|line| is_point(line)).collect();
    if matches!(is_point[..], [false, false, true] | [false, false, true, false, ..]) {
        return Recognised::As(Format::StreamRecording);
    }
    match lines[0] {
        line if is_point.contains(&true) || line.contains(&b'=') => Recognised::As(Format::LineProtocol),
        line if line.contains(&b',') => Recognised::As(Format::Csv),
        line => {
            let line: String = String::from_utf8_lossy(line).chars().take(60).collect();
            let known = "line protocol, a recording of Kapacitor, or CSV with commas and a header";
            Recognised::No(format!("it begins with {line:?}, which is of no known format: give {known}"))
        }
    }
}

fn problem_of_bytes(start: &[u8]) -> Option<String> {
    if let Some((_, problem)) = MAGIC.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Some((*problem).to_owned());
    }
    if matches!(start, [0, 1..=255, 0, 1..=255, ..] | [1..=255, 0, 1..=255, 0, ..]) {
        return Some("it is UTF-16: convert it to UTF-8".to_owned());
    }
    let is_binary = start.iter().take(BINARY).any(|&byte| byte == 0);
    is_binary.then(|| "it is no text: give line protocol, a recording of Kapacitor, or CSV".to_owned())
}

/// The first lines, without their line breaks. The texts of points may have line breaks in them.
fn whole_lines(mut text: &[u8], is_all: bool) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    while lines.len() < LINES && !text.is_empty() {
        let line = match Scan::default().find_end(text, Quotes::LineProtocol) {
            Some(end) => {
                let line = &text[..end];
                text = &text[end + 1..];
                line
            }
            None if is_all => std::mem::take(&mut text),
            None => break,
        };
        lines.push(line.strip_suffix(b"\r").unwrap_or(line));
    }
    lines
}

fn is_blank_or_comment(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    line.is_empty() || line.starts_with(b"#") && !is_annotation(line)
}

fn is_annotation(line: &[u8]) -> bool {
    let begins = |annotation: &str| {
        let rest = line.strip_prefix(b"\"").unwrap_or(line).strip_prefix(annotation.as_bytes());
        rest.is_some_and(|rest| matches!(rest, [] | [b',' | b'"', ..]))
    };
    ["#datatype", "#group", "#default"].into_iter().any(begins)
}

/// Whether this is the header of a result of InfluxDB 2 that was written without annotations.
fn is_header_of_result(line: &[u8]) -> bool {
    let cells: Vec<_> = line.split(|&byte| byte == b',').map(unquoted).collect();
    let has = |name: &str| cells.contains(&name.as_bytes());
    let is_result = has("_time") && (has("_measurement") || has("_field") && has("_value"));
    is_result || has("error") && has("reference") && cells.len() <= 3
}

fn unquoted(cell: &[u8]) -> &[u8] {
    cell.strip_prefix(b"\"").and_then(|cell| cell.strip_suffix(b"\"")).unwrap_or(cell)
}

fn is_point(line: &[u8]) -> bool {
    std::str::from_utf8(line).is_ok_and(|line| line_protocol::parse(line).is_ok())
}
