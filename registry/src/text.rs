//! Text from outside, in messages.

/// Text from outside for a message: its beginning, without characters that control a terminal.
pub fn shown(text: &str) -> String {
    const MOST: usize = 200;
    let visible = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut shown: String = visible.take(MOST).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_short_and_controls_no_terminal() {
        assert_eq!(shown("a\u{1b}[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
        assert_eq!(shown(&"x".repeat(5000)).len(), 203);
    }
}
