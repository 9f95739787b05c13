//! Sizes as a person reads them.

/// A size of this number of bytes with two or three digits, such as `1.5 MiB`, and `space` before the unit.
pub fn size(bytes: u64, space: char) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let power = (bytes.max(1).ilog2() / 10) as usize;
    let scaled = bytes as f64 / (1_u64 << (10 * power)) as f64;
    let digits = usize::from(power > 0 && scaled < 100.0);
    let text = format!("{scaled:.digits$}");
    format!("{}{space}{}", text.strip_suffix(".0").unwrap_or(&text), units[power])
}
