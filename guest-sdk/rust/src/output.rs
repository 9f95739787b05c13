//! Where a plugin's results go.

use std::collections::BTreeMap;
use std::mem;
use std::ops::Range;
use std::rc::Rc;

use crate::buffer::Buffer;
use crate::edit::put_field;
use crate::error::{Error, Result};
use crate::point::number::*;
use crate::point::{Point, Value};
use crate::points::Points;
use crate::wire;

/// What a plugin takes or gives: points one by one, or batches of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Points one by one.
    Stream,
    /// Batches of points.
    Batch,
}

/// The sink of a plugin's results. Nothing, one or many may be sent for each input.
#[derive(Debug)]
pub struct Output {
    provides: Edge,
    /// What was sent, but for what is in `passed`.
    frames: Buffer,
    /// What was sent last: frames of the input that lie side by side, as they came. They are copied when
    /// something else follows, and not at all if nothing does.
    passed: Range<usize>,
    /// The input, while a run is under way.
    input: Option<Rc<Vec<u8>>>,
}

/// How much was sent, to come back to.
#[derive(Clone)]
pub(crate) struct Mark {
    frames: usize,
    passed: Range<usize>,
}

/// What can be sent: a point as it came, with changes, or new.
pub trait Emit {
    /// Appends one frame with the point. In a stream a point of a batch is completed with what it
    /// has from its batch.
    #[doc(hidden)]
    fn emit(&self, provides_stream: bool, out: &mut Buffer);

    /// The frame of a point of a stream that goes on as it came.
    #[doc(hidden)]
    fn unchanged(&self) -> Option<&[u8]> {
        None
    }
}

impl<T: Emit + ?Sized> Emit for &T {
    fn emit(&self, provides_stream: bool, out: &mut Buffer) {
        (**self).emit(provides_stream, out);
    }

    fn unchanged(&self) -> Option<&[u8]> {
        (**self).unchanged()
    }
}

impl Emit for Point<'_> {
    #[inline]
    fn emit(&self, provides_stream: bool, out: &mut Buffer) {
        match self.batch {
            Some(batch) if provides_stream => {
                let mut context = Buffer::new();
                batch.put_stream_context(true, &mut context);
                let length = self.bytes.len() + context.len();
                let (point, behind) = wire::frame_of(17, length, out).split_at_mut(self.bytes.len());
                point.copy_from_slice(self.bytes);
                behind.copy_from_slice(&context);
            }
            _ => match self.frame {
                Some(frame) => out.append(frame),
                None => wire::put_frame(17, self.bytes, out),
            },
        }
    }

    #[inline]
    fn unchanged(&self) -> Option<&[u8]> {
        if self.batch.is_none() { self.frame } else { None }
    }
}

impl Output {
    pub(crate) fn new(provides: Edge) -> Self {
        Self { provides, frames: Buffer::new(), passed: 0..0, input: None }
    }

    /// A run begins.
    pub(crate) fn begin(&mut self, input: &Rc<Vec<u8>>) {
        self.input = Some(Rc::clone(input));
    }

    /// It has ended. If it `failed`, there is more to come.
    pub(crate) fn end(&mut self, failed: bool) {
        if failed || !self.frames.is_empty() {
            self.flush();
        }
        self.input = None;
    }

    /// Copies what was passed.
    #[inline]
    fn flush(&mut self) {
        if self.passed.is_empty() {
            return;
        }
        let passed = mem::replace(&mut self.passed, 0..0);
        if let Some(passed) = self.input.as_ref().and_then(|input| input.get(passed)) {
            self.frames.append(passed);
        }
    }

    /// The input, while a run is under way.
    pub(crate) fn input(&self) -> &[u8] {
        self.input.as_ref().map_or(&[], |input| input)
    }

    /// The input, to be read while something is sent.
    pub(crate) fn share_input(&self) -> Rc<Vec<u8>> {
        self.input.clone().unwrap_or_default()
    }

    /// Where a frame lies in the input, if it does.
    #[inline]
    pub(crate) fn place_in_input(&self, frame: &[u8]) -> Option<Range<usize>> {
        let input = self.input.as_ref()?;
        let start = frame.as_ptr().addr().wrapping_sub(input.as_ptr().addr());
        (input.len().checked_sub(start)? >= frame.len()).then(|| start..start + frame.len())
    }

    /// Sends a frame as it came; false if it is not one of the input.
    #[inline]
    fn pass(&mut self, frame: &[u8]) -> bool {
        let Some(place) = self.place_in_input(frame) else { return false };
        if self.passed.end != place.start || self.passed.is_empty() {
            self.flush();
            self.passed.start = place.start;
        }
        self.passed.end = place.end;
        true
    }

    pub(crate) fn buffer(&mut self) -> &mut Buffer {
        &mut self.frames
    }

    /// What was sent for this input.
    pub(crate) fn frames<'a>(&'a self, input: &'a [u8]) -> &'a [u8] {
        if self.passed.is_empty() { &self.frames } else { &input[self.passed.clone()] }
    }

