//! Runs a plugin in a plain `cargo test`, the way the host would.
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
use crate::error::{Error, Result};
use crate::output::{NewBatch, NewPoint};
use crate::point::Point;
use crate::runtime::{Calls, STATE_VERSION};
use crate::wire::{self, FIXED64, Fields, VARINT};

pub use crate::runtime::Registered;

/// A running plugin.
pub struct Harness<T> {
    calls: Box<dyn Calls>,
    plugin: PhantomData<T>,
}

/// What a test gives an option: `"text".into()`, `3.into()`, `1.5.into()`, `true.into()`,
/// `Duration::from_secs(1).into()`, or [`flag`].
#[derive(Clone, Debug)]
pub struct OptionText {
    /// The fields of an OptionValue; `None` for a flag.
    value: Option<Buffer>,
}

/// The value of an option that has none: `.verbose()`.
pub fn flag() -> OptionText {
    OptionText { value: None }
}

macro_rules! option_from {
    ($($ty:ty, $name:ident, $out:ident => $type:literal, $encode:expr;)*) => {$(
        impl From<$ty> for OptionText {
            fn from($name: $ty) -> Self {
                let mut value = Buffer::new();
                wire::put_int(1, $type, &mut value);
                let $out = &mut value;
                $encode;
                Self { value: Some(value) }
            }
        }
    )*};
}

option_from! {
    bool, v, out => 0, { wire::put_tag(2, VARINT, out); wire::put_varint(u64::from(v), out) };
    i64, v, out => 1, { wire::put_tag(3, VARINT, out); wire::put_varint(v as u64, out) };
    f64, v, out => 2, { wire::put_tag(4, FIXED64, out); out.put(v.to_le_bytes()) };
    &str, v, out => 3, wire::put_bytes(5, v.as_bytes(), out);
    Duration, v, out => 4, { wire::put_tag(6, VARINT, out); wire::put_varint(v.as_nanos() as u64, out) };
}

/// A point to fill in.
pub fn point() -> NewPoint {
    NewPoint::new("test")
}

impl<T> std::fmt::Debug for Harness<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Harness").finish_non_exhaustive()
    }
}

impl<T: Registered> Harness<T> {
    /// Starts the plugin with options, as a TICKscript would.
    ///
    /// # Errors
    ///
    /// What the plugin says of the options.
    pub fn start(options: impl IntoIterator<Item = (&'static str, OptionText)>) -> Result<Self> {
        let mut request = Buffer::new();
        for (name, text) in options {
            let mut option = Buffer::new();
            wire::put_text(1, name, &mut option);
            if let Some(value) = &text.value {
                wire::put_bytes(2, value, &mut option);
            }
            wire::put_bytes(1, &option, &mut request);
        }
        let mut harness = Self { calls: T::calls(), plugin: PhantomData };
        harness.put(&request);
        harness.calls.init(request.len());
        harness.answer().map(|()| harness)
    }

    /// Gives the plugin a point; returns the points that it sends, also those of batches.
    ///
    /// # Errors
    ///
    /// The error that ends the task.
    pub fn point(&mut self, point: &NewPoint) -> Result<Vec<NewPoint>> {
        let mut frames = Buffer::new();
        wire::put_frame(17, &point.encode(), &mut frames);
        self.process(&frames).map(|batches| batches.into_iter().flat_map(|batch| batch.1).collect())
    }

    /// Gives the plugin a batch; returns the batches that it sends. Points of a stream are in a
    /// batch without a name.
    ///
    /// # Errors
    ///
    /// The error that ends the task.
    pub fn batch(&mut self, batch: &NewBatch, points: &[NewPoint]) -> Result<Vec<(NewBatch, Vec<NewPoint>)>> {
        use crate::output::BatchLike;
        let (mut begin, end) = batch.begin_and_end();
        let group: Vec<String> = batch.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        wire::put_text(2, &group.join(","), &mut begin);
        let mut frames = Buffer::new();
        wire::put_frame(16, &begin, &mut frames);
        for point in points {
            wire::put_frame(17, &point.encode(), &mut frames);
        }
        wire::put_frame(18, &end, &mut frames);
        self.process(&frames)
    }

    /// Ends the input; returns what the plugin sends at last.
    ///
    /// # Errors
    ///
    /// The task's error.
    pub fn finish(&mut self) -> Result<Vec<NewPoint>> {
        self.calls.finish();
        self.sent().map(|batches| batches.into_iter().flat_map(|batch| batch.1).collect())
    }

    /// The plugin's snapshot, in its own format.
    pub fn snapshot(&mut self) -> Vec<u8> {
        self.calls.snapshot();
        Fields(self.calls.result())
            .find(|field| field.number == 1)
            .map_or(Vec::new(), |field| field.bytes.to_vec())
    }

    /// Gives the plugin a snapshot in its own format, of this version.
    ///
    /// # Errors
    ///
    /// What the plugin says of it.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<()> {
        self.restore_version(self.calls.state_version(), snapshot)
    }

    /// Gives the plugin a snapshot in another version of its own format.
    ///
    /// # Errors
    ///
    /// What the plugin says of it.
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
                _ => error = crate::point::text(field.bytes).to_owned(),
            }
        }
        if success { Ok(()) } else { Err(Error::new(error)) }
    }

    fn sent(&self) -> Result<Vec<(NewBatch, Vec<NewPoint>)>> {
        let mut batches = Vec::new();
        let mut points: Vec<NewPoint> = Vec::new();
        let mut current: Option<NewBatch> = None;
        let mut rest = self.calls.result();
        while let Some((_, message, after)) = wire::split_frame(rest) {
            rest = after;
            let Some(field) = Fields(message).next() else {
                continue;
            };
            let text = |number| {
                Fields(field.bytes).find(|f| f.number == number).map_or("", |f| crate::point::text(f.bytes))
            };
            match field.number {
                6 => return Err(Error::new(text(1))),
                16 => current = Some(NewBatch::default()),
                17 => points.push(NewPoint::from(Point::new(field.bytes, None))),
                _ => {
                    let end = crate::points::Points { begin: &[], frames: &[], count: 0, end: field.bytes };
                    let tags = Fields(field.bytes).filter(|f| f.number == 4).map(|f| {
                        let (key, value) = wire::entry(f.bytes);
                        (crate::point::text(key).to_owned(), crate::point::text(value).to_owned())
                    });
                    let batch = NewBatch {
                        name: text(1).to_owned(),
                        tags: tags.collect(),
                        tmax: end.tmax(),
                        by_name: false,
                    };
                    current = None;
                    batches.push((batch, std::mem::take(&mut points)));
                }
            }
        }
        if !points.is_empty() || current.is_some() {
            batches.push((current.unwrap_or_default(), points));
        }
        Ok(batches)
    }
}
