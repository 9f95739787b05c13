//! Runs a plugin in a native `cargo test`, through the same calls as the host, and with the host's default policies.
//!
//! ```
//! use kapacitor_guest::prelude::*;
//! use kapacitor_guest::testing::{Harness, point};
//!
//! #[derive(Options)]
//! struct Above {
//!     field: String,
//!     threshold: f64,
//! }
//!
//! impl Stream for Above {
//!     type Group = ();
//!
//!     fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
//!         if point.number(&self.field)? > self.threshold {
//!             out.send(point)?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! register!(Above);
//!
//! let options = [("field", "value".into()), ("threshold", 10.0.into())];
//! let mut above = Harness::<Above>::start(options).unwrap();
//! assert!(above.point(&point().field("value", 10)).unwrap().is_empty());
//! assert_eq!(above.point(&point().field("value", 10.5)).unwrap().len(), 1);
//!
//! let error = Harness::<Above>::start([("field", "value".into())]).unwrap_err();
//! assert_eq!(error.to_string(), "option `threshold`: missing, expected double");
//! ```

//!
//! # Like the host
//!
//! - An error that is no skip, and a panic, are failures: the call returns an [`Error`](crate::Error), and the plugin's state is that of
//!   before the call. As in the host, a new instance gets all input again that did not fail, so a plugin must return
//!   the same results for the same input; a `static` or `thread_local!` of its own is not brought back.
//! - A skip is no failure: the call returns nothing, and what the plugin has changed in its state stays. See
//!   [`Harness::skips`].
//! - Numbers that are NaN or infinite are left out of results, and so are points that then have no fields. See
//!   [`Harness::left_out`].
//! - The group of a point is the one that Kapacitor makes from its tags, dimensions and `by_name`.
//!
//! Not like the host, nothing limits memory, time or the size of results, and names that InfluxDB can't store are passed
//! on.
//!
//! # Data
//!
//! [`lines`] reads points from InfluxDB's line protocol, as `influx` and `kapacitor record` show them:
//!
//! ```
//! # use kapacitor_guest::prelude::*;
//! # use kapacitor_guest::testing::{Harness, lines};
//! # #[derive(Options)]
//! # struct Number {}
//! # impl Stream for Number {
//! #     type Group = i64;
//! #     fn point(&self, number: &mut i64, point: Point<'_>, out: &mut Output) -> Result<()> {
//! #         *number += 1;
//! #         out.send(point.with("number", *number))
//! #     }
//! # }
//! # register!(Number);
//! let points = lines("cpu,host=a usage=91.5 1000000000\ncpu,host=b usage=3i 2000000000\n").unwrap();
//! let mut harness = Harness::<Number>::start([]).unwrap();
//! let sent = harness.points(points.into_iter().map(|point| point.group_by(&["host"]))).unwrap();
//! assert_eq!(sent[1].number("number").unwrap(), 1.0);
//! ```

use std::marker::PhantomData;

use crate::buffer::Buffer;
use crate::emit::Emit;
use crate::error::Result;
use crate::log::Level;
use crate::new_batch::{Bounds, NewBatch};
use crate::new_point::NewPoint;
use crate::numbers::{BEGIN, END, POINT, begin_batch};
use crate::wire;

mod instance;
mod lines;
mod options;
mod sent;

use instance::Instance;
use sent::read_frames;

pub use crate::calls::Registered;
pub use lines::lines;
pub use options::{OptionArgument, flag};

#[doc(inline)]
pub use crate::packed::native::pack;

/// A running plugin of type `T`, which must have been passed to [`register!`](crate::register).
pub struct Harness<T> {
    instance: Instance,
    left_out: u64,
    plugin: PhantomData<T>,
}

/// A point of the measurement `test`, without time, tags and fields.
pub fn point() -> NewPoint {
    NewPoint::new("test")
}

/// The frame in which a point is sent in a stream, for tests of the codec.
#[doc(hidden)]
pub fn frame_of(point: impl Emit) -> Vec<u8> {
    let mut frame = Buffer::new();
    point.encode(true, &mut frame);
    frame.to_vec()
}

impl<T> std::fmt::Debug for Harness<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Harness").finish_non_exhaustive()
    }
}

