//! Text from outside, made safe to show.

pub use kapacitor_wasm_status::on_one_line as shown;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Text on one line, cut to `width` columns. What is cut is marked by an ellipsis.
pub fn fitted(text: &str, width: usize) -> String {
    let text = shown(text);
    if text.width() <= width {
        return text;
    }
    let (mut cut, mut used) = (String::new(), 1);
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        cut.push(c);
    }
    if width > 0 {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_shown() {
        let evil = "\u{1b}[31mred\u{1b}]0;t\u{7}\u{202e}\u{9b}2J\u{feff}ü\r\n";
        let expected = "\\u001b[31mred\\u001b]0;t\\u0007\\u202e\\u009b2J\\ufeffü\\u000d\\u000a";
        assert_eq!(shown(evil), expected);
    }

    #[test]
    fn text_is_cut_at_columns_and_not_at_characters() {
        assert_eq!(fitted("cpu_mean", 8), "cpu_mean");
        assert_eq!(fitted("cpu_mean", 5), "cpu_…");
        // Two columns each.
        assert_eq!(fitted("温度計測", 8), "温度計測");
        assert_eq!(fitted("温度計測", 6), "温度…");
        assert_eq!([fitted("abc", 1), fitted("abc", 0)], ["…", ""]);
    }
}
