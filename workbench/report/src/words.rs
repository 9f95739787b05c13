//! Numbers, times and texts as people read them.

use std::borrow::Cow;

/// A number with a comma between each three digits: `12,000`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 point`, `40 points`.
pub fn count(number: u64, what: &str) -> String {
    format!("{} {what}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// A value with about four digits: `93.1`, `9.31`, `0.0123`, `1.5e9`.
pub fn value(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e7).contains(&size) {
        format!("{value:.2e}")
    } else {
        let decimals = (3 - size.log10().floor() as i32).clamp(0, 6);
        let text = format!("{value:.*}", decimals as usize);
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    }
}

/// `09:41:20`, in UTC, of nanoseconds since 1970.
pub fn clock(time: i64) -> String {
    let seconds = time.div_euclid(1_000_000_000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `2026-03-02`, in UTC, of nanoseconds since 1970.
///
/// Source: Howard Hinnant, *chrono-Compatible Low-Level Date Algorithms*, `civil_from_days`.
pub fn date(time: i64) -> String {
    let days = time.div_euclid(86_400_000_000_000) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The text with an ellipsis instead of what is beyond `most` characters.
pub fn shorten(text: &str, most: usize) -> Cow<'_, str> {
    // Most texts are short, and a character has a byte at least.
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    match text.char_indices().nth(most) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// A call without the spaces and line breaks between its parts. In strings, a line break becomes a space.
pub fn without_spaces(call: &str) -> String {
    let (mut compact, mut quoted, mut escaped) = (String::with_capacity(call.len()), false, false);
    for c in call.chars() {
        quoted ^= c == '\'' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
        match c.is_whitespace() {
            true if quoted => compact.push(' '),
            true => {}
            false => compact.push(c),
        }
    }
    compact
}

/// As text of HTML or XML, or as an attribute in double quotes. XML has no control characters.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_a_call_keep_their_spaces() {
        let call = "@fence()\n    .polygon('yard', '52.1,13.1 52.2,13.1\n52.3,13.2')\n    .as('a \\' b')  .size( 3 )";
        let compact = "@fence().polygon('yard','52.1,13.1 52.2,13.1 52.3,13.2').as('a \\' b').size(3)";
        assert_eq!(without_spaces(call), compact);
    }

    #[test]
    fn numbers() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0.0, 93.44, 9.314, -0.0123, 1.5e9, 100.0, 12345.6].map(value),
            ["0", "93.44", "9.314", "-0.0123", "1.50e9", "100", "12346"]
        );
        assert_eq!([count(1, "point"), count(4000, "point")], ["1 point", "4,000 points"]);
    }

    #[test]
    fn times() {
        let time = 1_772_444_480_000_000_000;
        assert_eq!((date(time), clock(time)), ("2026-03-02".to_owned(), "09:41:20".to_owned()));
        assert_eq!((date(-1), clock(-1)), ("1969-12-31".to_owned(), "23:59:59".to_owned()));
        assert_eq!(date(i64::MIN), "1677-09-21");
    }

    #[test]
    fn texts() {
        assert_eq!(["", "äöü", "äöüß"].map(|text| shorten(text, 3).into_owned()), ["", "äöü", "äöü…"]);
        assert_eq!(escape("<a b=\"c\">&\u{1b}"), "&lt;a b=&quot;c&quot;&gt;&amp;\u{fffd}");
    }
}
