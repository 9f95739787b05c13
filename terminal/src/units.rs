//! Numbers in few columns.

use kapacitor_wasm_status::size;

/// A number of any size in six columns at most, such as `0`, `0.25`, `12.5`, `1234`, `12.3k` or `1.23M`.
pub fn number(number: f64) -> String {
    let units = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")];
    let (least, unit) = units.into_iter().find(|(least, _)| number >= *least).unwrap_or((1.0, ""));
    let scaled = number / if unit == "k" { 1e3 } else { least };
    let digits = match scaled {
        _ if scaled <= 0.0 || scaled >= 100.0 => 0,
        _ if scaled >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{scaled:.digits$}");
    let text = if digits > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}

/// A size, such as `1.5 MiB`.
pub fn bytes(bytes: u64) -> String {
    size(bytes, ' ')
}

/// A span of time in seconds, such as `250ms`, `3.5s`, `12m`, `5h` or `3d`.
pub fn span(seconds: f64) -> String {
    match seconds.max(0.0) {
        seconds if seconds < 0.0005 => "0s".to_owned(),
        seconds if seconds < 1.0 => format!("{:.0}ms", seconds * 1e3),
        seconds if seconds < 9.95 => format!("{seconds:.1}s"),
        seconds if seconds < 120.0 => format!("{seconds:.0}s"),
        seconds if seconds < 7200.0 => format!("{:.0}m", (seconds / 60.0).floor()),
        seconds if seconds < 172_800.0 => format!("{:.0}h", (seconds / 3600.0).floor()),
        seconds => format!("{:.0}d", (seconds / 86_400.0).floor()),
    }
}

/// A share as a percentage, such as `0.4%` or `12%`.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 9.95 { format!("{percent:.1}%") } else { format!("{percent:.0}%") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_six_columns_at_most() {
        let shown = [0.0, 0.25, 1.0, 12.34, 999.6, 1234.0, 12_345.0, 2.5e6, 3e15].map(number);
        assert_eq!(shown, ["0", "0.25", "1", "12.3", "1000", "1234", "12.3k", "2.5M", "3P"]);
        for exponent in -3..18 {
            assert!(number(9.999 * 10f64.powi(exponent)).len() <= 6, "{exponent}");
        }
        assert_eq!(
            [0, 1023, 1024, 1_572_864, u64::MAX].map(bytes),
            ["0 B", "1023 B", "1 KiB", "1.5 MiB", "16 EiB"]
        );
        assert_eq!([0.0, 0.004, 0.12, 1.0, 12.5].map(percent), ["0%", "0.4%", "12%", "100%", "1250%"]);
    }

    #[test]
    fn times_are_in_the_unit_that_fits() {
        let shown = [-1.0, 0.02, 3.46, 61.0, 150.0, 7200.0, 1e6].map(span);
        assert_eq!(shown, ["0s", "20ms", "3.5s", "61s", "2m", "2h", "11d"]);
    }
}
