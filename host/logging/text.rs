//! Text from outside, made safe to show.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

pub use kapacitor_wasm_status::on_one_line;
pub(super) use kapacitor_wasm_status::put_visible;

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

/// A path as it may be shown on a terminal and in a sentence: on one line, with bytes that are not UTF-8 as `\xff`.
pub fn shown(path: &Path) -> String {
    let mut shown = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        chunk.valid().chars().for_each(|c| put_visible(c, &mut shown));
        chunk.invalid().iter().for_each(|byte| shown.push_str(&format!("\\x{byte:02x}")));
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
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn path_is_shown_on_one_line_whatever_its_bytes() {
        let path = Path::new(OsStr::from_bytes(b"/a\n\x1b[31m/\xff\xfe \xe2\x80\xae\xc3\xbc.wasm"));
        assert_eq!(shown(path), "/a\\u000a\\u001b[31m/\\xff\\xfe \\u202eü.wasm");
    }

    #[test]
    fn shown_text_keeps_its_lines_and_nothing_else_that_moves_the_cursor() {
        assert_eq!(visible("a\n\tb\u{1b}[31m\r\u{202e}ü"), "a\n\tb\\u001b[31m\\u000d\\u202eü");
        assert_eq!(on_one_line("a\n\u{1b}ü"), "a\\u000a\\u001bü");
    }
}
