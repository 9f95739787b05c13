//! The chart for documents.

use std::io::{self, Write};

use crate::findings::Findings;
use crate::report::Report;
use crate::words::escape;

pub fn write(report: &Report, _findings: &Findings<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, r#"<svg xmlns="http://www.w3.org/2000/svg"><title>{}</title></svg>"#, escape(&report.title))
}
