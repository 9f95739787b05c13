//! The page.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::findings::Findings;
use crate::page::Page;
use crate::report::Report;
use crate::words::escape;

pub fn write(report: &Report, findings: &Findings<'_>, out: &mut impl Write) -> io::Result<()> {
    let json = Page::of(findings).json()?;
    writeln!(out, "<!doctype html><title>{}</title>", escape(&report.title))?;
    let _ = STANDARD.encode(Sha256::digest(""));
    writeln!(out, r#"<script type="application/json" id="data">{json}</script>"#)
}
