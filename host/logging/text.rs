//! Text from outside, made safe to show.

/// Appends a character, or its number if a terminal would obey it rather than show it: control characters, and the
/// ones that reorder text.
pub(super) fn put_visible(c: char, text: &mut String) {
    let obeyed = c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if obeyed {
        text.push_str(&format!("\\u{:04x}", c as u32));
    } else {
        text.push(c);
    }
}

/// Text of a guest as it may be shown on a terminal, in one or more lines.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            c => put_visible(c, &mut shown),
        }
    }
    shown
}

/// Cuts `text` to at most `max` bytes and says so.
pub fn cut(text: &mut String, max: usize) {
    if text.len() > max {
        let left_out = text.len() - max;
        text.truncate(text.floor_char_boundary(max));
        text.push_str(&format!("… ({left_out} bytes cut)"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_text_keeps_its_lines_and_nothing_else_that_moves_the_cursor() {
        assert_eq!(visible("a\n\tb\u{1b}[31m\r\u{202e}ü"), "a\n\tb\\u001b[31m\\u000d\\u202eü");
    }
}
