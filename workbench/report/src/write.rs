//! Writes a report in its two forms.

use std::io::{self, Write};

use crate::findings::Findings;
use crate::html;
use crate::recorder::Recorder;
use crate::report::Report;
use crate::svg;

impl Report {
    /// Writes the report as one HTML file, which needs no other file and no network.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_html(&self, recorder: &Recorder, out: &mut impl Write) -> io::Result<()> {
        html::write(self, &Findings::of(recorder), out)
    }

    /// Writes a chart of up to six groups as an SVG file without scripts. The groups are those of which there is
    /// most to see.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_svg(&self, recorder: &Recorder, out: &mut impl Write) -> io::Result<()> {
        svg::write(self, &Findings::of(recorder), out)
    }
}