    pub(crate) fn clear(&mut self) {
        self.frames.clear();
        self.passed = 0..0;
    }

    /// What was sent so far, to come back to with [`Output::rewind`].
    #[inline]
    pub(crate) fn mark(&self) -> Mark {
        Mark { frames: self.frames.len(), passed: self.passed.clone() }
    }

    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.frames.truncate(mark.frames);
        self.passed = mark.passed;
    }

    pub(crate) fn put_error(&mut self, error: &Error) {
        let mut message = Buffer::new();
        wire::put_text(1, &error.to_string(), &mut message);
        wire::put_frame(6, &message, &mut self.frames);
    }

    /// Sends a point.
    ///
    /// # Errors
    ///
    /// In a plugin that provides batches, where a point goes into [`Output::batch`].
    #[inline]
    pub fn send(&mut self, point: impl Emit) -> Result<()> {
        if self.provides != Edge::Stream {
            return Err(Error::new("the plugin provides batches: send points with `out.batch(…)`"));
        }
        if !point.unchanged().is_some_and(|frame| self.pass(frame)) {
            self.flush();
            point.emit(true, &mut self.frames);
        }
        Ok(())
    }

    /// Begins a batch. It ends when the returned guard goes out of scope.
    ///
    /// # Errors
    ///
    /// In a plugin that provides a stream.
    ///
    /// ```
    /// # use kapacitor_guest::prelude::*;
    /// fn first_half(points: &Points<'_>, out: &mut Output) -> Result<()> {
    ///     let mut batch = out.batch(points)?;
    ///     for point in points.iter().take(points.len() / 2) {
    ///         batch.send(point);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn batch(&mut self, like: impl BatchLike) -> Result<OpenBatch<'_>> {
        if self.provides != Edge::Batch {
            return Err(Error::new("the plugin provides a stream: send points with `out.send(…)`"));
        }
        self.flush();
        let (begin, end) = like.begin_and_end();
        wire::put_frame(16, &begin, &mut self.frames);
        Ok(OpenBatch { frames: &mut self.frames, end })
    }
}

/// A batch on its way out. It ends when it goes out of scope.
#[derive(Debug)]
pub struct OpenBatch<'a> {
    frames: &'a mut Buffer,
    end: Buffer,
}

impl OpenBatch<'_> {
    /// Sends a point of the batch.
    #[inline]
    pub fn send(&mut self, point: impl Emit) {
        point.emit(false, self.frames);
    }
}

impl Drop for OpenBatch<'_> {
    fn drop(&mut self) {
        wire::put_frame(18, &self.end, self.frames);
    }
}

/// What says how a batch is called, grouped and timed.
pub trait BatchLike {
    /// The messages that begin and end it.
    #[doc(hidden)]
    fn begin_and_end(&self) -> (Buffer, Buffer);
}

impl BatchLike for &Points<'_> {
    fn begin_and_end(&self) -> (Buffer, Buffer) {
        (self.begin.into(), self.end.into())
    }
}

/// A batch that is not one that came in: its measurement, tags and time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewBatch {
    /// The measurement.
    pub name: String,
    /// The tags of the group. Kapacitor makes the group from them.
    pub tags: BTreeMap<String, String>,
    /// Whether the measurement is part of the group.
    pub by_name: bool,
    /// Nanoseconds since 1970.
    pub tmax: i64,
}

impl NewBatch {
    /// A batch in the group of a point of a stream, with its time.
    pub fn of(point: Point<'_>) -> Self {
        let tags =
            point.dimensions().filter_map(|key| Some((key.to_owned(), point.tag(key)?.to_owned()))).collect();
        Self { name: point.name().to_owned(), tags, by_name: point.by_name(), tmax: point.time() }
    }

    /// A batch in the group of another one, with its time.
    pub fn like(points: &Points<'_>) -> Self {
        Self {
            name: points.name().to_owned(),
            tags: points.tags().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            by_name: points.by_name(),
            tmax: points.tmax(),
        }
    }
}

impl BatchLike for &NewBatch {
    fn begin_and_end(&self) -> (Buffer, Buffer) {
        let (mut begin, mut end) = (Buffer::new(), Buffer::new());
        wire::put_text(1, &self.name, &mut begin);
        wire::put_text(1, &self.name, &mut end);
        wire::put_int(3, self.tmax, &mut end);
        for (key, value) in &self.tags {
            wire::put_text_entry(3, key, value, &mut begin);
            wire::put_text_entry(4, key, value, &mut end);
        }
        wire::put_int(5, i64::from(self.by_name), &mut begin);
        (begin, end)
    }
}

/// A value that a [`NewPoint`] owns.
#[derive(Clone, Debug, PartialEq)]
pub enum OwnedValue {
    /// `float`
    Double(f64),
    /// `integer`
    Int(i64),
    /// `string`
    String(String),
    /// `boolean`
    Bool(bool),
}

