//! Runs a plugin: what the host calls, without the calling convention.
//!
//! The same code serves the exports of a `.wasm` file and the test harness.

use std::marker::PhantomData;
use std::rc::Rc;

use crate::batching::Batching;
use crate::buffer::{Buffer, wipe};
pub use crate::calls::{Calls, Registered};
use crate::error::{Error, Result};
use crate::groups::Groups;
use crate::log;
use crate::options::{Described, Given, Options};
use crate::output::{Edge, Output};
use crate::point::Point;
use crate::points::Points;
use crate::udf::{Batch, Snapshot, Stream};
use crate::wire::{self, Field, Fields};

/// Tells [`Stream`] plugins from [`Batch`] plugins, so that one `register!` serves both.
pub trait Plugin<Kind>: Options + 'static {
    /// See [`Stream::Group`].
    type Group: Default + 'static;
    /// What it takes.
    const WANTS: Edge;
    /// What it gives.
    const PROVIDES: Edge;
    /// See [`Stream::check`].
    ///
    /// # Errors
    ///
    /// The options do not go together.
    fn check_options(&self) -> Result<()>;
    /// Takes one message of a run.
    ///
    /// # Errors
    ///
    /// As [`Stream::point`] and [`Batch::batch`].
    fn message(&self, message: Message<'_>, state: &mut State<Self::Group>, out: &mut Output) -> Result<()>;
    /// See [`Stream::finish`].
    ///
    /// # Errors
    ///
    /// As there.
    fn finish_all(&self, groups: &mut Groups<Self::Group>, out: &mut Output) -> Result<()>;
}

/// One message of a run: a Begin, a Point or an End.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The number of its field in a Request.
    number: u32,
    pub(crate) bytes: &'a [u8],
    /// Its frame, if there is nothing else in it.
    pub(crate) frame: Option<&'a [u8]>,
}

/// The kind of [`Stream`] plugins.
#[derive(Debug)]
pub struct OfPoints;

/// The kind of [`Batch`] plugins.
#[derive(Debug)]
pub struct OfBatches;

/// What a plugin keeps between two messages.
#[derive(Debug)]
pub struct State<G> {
    groups: Groups<G>,
    batching: Batching,
    skipped: u64,
}

impl<G> Default for State<G> {
    fn default() -> Self {
        Self { groups: Groups::default(), batching: Batching::default(), skipped: 0 }
    }
}

const BEGIN: u32 = 16;
pub(crate) const POINT: u32 = 17;
const END: u32 = 18;

/// The field of a RestoreRequest, from the host and not from Kapacitor, that tells in which version of
/// the plugin's format the snapshot is.
pub(crate) const STATE_VERSION: u32 = 100;

impl<T: Stream> Plugin<OfPoints> for T {
    type Group = T::Group;
    const WANTS: Edge = Edge::Stream;
    const PROVIDES: Edge = <T as Stream>::PROVIDES;

    fn check_options(&self) -> Result<()> {
        self.check()
    }

    #[inline]
    fn message(&self, message: Message<'_>, state: &mut State<T::Group>, out: &mut Output) -> Result<()> {
        if message.number != POINT {
            return Err(Error::new("Kapacitor sent a batch to a plugin that wants a stream"));
        }
        // Known when compiled: a plugin without state pays for no look at the group.
        let (point, id) = if size_of::<T::Group>() == 0 {
            (Point::new(message.bytes, message.frame), &[][..])
        } else {
            let point = Point::with_group(message.bytes, message.frame);
            (point, point.group_bytes())
        };
        self.point(state.groups.of(id), point, out).map_err(|e| in_group(e, point.group_bytes()))
    }

    fn finish_all(&self, groups: &mut Groups<T::Group>, out: &mut Output) -> Result<()> {
        self.finish(groups, out)
    }
}

impl<T: Batch> Plugin<OfBatches> for T {
    type Group = T::Group;
    const WANTS: Edge = Edge::Batch;
    const PROVIDES: Edge = <T as Batch>::PROVIDES;

    fn check_options(&self) -> Result<()> {
        self.check()
    }