impl<T: Registered> Harness<T> {
    /// Starts the plugin with the options of a task.
    ///
    /// # Errors
    ///
    /// The error that the task would end with, because the options are wrong.
    pub fn start(options: impl IntoIterator<Item = (&'static str, OptionArgument)>) -> Result<Self> {
        let instance = Instance::start(T::calls, options::init_request(options).to_vec())?;
        Ok(Self { instance, left_out: 0, plugin: PhantomData })
    }

    /// Processes a point; returns the points that the plugin sends, also those in batches.
    ///
    /// # Errors
    ///
    /// The plugin's error, unless it is a skip, or its panic. The state is then that of before the point.
    pub fn point(&mut self, point: &NewPoint) -> Result<Vec<NewPoint>> {
        let mut frames = Buffer::new();
        if point.dimensions.is_empty() && !point.by_name {
            wire::put_frame(POINT, &point.message(), &mut frames);
        } else {
            let group = point.group_of_tags();
            wire::put_frame(POINT, &NewPoint { group, ..point.clone() }.message(), &mut frames);
        }
        self.process(&frames).map(points_of)
    }

    /// Processes points one after the other, such as those of [`lines`]; returns what the plugin sends for all of them.
    ///
    /// # Errors
    ///
    /// As [`Harness::point`], for the first point that fails; the ones behind it are not processed.
    pub fn points(&mut self, points: impl IntoIterator<Item = NewPoint>) -> Result<Vec<NewPoint>> {
        let mut sent = Vec::new();
        for point in points {
            sent.extend(self.point(&point)?);
        }
        Ok(sent)
    }

    /// Processes a batch; returns the batches that the plugin sends, each with its points. Points that
    /// are sent as a stream are in a batch without a name.
    ///
    /// # Errors
    ///
    /// The plugin's error, unless it is a skip, or its panic. The state is then that of before the batch.
    pub fn batch(&mut self, batch: &NewBatch, points: &[NewPoint]) -> Result<Vec<(NewBatch, Vec<NewPoint>)>> {
        let (mut begin, end) = batch.begin_and_end();
        let mut grouped = NewPoint::new(&batch.name);
        grouped.dimensions = batch.tags.keys().cloned().collect();
        grouped.tags.clone_from(&batch.tags);
        grouped.by_name = batch.by_name;
        wire::put_text(begin_batch::GROUP, &grouped.group_of_tags(), &mut begin);
        let mut frames = Buffer::new();
        wire::put_frame(BEGIN, &begin, &mut frames);
        for point in points {
            wire::put_frame(POINT, &point.message(), &mut frames);
        }
        wire::put_frame(END, &end, &mut frames);
        self.process(&frames)
    }

    /// Ends the input; returns the points that the plugin sends then, also those in batches.
    ///
    /// # Errors
    ///
    /// The plugin's error or panic.
    pub fn finish(&mut self) -> Result<Vec<NewPoint>> {
        let frames = self.instance.finish()?;
        self.read(&frames).map(points_of)
    }

    /// The plugin's snapshot: in its own format, or if it has none, something that stands for its memory.
    ///
    /// The latter is all input so far, from which [`Harness::restore`] makes the state again. It tests that a plugin goes
    /// on as before, and nothing about the size of a snapshot of memory.
    ///
    /// # Panics
    ///
    /// If the plugin's [`Snapshot::snapshot`](crate::Snapshot::snapshot) fails.
    pub fn snapshot(&mut self) -> Vec<u8> {
        self.instance.snapshot()
    }

    /// Restores a snapshot in the current version of the plugin's own format, or what stands for one of memory.
    ///
    /// # Errors
    ///
    /// The plugin's error, or that a snapshot of memory is from a plugin with other options. The plugin then has no
    /// state, as in a task that starts clean.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<()> {
        self.instance.restore(None, snapshot)
    }

    /// Restores a snapshot in another version of the plugin's own format.
    ///
    /// # Errors
    ///
    /// The plugin's error. It then has no state, as in a task that starts clean.
    pub fn restore_version(&mut self, version: u32, snapshot: &[u8]) -> Result<()> {
        self.instance.restore(Some(version), snapshot)
    }

    /// The lines that the plugin and the SDK have logged so far. Those that come again when the state is brought back are
    /// left out.
    pub fn log(&self) -> &[(Level, String)] {
        &self.instance.told.lines
    }

    /// Why points and batches were skipped so far, see [`Error::skip`](crate::Error::skip), one reason for each.
    pub fn skips(&self) -> &[String] {
        &self.instance.told.skips
    }

    /// The value of a [`Counter`](crate::Counter) or [`Gauge`](crate::Gauge) of the plugin, by the name of its field;
    /// `groups` is the number of groups that the SDK keeps states of.
    ///
    /// # Panics
    ///
    /// If the plugin has no such metric.
    pub fn metric(&mut self, name: &str) -> f64 {
        match self.instance.metric(name) {
            Ok(value) => value,
            Err(names) => panic!("the plugin has no metric `{name}`; it has: {names}"),
        }
    }

    /// The number of fields that were left out of results so far because they are NaN or infinite, and of points that
    /// were left out because they have no fields.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    fn process(&mut self, frames: &[u8]) -> Result<Vec<(NewBatch, Vec<NewPoint>)>> {
        let frames = self.instance.process(frames)?;
        self.read(&frames)
    }

    fn read(&mut self, frames: &[u8]) -> Result<Vec<(NewBatch, Vec<NewPoint>)>> {
        let mut batches = read_frames(frames)?;
        batches.iter_mut().for_each(|(_, points)| self.left_out += sent::leave_out(points));
        Ok(batches)
    }
}

fn points_of(batches: Vec<(NewBatch, Vec<NewPoint>)>) -> Vec<NewPoint> {
    batches.into_iter().flat_map(|(_, points)| points).collect()
}
