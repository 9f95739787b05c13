//! Characters that are not seen, or that change how others are seen.

/// Whether a character is to be shown by its number: control characters, spaces without width, and those that reorder
/// text, as in the reports on hidden text in sources (Unicode Technical Standard 55).
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Appends a character, or its number as JSON has it (`\u001b`) if it [is hidden](is_hidden).
pub fn put_visible(c: char, text: &mut String) {
    if is_hidden(c) {
        c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
    } else {
        text.push(c);
    }
}

/// Text from outside as it may be shown on a terminal, on one line.
pub fn on_one_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    text.chars().for_each(|c| put_visible(c, &mut shown));
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_escaped_as_in_json() {
        let text = "a\u{1b}[2J\n\u{202e}\u{e0041}";
        assert_eq!(on_one_line(text), "a\\u001b[2J\\u000a\\u202e\\udb40\\udc41");
        assert_eq!(serde_json::from_str::<String>(&format!("\"{}\"", on_one_line(text))).unwrap(), text);
    }

    #[test]
    fn what_is_seen_is_not_hidden() {
        assert!("a \u{e9}\u{4e2d}\u{202f}\u{1f600}".chars().all(|c| !is_hidden(c)));
        assert!("\n\u{1b}\u{61c}\u{2029}\u{202e}\u{e0041}".chars().all(is_hidden));
    }
}