    fn message(&self, message: Message<'_>, state: &mut State<T::Group>, out: &mut Output) -> Result<()> {
        match message.number {
            BEGIN => {
                state.batching.begin(message.bytes);
                Ok(())
            }
            POINT => state.batching.push(message, out),
            _ => {
                let State { groups, batching, .. } = state;
                let begin = batching
                    .begin
                    .take()
                    .ok_or_else(|| Error::new("Kapacitor ended a batch that it had not begun"))?;
                let (input, count) = (out.share_input(), batching.count);
                let frames = batching.frames(&input);
                let points = Points { begin: &begin, frames, count, end: message.bytes };
                let group = points.group_bytes();
                self.batch(groups.of(group), &points, out).map_err(|e| in_group(e, group))
            }
        }
    }

    fn finish_all(&self, groups: &mut Groups<T::Group>, out: &mut Output) -> Result<()> {
        self.finish(groups, out)
    }
}

#[cold]
fn in_group(error: Error, group: &[u8]) -> Error {
    if group.is_empty() {
        error
    } else {
        error.context(format_args!("group `{}`", crate::point::text(group)))
    }
}

/// A plugin, from its Info on.
struct Runtime<T: Plugin<K>, K> {
    plugin: Option<T>,
    state: State<T::Group>,
    /// Shared with `out` while a run is under way.
    input: Rc<Vec<u8>>,
    out: Output,
    /// The result of a call that does not return frames.
    answer: Buffer,
    answered: bool,
    own_format: Option<OwnFormat<T, T::Group>>,
    kind: PhantomData<K>,
}

/// The functions of [`Snapshot`], for the plugins that have them.
pub struct OwnFormat<T, G> {
    snapshot: fn(&T, &Groups<G>) -> Result<Vec<u8>>,
    restore: fn(&T, u32, &[u8], &mut Groups<G>) -> Result<()>,
    version: u32,
}

/// The calls into a plugin whose snapshots are its memory.
pub fn calls<T: Plugin<K>, K: 'static>() -> Box<dyn Calls> {
    Box::new(Runtime::<T, K>::new(None))
}

/// The calls into a plugin with a snapshot format of its own.
pub fn calls_with_snapshot<T: Plugin<K> + Snapshot<T::Group>, K: 'static>() -> Box<dyn Calls> {
    let own_format = OwnFormat { snapshot: T::snapshot, restore: T::restore, version: T::VERSION };
    Box::new(Runtime::<T, K>::new(Some(own_format)))
}

impl<T: Plugin<K>, K> Runtime<T, K> {
    fn new(own_format: Option<OwnFormat<T, T::Group>>) -> Self {
        Self {
            plugin: None,
            state: State::default(),
            input: Rc::default(),
            out: Output::new(T::PROVIDES),
            answer: Buffer::new(),
            answered: false,
            own_format,
            kind: PhantomData,
        }
    }

    fn answer(&mut self) -> &mut Buffer {
        self.answered = true;
        self.answer.clear();
        &mut self.answer
    }

    fn frames(&mut self) -> &mut Output {
        self.answered = false;
        self.out.clear();
        &mut self.out
    }

    /// `success` and `error` of an InitResponse or RestoreResponse.
    fn answer_result(&mut self, result: Result<()>) {
        let out = self.answer();
        match result {
            Ok(()) => wire::put_int(1, 1, out),
            Err(e) => wire::put_text(2, &e.to_string(), out),
        }
    }

    fn run(&mut self, length: usize) -> Result<()> {
        let Self { plugin, state, input, out, .. } = self;
        let plugin = plugin.as_ref().ok_or_else(|| Error::new("process before init"))?;
        if out.buffer().room() < length {
            // A buffer that grows leaves copies of what was in it all over the memory.
            out.buffer().wipe();
            *out.buffer() = Buffer::with_room(length + length / 2);
        }
        let input = Rc::clone(input);
        out.begin(&input);
        let result = run(plugin, &input[..length], state, out);
        state.batching.end_run(&input);
        out.end(result.is_err());
        result
    }
}

