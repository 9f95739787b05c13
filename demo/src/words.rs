//! Numbers and times as people read them.

/// `12,000`.
pub fn thousands(number: usize) -> String {
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

/// `1 window`, `40 windows`.
pub fn count(number: usize, what: &str) -> String {
    format!("{} {what}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// `3.1 KiB`.
pub fn bytes(number: usize) -> String {
    if number < 1024 { format!("{number} B") } else { format!("{:.1} KiB", number as f64 / 1024.0) }
}

/// A value with three digits or a little more: `93`, `9.31`, `0.0123`, `1.5e9`.
pub fn value(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e6).contains(&size) {
        format!("{value:.2e}")
    } else {
        let decimals = if size >= 10.0 { 1 } else { 2 - size.log10().floor() as i32 };
        format!("{value:.*}", decimals as usize)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0.0, 93.44, 9.314, -0.0123, 1.5e9].map(value),
            ["0", "93.4", "9.31", "-0.0123", "1.50e9"]
        );
        assert_eq!([count(1, "window"), count(40, "window")], ["1 window", "40 windows"]);
        assert_eq!([bytes(12), bytes(3174)], ["12 B", "3.1 KiB"]);
    }

    #[test]
    fn times() {
        let time = 1_772_444_480_000_000_000;
        assert_eq!((date(time), clock(time)), ("2026-03-02".to_owned(), "09:41:20".to_owned()));
        assert_eq!((date(-1), clock(-1)), ("1969-12-31".to_owned(), "23:59:59".to_owned()));
        assert_eq!((date(i64::MIN), date(i64::MAX)), ("1677-09-21".to_owned(), "2262-04-11".to_owned()));
        assert_eq!(date(1_709_164_800_000_000_000), "2024-02-29");
    }
}
