//! Reads times that are written as dates or as numbers.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::options::Precision;
use crate::line_protocol::TIMES;

/// Nanoseconds since 1970 (UTC) of a time such as `2026-01-02T03:04:05.5Z`, as in RFC 3339. A space may be in place of the
/// `T`, and the seconds and what follows them may be missing; without an offset it is UTC. `None` if it is none, or is not
/// between the years 1677 and 2262.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    let (date, time) = match text.as_bytes().get(10) {
        Some(b'T' | b't' | b' ') => (text.get(..10)?, text.get(11..)?),
        Some(_) => return None,
        None => (text, "00:00:00"),
    };
    let offset = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (time, offset) = time.split_at_checked(offset)?;
    let seconds = if time.len() == "00:00".len() { ":00" } else { "" };
    let offset = if offset.is_empty() { "Z" } else { offset };
    let text = [date, "T", time, seconds, offset].concat();
    let time = OffsetDateTime::parse(&text, &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos()).ok().filter(|time| TIMES.contains(time))
}

/// Nanoseconds since 1970 of a number in this precision. `None` if InfluxDB can't store the time.
pub(super) fn from_number(number: i64, precision: Precision) -> Option<i64> {
    number.checked_mul(precision.nanoseconds()).filter(|time| TIMES.contains(time))
}

#[cfg(test)]
mod tests {
    use super::parse_date;

    #[test]
    fn reads_dates() {
        let half = 1_767_323_045_500_000_000;
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-01-02T03:04:05.5Z", Some(half)),
            ("2026-01-02t03:04:05.500000000z", Some(half)),
            ("2026-01-02 03:04:05.5", Some(half)),
            ("2026-01-02T04:04:05.5+01:00", Some(half)),
            ("2026-01-02 01:34:05.5-01:30", Some(half)),
            ("2026-01-02 03:04", Some(half - 5_500_000_000)),
            ("2026-01-02", Some(1_767_312_000_000_000_000)),
            ("1677-09-21T00:12:43.145224194Z", Some(i64::MIN + 2)),
            ("1677-09-21T00:12:43.145224193Z", None),
            ("0001-01-01T00:00:00Z", None),
            ("9999-01-01T00:00:00Z", None),
            ("2026-02-30", None),
            ("2026-01-02 25:00", None),
            ("2026-01-02T", None),
            ("", None),
            ("5", None),
            ("éééééééééé", None),
            ("2026-01-0é 03:04", None),
        ] {
            assert_eq!(parse_date(text), expected, "{text}");
        }
    }
}