/// Gives the plugin one message after the other.
fn run<T: Plugin<K>, K>(
    plugin: &T,
    mut rest: &[u8],
    state: &mut State<T::Group>,
    out: &mut Output,
) -> Result<()> {
    while !rest.is_empty() {
        let (frame, message, after) =
            wire::split_frame(rest).ok_or_else(|| Error::new("a frame is cut off"))?;
        rest = after;
        match wire::only_field(message) {
            Some((number @ BEGIN..=END, bytes)) => {
                step(plugin, Message { number, bytes, frame: Some(frame) }, state, out)?;
            }
            _ => {
                for Field { number, bytes, .. } in Fields(message) {
                    if matches!(number, BEGIN..=END) {
                        step(plugin, Message { number, bytes, frame: None }, state, out)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Gives the plugin one message. Of one that fails nothing is sent.
#[inline(always)]
fn step<T: Plugin<K>, K>(
    plugin: &T,
    message: Message<'_>,
    state: &mut State<T::Group>,
    out: &mut Output,
) -> Result<()> {
    let mark = out.mark();
    match plugin.message(message, state, out) {
        Ok(()) => Ok(()),
        Err(e) => {
            out.rewind(mark);
            if !e.is_skip() {
                return Err(e);
            }
            state.skipped += 1;
            report_skipped(state.skipped, &e);
            Ok(())
        }
    }
}

/// Logs the first skip, the tenth, the hundredth, and so on: a field name that never matches shows,
/// and does not fill the log.
#[cold]
fn report_skipped(skipped: u64, error: &Error) {
    if skipped == 10u64.pow(skipped.ilog10()) {
        log::warn(format_args!("{skipped} skipped so far, now because: {error}"));
    }
}

impl<T: Plugin<K>, K> Calls for Runtime<T, K> {
    fn input(&mut self, length: usize) -> &mut [u8] {
        if length == 0 {
            // A snapshot would hold what is in them.
            wipe(Rc::make_mut(&mut self.input));
            self.answer.wipe();
            self.out.buffer().wipe();
            self.state.batching.wipe();
        } else if self.input.len() < length {
            let input = Rc::make_mut(&mut self.input);
            wipe(input);
            input.resize(length, 0);
        }
        // Nobody shares it between two calls.
        Rc::<Vec<u8>>::make_mut(&mut self.input)
    }

    fn info(&mut self) {
        let mut options = Described::default();
        T::describe(&mut options);
        let out = self.answer();
        wire::put_int(1, T::WANTS as i64, out);
        wire::put_int(2, T::PROVIDES as i64, out);
        options.encode(out);
    }

    fn init(&mut self, length: usize) {
        let mut declared = Described::default();
        T::describe(&mut declared);
        let mut given = Given::decode(&self.input[..length]);
        given.refuse_unknown(&declared);
        let plugin = T::read(&mut given);
        let result = given.finish(plugin).and_then(|plugin| {
            plugin.check_options()?;
            Ok(plugin)
        });
        let result = result.map(|plugin| self.plugin = Some(plugin));
        self.answer_result(result);
    }

    fn process(&mut self, length: usize) {
        self.frames();
        if let Err(e) = self.run(length) {
            self.out.put_error(&e);
        }
    }

    fn finish(&mut self) {
        self.frames();
        let Self { plugin: Some(plugin), state, out, .. } = self else {
            return;
        };
        if let Err(e) = plugin.finish_all(&mut state.groups, out) {
            out.clear();
            out.put_error(&e);
        }
    }

    fn state_version(&self) -> u32 {
        self.own_format.as_ref().map_or(0, |format| format.version)
    }

    fn snapshot(&mut self) {
        let state = match (&self.plugin, &self.own_format) {
            (Some(plugin), Some(format)) => (format.snapshot)(plugin, &self.state.groups),
            _ => Ok(Vec::new()),
        };
        match state {
            Ok(state) => wire::put_bytes(1, &state, self.answer()),
            // There is no error in a SnapshotResponse; the host takes the trap's message.
            Err(e) => panic!("{e}"),
        }
    }

    fn restore(&mut self, length: usize) {
        let Self { plugin, own_format, state, input, .. } = self;
        let result = match (plugin, own_format) {
            (Some(plugin), Some(format)) => {
                let field = |number| Fields(&input[..length]).find(|field| field.number == number);
                let snapshot = field(1).map_or(&[][..], |field| field.bytes);
                let version = field(STATE_VERSION).map_or(0, |field| field.varint() as u32);
                state.groups.clear();
                (format.restore)(plugin, version, snapshot, &mut state.groups)
            }
            _ => Err(Error::new("the plugin has no snapshot format of its own")),
        };
        self.answer_result(result);
    }

    fn result(&self) -> &[u8] {
        if self.answered { &self.answer } else { self.out.frames(&self.input) }
    }
}
