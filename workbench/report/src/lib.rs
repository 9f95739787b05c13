//! Draws what a plugin made of a recording: a report for the eye as HTML, and a chart for documents as SVG.
//!
//! A [`Recorder`] is given each point that goes into the plugin and each that comes out, while they stream. It
//! keeps series at a resolution that its bounds allow, counts, and the first of what may be many. A [`Report`]
//! draws it. What the plugin does is not told to it, but derived from the points:
//!
//! - A numeric field that points of the input do not have is *added*, and is drawn as a line of its own.
//! - A field of the input that comes out with other values, or at other times, is *changed*, and is drawn as a
//!   line beside that of the input.
//! - A point that comes out as it went in is *flagged* if most do not, and is drawn as a mark on the line. If most
//!   points do, but not all, those that come out are drawn as a line.
//! - A text or a `true` that the plugin adds is drawn in a lane below the lines, and a `true` as a mark as well.
//!
//! ```
//! use kapacitor_wasm_report::{Group, Level, Recorder, Report};
//! # use kapacitor_wasm_data::{Point, Source, Value};
//! # let mut point = Point {
//! #     source: std::sync::Arc::new(Source::default()),
//! #     measurement: "cpu".to_owned(),
//! #     tags: [("host".to_owned(), "a".to_owned())].into(),
//! #     fields: [("usage_user".to_owned(), Value::Double(12.5))].into(),
//! #     time: 1_772_431_200_000_000_000,
//! # };
//!
//! // The call has `.field('usage_user')`, so this field matters most.
//! let mut recorder = Recorder::new(["usage_user".to_owned()]);
//! let group = Group::new(None, [("host", "a")]);
//! recorder.input(&group, &point);
//! point.fields.insert("mean".to_owned(), Value::Double(12.5));
//! recorder.output(&group, &point);
//! recorder.skipped(Some(&group), point.time, "field `usage_user` is missing or not a number");
//! recorder.log(Level::Info, Some(point.time), "a mean of 30 points");
//!
//! let report = Report {
//!     title: "moving_avg on recording.lp".to_owned(),
//!     call: "@moving_avg().field('usage_user').size(30).as('mean')".to_owned(),
//!     summary: vec![("points in".to_owned(), "1".to_owned())],
//! };
//! let mut html = Vec::new();
//! report.write_html(&recorder, &mut html)?;
//! let mut svg = Vec::new();
//! report.write_svg(&recorder, &mut svg)?;
//! # Ok::<(), std::io::Error>(())
//! ```

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
mod write;

pub use group::Group;
pub use log::Level;
pub use recorder::Recorder;
pub use report::Report;
pub use words::thousands;
