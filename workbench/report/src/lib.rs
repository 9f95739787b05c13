//! Draws what a plugin made of a recording: a report for the eye as HTML, and a chart for documents as SVG.

#![forbid(unsafe_code)]