impl OwnedValue {
    /// The value, borrowed.
    pub fn as_value(&self) -> Value<'_> {
        match self {
            Self::Double(value) => Value::Double(*value),
            Self::Int(value) => Value::Int(*value),
            Self::String(value) => Value::String(value),
            Self::Bool(value) => Value::Bool(*value),
        }
    }
}

impl<'a, T: Into<Value<'a>>> From<T> for OwnedValue {
    fn from(value: T) -> Self {
        match value.into() {
            Value::Double(value) => Self::Double(value),
            Value::Int(value) => Self::Int(value),
            Value::String(value) => Self::String(value.to_owned()),
            Value::Bool(value) => Self::Bool(value),
        }
    }
}

/// A point that owns its data: a new one, or one to keep.
///
/// ```
/// use kapacitor_guest::prelude::*;
///
/// let point = NewPoint::new("cpu").at(1).tag("host", "a").field("usage", 1.5).field("n", 3);
/// assert_eq!(point.fields["n"], OwnedValue::Int(3));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewPoint {
    /// Nanoseconds since 1970.
    pub time: i64,
    /// The measurement.
    pub name: String,
    /// The database.
    pub database: String,
    /// The retention policy.
    pub retention_policy: String,
    /// The group, as Kapacitor names it in its requests. It does not read it.
    pub group: String,
    /// The tags that the stream is grouped by. Kapacitor makes the group from them.
    pub dimensions: Vec<String>,
    /// Whether the measurement is part of the group.
    pub by_name: bool,
    /// The tags.
    pub tags: BTreeMap<String, String>,
    /// The fields. InfluxDB takes no point without one.
    pub fields: BTreeMap<String, OwnedValue>,
}

impl NewPoint {
    /// A point of a measurement, with nothing else.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// A point of the same measurement, group, tags and time, without fields: like a [`Point`], or like
    /// a whole batch, `&`[`Points`].
    pub fn like(other: impl Into<Self>) -> Self {
        let mut new = other.into();
        new.fields.clear();
        new
    }

    /// Sets the time, in nanoseconds since 1970.
    #[must_use]
    pub fn at(mut self, time: i64) -> Self {
        self.time = time;
        self
    }

    /// Sets a tag.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    /// Sets a field.
    #[must_use]
    pub fn field(mut self, key: impl Into<String>, value: impl Into<OwnedValue>) -> Self {
        self.fields.insert(key.into(), value.into());
        self
    }

    /// Groups the point by tags that it has, the way Kapacitor would.
    #[must_use]
    pub fn group_by(mut self, dimensions: &[&str]) -> Self {
        self.dimensions = dimensions.iter().map(|d| (*d).to_owned()).collect();
        let parts =
            self.dimensions.iter().map(|d| format!("{d}={}", self.tags.get(d).map_or("", String::as_str)));
        self.group = parts.collect::<Vec<_>>().join(",");
        self
    }

    pub(crate) fn encode(&self) -> Buffer {
        let mut out = Buffer::new();
        wire::put_int(TIME, self.time, &mut out);
        wire::put_text(NAME, &self.name, &mut out);
        wire::put_text(DATABASE, &self.database, &mut out);
        wire::put_text(RETENTION_POLICY, &self.retention_policy, &mut out);
        wire::put_text(GROUP, &self.group, &mut out);
        for dimension in &self.dimensions {
            wire::put_bytes(DIMENSIONS, dimension.as_bytes(), &mut out);
        }
        for (key, value) in &self.tags {
            wire::put_text_entry(TAGS, key, value, &mut out);
        }
        for (key, value) in &self.fields {
            put_field(key, value.as_value(), &mut out);
        }
        wire::put_int(BY_NAME, i64::from(self.by_name), &mut out);
        out
    }
}

/// A point that stands for a batch: its measurement, group and tags, and its `tmax` as time.
impl From<&Points<'_>> for NewPoint {
    fn from(points: &Points<'_>) -> Self {
        Self {
            time: points.tmax(),
            name: points.name().to_owned(),
            group: points.group().to_owned(),
            dimensions: points.dimensions().map(str::to_owned).collect(),
            by_name: points.by_name(),
            tags: points.tags().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            ..Self::default()
        }
    }
}

impl From<Point<'_>> for NewPoint {
    fn from(point: Point<'_>) -> Self {
        Self {
            time: point.time(),
            name: point.name().to_owned(),
            database: point.database().to_owned(),
            retention_policy: point.retention_policy().to_owned(),
            group: point.group().to_owned(),
            dimensions: match point.batch {
                Some(batch) => batch.dimensions().map(str::to_owned).collect(),
                None => point.dimensions().map(str::to_owned).collect(),
            },
            by_name: point.by_name(),
            tags: point.tags().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            fields: point.fields().map(|(key, value)| (key.to_owned(), value.into())).collect(),
        }
    }
}

impl Emit for NewPoint {
    fn emit(&self, _: bool, out: &mut Buffer) {
        wire::put_frame(17, &self.encode(), out);
    }
}
