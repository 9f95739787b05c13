//! Draws what a plugin made of a recording: a report for the eye as HTML, and a chart for documents as SVG.
//!
//! A [`Recorder`] is given each point that goes into the plugin and each that comes out, while they stream. It
//! keeps series at a resolution that its bounds allow, counts, and the first of what may be many. A [`Report`]
//! draws it. What the plugin does is not told to it, but derived from the points:
//!
//! - A numeric field that points of the input do not have is *added*, and is drawn as a line of its own.
//! - A field of the input that comes out with other values, or at other times, is *changed*, and is drawn as a
//!   line beside that of the input.
//! - A point that comes out as it went in is *flagged* if not all do, and is drawn as a mark on the line.
//! - A text or a `true` that the plugin adds is a *flag*, and is drawn as a mark with its text.

#![forbid(unsafe_code)]

mod axes;
mod buckets;
mod drawing;
mod findings;
mod group;
mod html;
mod log;
mod marks;
mod page;
mod panel;
mod record;
mod recorder;
mod report;
mod series;
mod svg;
mod tables;
mod words;

pub use group::Group;
pub use log::Level;
pub use recorder::Recorder;
pub use report::Report;
