//! Numbers, times and texts as a person reads them.

use std::time::{Duration, UNIX_EPOCH};

use crate::hidden::is_hidden;
use crate::size::size;

/// A whole number with spaces between its thousands, such as `12 345`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            // It does not break a line.
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A whole number of things, such as `1 point` or `2 points`.
pub fn some(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A number as it is, such as `17`, `-0.25` or `1e300`.
pub fn exact(number: f64) -> String {
    if number.abs() < 1e15 && (number == 0.0 || number.abs() >= 1e-4) {
        number.to_string()
    } else {
        format!("{number:e}")
    }
}

/// Three digits of a number of any size, such as `0.25`, `12.5` or `1.23 M`.
pub fn rounded(number: f64) -> String {
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")];
    let (scale, unit) = units.into_iter().find(|(least, _)| number >= *least).unwrap_or((1.0, ""));
    let scale = if unit == "k" { 1e3 } else { scale };
    let scaled = number / scale;
    let digits = match scaled {
        _ if scaled == 0.0 || scaled >= 100.0 => 0,
        _ if scaled >= 10.0 => 1,
        _ if scaled >= 0.01 => 2,
        _ => return "< 0.01".to_owned(),
    };
    let text = format!("{scaled:.digits$}");
    let text = if digits > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if unit.is_empty() { text.to_owned() } else { format!("{text}\u{202f}{unit}") }
}

/// A size, such as `1.5 MiB`.
pub fn bytes(bytes: u64) -> String {
    // It does not break a line.
    size(bytes, '\u{202f}')
}

/// A span of time, such as `3 d 4 h` or `250 ms`.
pub fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    let parts = |large: u64, large_unit: &str, small: u64, small_unit: &str| {
        if small == 0 {
            format!("{large}\u{202f}{large_unit}")
        } else {
            format!("{large}\u{202f}{large_unit} {small}\u{202f}{small_unit}")
        }
    };
    match whole {
        0 if seconds <= 0.0 => "0\u{202f}s".to_owned(),
        0 if seconds < 0.001 => format!("{}\u{202f}µs", rounded((seconds * 1e6).round())),
        0 => format!("{}\u{202f}ms", rounded((seconds * 1e3 * 10.0).round() / 10.0)),
        1..60 => format!("{}\u{202f}s", rounded((seconds * 10.0).round() / 10.0)),
        60..3600 => parts(whole / 60, "min", whole % 60, "s"),
        3600..86_400 => parts(whole / 3600, "h", whole % 3600 / 60, "min"),
        _ => parts(whole / 86_400, "d", whole % 86_400 / 3600, "h"),
    }
}

/// How long ago something was, such as `3 min ago`: in one unit, so that it changes seldom.
pub fn ago(now: f64, then: f64) -> String {
    let seconds = (now - then).max(0.0) as u64;
    let (number, unit) = match seconds {
        0..60 => (seconds, "s"),
        60..3600 => (seconds / 60, "min"),
        3600..86_400 => (seconds / 3600, "h"),
        _ => (seconds / 86_400, "d"),
    };
    format!("{number}\u{202f}{unit} ago")
}

/// A point in time in RFC 3339, in seconds since 1970; a sign that it is none if it is out of range.
pub fn rfc3339(seconds: f64) -> String {
    let latest = 253_402_300_799.0;
    if !(0.0..=latest).contains(&seconds) {
        return "—".to_owned();
    }
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds as u64)).to_string()
}

/// A share as a percentage.
pub fn percent(share: f64) -> String {
    format!("{:.0}\u{202f}%", share * 100.0)
}

/// Text from outside, with a number in the place of each character that is not seen, or that reorders what is.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) && c != '\n' {
            shown.push_str(&format!("\\u{{{:x}}}", c as u32));
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_or_all() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(count),
            ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]
        );
        assert_eq!(
            [0, 1, 1000].map(|number| some(number, "point")),
            ["0 points", "1 point", "1\u{202f}000 points"]
        );
        let shown = [0.0, 0.001, 0.25, 1.0, 12.34, 999.6, 1234.0, 12_345.0, 2.5e6, 3e15].map(rounded);
        let expected = [
            "0",
            "< 0.01",
            "0.25",
            "1",
            "12.3",
            "1000",
            "1234",
            "12.3\u{202f}k",
            "2.5\u{202f}M",
            "3000\u{202f}T",
        ];
        assert_eq!(shown, expected);
        let sizes = [0, 1023, 1024, 1_572_864, 1 << 27, u64::MAX].map(bytes);
        let expected = ["0 B", "1023 B", "1 KiB", "1.5 MiB", "128 MiB", "16 EiB"];
        assert_eq!(sizes, expected.map(|size| size.replace(' ', "\u{202f}")));
        let numbers = [0.0, -0.25, 17.0, 1e-5, 1e300].map(exact);
        assert_eq!(numbers, ["0", "-0.25", "17", "1e-5", "1e300"]);
        assert_eq!(percent(0.256), "26\u{202f}%");
    }

    #[test]
    fn times_are_in_the_units_that_fit() {
        let spans = [0.0, 0.000_002, 0.0123, 1.0, 59.94, 61.0, 7260.0, 90_000.0].map(span);
        let expected = ["0 s", "2 µs", "12.3 ms", "1 s", "59.9 s", "1 min_1 s", "2 h_1 min", "1 d_1 h"];
        assert_eq!(spans, expected.map(|span| span.replace(' ', "\u{202f}").replace('_', " ")));
        assert_eq!(
            [5.0, 300.0, 1e5, -9.0].map(|age| ago(1e6, 1e6 - age)),
            ["5 s", "5 min", "1 d", "0 s"].map(|age| age.replace(' ', "\u{202f}") + " ago")
        );
        assert_eq!(rfc3339(1_772_431_200.9), "2026-03-02T06:00:00Z");
        assert_eq!([f64::NAN, -1.0, f64::INFINITY].map(rfc3339), ["—"; 3]);
    }

    #[test]
    fn hidden_characters_are_shown() {
        assert_eq!(visible("a\n\u{202e}b\u{1b}ü\u{feff}"), "a\n\\u{202e}b\\u{1b}ü\\u{feff}");
    }
}
