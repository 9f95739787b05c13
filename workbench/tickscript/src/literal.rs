//! What a literal's text means, as `tick/ast/node.go` of Kapacitor 1.5 reads it.

use crate::call::OptionValue;

/// A number's value: a float with a decimal point, an integer without one, in octal with a leading zero.
pub(crate) fn number(text: &str) -> Result<OptionValue, String> {
    if text.contains('.') {
        return match text.parse::<f64>() {
            Ok(double) if double.is_finite() => Ok(OptionValue::Double(double)),
            _ => Err(format!("`{}` is beyond the range of a float; write a smaller number", short(text))),
        };
    }
    let octal = text.starts_with('0') && text.len() > 1;
    i64::from_str_radix(text, if octal { 8 } else { 10 }).map(OptionValue::Int).map_err(|_| {
        let text = short(text);
        if octal {
            format!("`{text}` is no octal number, and a leading zero means octal; write it without the zero")
        } else {
            format!("`{text}` is beyond the range of an integer; write a smaller number")
        }
    })
}

/// The text of a string, whose quotes `quoted` includes.
pub(crate) fn string(quoted: &str) -> String {
    if quoted.len() >= 6 && quoted.starts_with("'''") {
        // With a backslash among the last quotes it may end in less than three, of which Kapacitor cuts as much.
        return quoted.get(3..quoted.len() - 3).unwrap_or_default().to_owned();
    }
    unquote(quoted, "\\'", "'")
}

/// The name of a reference, whose double quotes `quoted` includes.
pub(crate) fn reference(quoted: &str) -> String {
    unquote(quoted, "\\\"", "\"")
}

fn unquote(quoted: &str, escaped: &str, quote: &str) -> String {
    quoted.get(1..quoted.len() - 1).unwrap_or_default().replace(escaped, quote)
}

/// A duration in nanoseconds, as `influxql.ParseDuration` of InfluxDB 1.1 reads it, which Kapacitor 1.5 uses: one
/// or several whole numbers with their units, and a sign for all of them.
pub(crate) fn duration(text: &str) -> Result<i64, String> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let wrong = || {
        format!(
            "`{}` is no duration; write a whole number and one of the units u, ms, s, m, h, d, w",
            short(text)
        )
    };
    let mut sum: i64 = 0;
    loop {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let (unit, length) = unit(tail).ok_or_else(wrong)?;
        if digits == 0 {
            return Err(wrong());
        }
        sum = number
            .parse::<i64>()
            .ok()
            .and_then(|number| sum.checked_add(number.checked_mul(unit)?))
            .ok_or_else(|| format!("`{}` is longer than 292 years; write a shorter duration", short(text)))?;
        rest = &tail[length..];
        if rest.is_empty() {
            return Ok(sign * sum);
        }
    }
}

/// The unit at the beginning of `text`: its nanoseconds and its length in bytes.
fn unit(text: &str) -> Option<(i64, usize)> {
    const UNITS: [(&str, i64); 8] = [
        ("ms", 1_000_000),
        ("u", 1_000),
        ("µ", 1_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("d", 86_400_000_000_000),
        ("w", 604_800_000_000_000),
    ];
    UNITS.into_iter().find(|(name, _)| text.starts_with(name)).map(|(name, unit)| (unit, name.len()))
}

/// `text` for a message or a listing: on one line, and not longer than 80 characters.
pub(crate) fn short(text: &str) -> String {
    shortened(text, 80)
}

/// `text` on one line, and not longer than so many characters.
pub(crate) fn shortened(text: &str, longest: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    let mut space = false;
    for character in text.trim().chars() {
        if character.is_whitespace() {
            space = true;
            continue;
        }
        if length >= longest {
            line.push('…');
            break;
        }
        if std::mem::take(&mut space) {
            line.push(' ');
            length += 1;
        }
        line.push(character);
        length += 1;
    }
    line
}
