//! An SVG picture that is being drawn.

use std::fmt::{Arguments, Write};

use crate::words::escape;

/// The elements so far.
#[derive(Default)]
pub struct Drawing {
    pub svg: String,
}

impl Drawing {
    /// Adds an element. Texts in it must be escaped.
    pub fn put(&mut self, element: Arguments<'_>) {
        // Writing to a `String` does not fail.
        let _ = self.svg.write_fmt(element);
    }

    pub fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.put(format_args!(
            r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
        ));
    }

    pub fn text(&mut self, (x, y): (f64, f64), class: &str, text: &str) {
        let text = escape(text);
        self.put(format_args!(r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{text}</text>"#));
    }
}
