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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_is_not_hidden() {
        assert!("a \u{e9}\u{4e2d}\u{202f}\u{1f600}".chars().all(|c| !is_hidden(c)));
        assert!("\n\u{1b}\u{61c}\u{2029}\u{202e}\u{e0041}".chars().all(is_hidden));
    }
}
