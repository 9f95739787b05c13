//! Runs a plugin in a native `cargo test`, through the same calls as the host.
//!
//! The host does more than these calls: after a failure it restores the state, and it checks results
//! before it passes them to Kapacitor.
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

use std::marker::PhantomData;
use std::time::Duration;

use crate::buffer::Buffer;
use crate::calls::Calls;
use crate::emit::Emit;
use crate::error::{Error, Result};
use crate::new_batch::{Bounds, NewBatch};
use crate::new_point::NewPoint;
use crate::numbers::{BEGIN, END, ERROR, POINT, STATE_VERSION, begin_batch, end_batch};
use crate::options::OptionValue;
use crate::point::Point;
use crate::wire::{self, Fields, text};

pub use crate::calls::Registered;

/// A running plugin of type `T`, which must have been passed to [`register!`](crate::register).
pub struct Harness<T> {
    calls: Box<dyn Calls>,
    plugin: PhantomData<T>,
}

/// The values of an option in a test: `"text".into()`, `3.into()`, `1.5.into()`, `true.into()`,
/// `Duration::from_secs(1).into()`, a tuple of several of them, `("a", 3).into()`, an [`OptionValue`], or [`flag`].
#[derive(Clone, Debug)]
pub struct OptionArgument {
    /// Each one as Kapacitor's message; none for a flag.
    values: Vec<Buffer>,
}

/// An option without a value, such as `.verbose()`.
pub fn flag() -> OptionArgument {
    OptionArgument { values: Vec::new() }
}

impl From<OptionValue<'_>> for OptionArgument {
    fn from(value: OptionValue<'_>) -> Self {
        Self { values: vec![value.encode()] }
    }
}

macro_rules! option_from {
    ($($ty:ty, $value:pat => $option:expr;)*) => {$(
        impl From<$ty> for OptionArgument {
            fn from($value: $ty) -> Self {
                $option.into()
            }
        }
    )*};
}

option_from! {
    bool, v => OptionValue::Bool(v);
    i64, v => OptionValue::Int(v);
    f64, v => OptionValue::Double(v);
    &str, v => OptionValue::String(v);
    Duration, v => OptionValue::Duration(i64::try_from(v.as_nanos()).unwrap_or(i64::MAX));
}

macro_rules! tuple_from {
    ($($($ty:ident $value:ident),*;)*) => {$(
        impl<$($ty: Into<OptionArgument>),*> From<($($ty,)*)> for OptionArgument {
            fn from(($($value,)*): ($($ty,)*)) -> Self {
                Self { values: [$($value.into().values),*].concat() }
            }
        }
    )*};
}

tuple_from! {
    A a, B b;
    A a, B b, C c;
    A a, B b, C c, D d;
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
        let mut request = Buffer::new();
        for (name, argument) in options {
            let mut option = Buffer::new();
            wire::put_text(1, name, &mut option);
            for value in &argument.values {
                wire::put_bytes(2, value, &mut option);
            }
            wire::put_bytes(1, &option, &mut request);
        }
        let mut harness = Self { calls: T::calls(), plugin: PhantomData };
        harness.put(&request);
        harness.calls.init(request.len());
        harness.answer().map(|()| harness)
    }

    /// Processes a point; returns the points that the plugin sends, also those in batches.
    ///
    /// # Errors
    ///
    /// The plugin's error, unless it is a skip.
    pub fn point(&mut self, point: &NewPoint) -> Result<Vec<NewPoint>> {
        let mut frames = Buffer::new();
        wire::put_frame(POINT, &point.message(), &mut frames);
        self.process(&frames).map(|batches| batches.into_iter().flat_map(|batch| batch.1).collect())
    }

    /// Processes a batch; returns the batches that the plugin sends, each with its points. Points that
    /// are sent as a stream are in a batch without a name.
    ///
    /// # Errors
    ///
    /// The plugin's error, unless it is a skip.
    pub fn batch(&mut self, batch: &NewBatch, points: &[NewPoint]) -> Result<Vec<(NewBatch, Vec<NewPoint>)>> {
        let (mut begin, end) = batch.begin_and_end();
        let group: Vec<String> = batch.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        wire::put_text(begin_batch::GROUP, &group.join(","), &mut begin);
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
    /// The plugin's error.
    pub fn finish(&mut self) -> Result<Vec<NewPoint>> {
        self.calls.finish();
        self.sent().map(|batches| batches.into_iter().flat_map(|batch| batch.1).collect())
    }

    /// The plugin's snapshot in its own format. Empty if it has none.
    ///
    /// # Panics
    ///
    /// If the plugin's [`Snapshot::snapshot`](crate::Snapshot::snapshot) fails.
    pub fn snapshot(&mut self) -> Vec<u8> {
        self.calls.snapshot();
        Fields(self.calls.result()).with_number(1).map_or(Vec::new(), |field| field.bytes.to_vec())
    }

    /// Restores a snapshot in the current version of the plugin's own format.
    ///
    /// # Errors
    ///
    /// The plugin's error.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<()> {
        self.restore_version(self.calls.state_version(), snapshot)
    }

    /// Restores a snapshot in another version of the plugin's own format.
    ///
    /// # Errors
    ///
    /// The plugin's error.
    pub fn restore_version(&mut self, version: u32, snapshot: &[u8]) -> Result<()> {
        let mut request = Buffer::new();
        wire::put_bytes(1, snapshot, &mut request);
        wire::put_int(STATE_VERSION, version.into(), &mut request);
        self.put(&request);
        self.calls.restore(request.len());
        self.answer()
    }

    fn process(&mut self, frames: &[u8]) -> Result<Vec<(NewBatch, Vec<NewPoint>)>> {
        self.put(frames);
        self.calls.process(frames.len());
        self.sent()
    }

    fn put(&mut self, bytes: &[u8]) {
        self.calls.input(bytes.len())[..bytes.len()].copy_from_slice(bytes);
    }

    /// Reads an InitResponse or RestoreResponse.
    fn answer(&self) -> Result<()> {
        let mut success = false;
        let mut error = String::new();
        for field in Fields(self.calls.result()) {
            match field.number {
                1 => success = field.varint() != 0,
                _ => text(field.bytes).clone_into(&mut error),
            }
        }
        if success { Ok(()) } else { Err(Error::new(error)) }
    }

    /// Reads the frames of a result.
    fn sent(&self) -> Result<Vec<(NewBatch, Vec<NewPoint>)>> {
        let mut batches = Vec::new();
        let mut points: Vec<NewPoint> = Vec::new();
        let mut in_batch = false;
        let mut rest = self.calls.result();
        while let Some((_, response, after)) = wire::split_frame(rest) {
            rest = after;
            let Some(message) = Fields(response).next() else {
                continue;
            };
            match message.number {
                ERROR => {
                    let error = Fields(message.bytes).with_number(1).map_or("", |field| text(field.bytes));
                    return Err(Error::new(error));
                }
                BEGIN => in_batch = true,
                POINT => points.push(NewPoint::from(Point::new(message.bytes, None))),
                _ => {
                    in_batch = false;
                    batches.push((read_end(message.bytes), std::mem::take(&mut points)));
                }
            }
        }
        if !points.is_empty() || in_batch {
            batches.push((NewBatch::default(), points));
        }
        Ok(batches)
    }
}

/// Reads an EndBatch, from which Kapacitor takes name, tags and time of a batch, too.
fn read_end(end: &[u8]) -> NewBatch {
    let mut batch = NewBatch::default();
    for field in Fields(end) {
        match field.number {
            end_batch::NAME => text(field.bytes).clone_into(&mut batch.name),
            end_batch::TMAX => batch.tmax = field.varint() as i64,
            end_batch::TAGS => {
                let (key, value) = wire::entry(field.bytes);
                batch.tags.insert(text(key).to_owned(), text(value).to_owned());
            }
            _ => {}
        }
    }
    batch
}
