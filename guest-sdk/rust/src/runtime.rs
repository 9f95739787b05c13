//! Runs a plugin: the implementation of the host's calls.
//!
//! The same code serves the exports of a `.wasm` file, the test harness, and programs that link a
//! plugin natively.

use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

use crate::buffer::{Buffer, wipe};
pub use crate::calls::{Calls, Registered};
use crate::error::{Error, Result};
use crate::groups::Groups;
use crate::message::{Message, for_each_message};
use crate::numbers::{POINT, STATE_VERSION};
use crate::options::{Described, Given, MetricCell};
use crate::output::Output;
use crate::plugin::{Plugin, State};
use crate::udf::Snapshot;
use crate::wire::{self, Fields};

/// Length in bytes from which an input is a single large message, for which the output has no room beforehand.
const LARGE: usize = 1024 * 1024;

/// The calls into a plugin whose snapshots are its memory.
pub fn calls<T: Plugin<K>, K: 'static>() -> Box<dyn Calls> {
    Box::new(Runtime::<T, K>::new(None))
}

/// The calls into a plugin with a snapshot format of its own.
pub fn calls_with_snapshot<T: Plugin<K> + Snapshot<T::Group>, K: 'static>() -> Box<dyn Calls> {
    let own_format = OwnFormat { snapshot: T::snapshot, restore: T::restore, version: T::VERSION };
    Box::new(Runtime::<T, K>::new(Some(own_format)))
}

/// A plugin of kind `K`, and everything that it needs to run.
struct Runtime<T: Plugin<K>, K> {
    /// The options; `None` until they were read.
    plugin: Option<T>,
    state: State<T::Group>,
    /// The buffer for the host's input. Shared with `out` while a run is processed.
    input: Rc<Vec<u8>>,
    /// The result of the last call that returned frames.
    out: Output,
    /// The result of the last call that returned a single message.
    answer: Buffer,
    last: Last,
    /// The values of the plugin's own metrics.
    metrics: Vec<MetricCell>,
    own_format: Option<OwnFormat<T, T::Group>>,
    kind: PhantomData<K>,
}

/// The place of the last call's result.
enum Last {
    Answer,
    Frames,
}

/// The items of [`Snapshot`], for a plugin that implements it.
struct OwnFormat<T, G> {
    snapshot: fn(&T, &Groups<G>) -> Result<Vec<u8>>,
    restore: fn(&T, u32, &[u8], &mut Groups<G>) -> Result<()>,
    version: u32,
}

impl<T: Plugin<K>, K> Runtime<T, K> {
    fn new(own_format: Option<OwnFormat<T, T::Group>>) -> Self {
        Self {
            plugin: None,
            state: State::new(T::IDLE),
            input: Rc::default(),
            out: Output::new(T::PROVIDES),
            answer: Buffer::new(),
            last: Last::Frames,
            metrics: Vec::new(),
            own_format,
            kind: PhantomData,
        }
    }

    /// Whether the plugin keeps states of groups: then their number is the first metric.
    const HAS_GROUPS: bool = size_of::<T::Group>() > 0;

    /// Begins a result that is a single message.
    fn begin_answer(&mut self) -> &mut Buffer {
        self.last = Last::Answer;
        self.answer.clear();
        &mut self.answer
    }

    /// Begins a result that consists of frames.
    fn begin_frames(&mut self) {
        self.last = Last::Frames;
        self.out.clear();
    }

    /// Answers with an InitResponse or RestoreResponse: both have `success` and `error`.
    fn answer_with(&mut self, result: Result<()>) {
        let out = self.begin_answer();
        match result {
            Ok(()) => wire::put_int(1, 1, out),
            Err(e) => wire::put_text(2, &e.to_string(), out),
        }
    }

    /// Processes the first `length` bytes of the input.
    fn process_run(&mut self, length: usize) -> Result<()> {
        let Self { plugin, state, input, out, .. } = self;
        let plugin = plugin.as_ref().ok_or_else(|| Error::new("process before init"))?;
        if out.buffer().room() < length && length < LARGE {
            // A buffer that grows step by step would leave copies of its contents all over the memory,
            // and a snapshot would hold them.
            out.buffer().wipe();
            *out.buffer() = Buffer::with_room(length + length / 2);
        }
        let input = Rc::clone(input);
        out.begin(&input);
        let result = process_messages(plugin, &input[..length], state, out);
        state.end_run(&input);
        out.end(result.is_err());
        result
    }
}

/// Processes the messages of a run one after the other, until one fails.
fn process_messages<T: Plugin<K>, K>(
    plugin: &T,
    run: &[u8],
    state: &mut State<T::Group>,
    out: &mut Output,
) -> Result<()> {
    for_each_message(run, |message| process_message(plugin, message, state, out))
}

/// Processes one message. If that fails or skips it, everything that was sent for it is taken back.
#[inline(always)]
fn process_message<T: Plugin<K>, K>(
    plugin: &T,
    message: Message<'_>,
    state: &mut State<T::Group>,
    out: &mut Output,
) -> Result<()> {
    let (mark, number) = (out.mark(), message.number);
    match plugin.dispatch(message, state, out) {
        Ok(()) => Ok(()),
        Err(e) => {
            out.rewind(mark);
            if !e.is_skip() {
                return Err(e);
            }
            // A batch is skipped at its end, with all of its points.
            let points = if number == POINT { 1 } else { state.batching.count as u64 };
            state.skips.add(&e, points);
            Ok(())
        }
    }
}

impl<T: Plugin<K>, K> Calls for Runtime<T, K> {
    fn input(&mut self, length: usize) -> &mut [u8] {
        if length == 0 {
            // A snapshot that the host takes next would hold the contents of the buffers.
            wipe(Rc::make_mut(&mut self.input));
            self.answer.wipe();
            self.out.clear();
            self.out.buffer().wipe();
            self.state.batching.wipe();
        } else if self.input.len() < length {
            let input = Rc::make_mut(&mut self.input);
            wipe(input);
            input.resize(length, 0);
        }
        // Not shared between two calls, so nothing is copied here.
        Rc::<Vec<u8>>::make_mut(&mut self.input)
    }

    fn info(&mut self) {
        let mut options = Described::default();
        T::describe(&mut options);
        let out = self.begin_answer();
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
        let metrics = given.take_metrics();
        let result = given.finish(plugin).and_then(|plugin| {
            #[cfg(not(target_family = "wasm"))]
            declared.check_metrics()?;
            plugin.check_options()?;
            check_silence(plugin.silence(), T::IDLE, Self::HAS_GROUPS)?;
            Ok(plugin)
        });
        let result = result.map(|plugin| {
            self.state.start(plugin.silence(), plugin.max_groups());
            self.plugin = Some(plugin);
            self.metrics = metrics;
        });
        self.answer_with(result);
    }

    fn process(&mut self, length: usize) {
        self.begin_frames();
        if let Err(e) = self.process_run(length) {
            self.out.put_error(&e);
        }
    }

    fn finish(&mut self) {
        self.begin_frames();
        let Self { plugin: Some(plugin), state, out, .. } = self else {
            return;
        };
        if let Err(e) = plugin.finish_all(&mut state.groups, out) {
            out.clear();
            out.put_error(&e);
        }
    }

    fn metrics(&mut self) {
        let mut described = Described::default();
        T::describe(&mut described);
        let out = self.begin_answer();
        if Self::HAS_GROUPS {
            out.append(b"gauge groups Groups that the plugin keeps a state of.\n");
        }
        described.encode_metrics(out);
    }

    #[inline]
    fn metric_value(&self, index: usize) -> Option<u64> {
        if Self::HAS_GROUPS && index == 0 {
            return Some((self.state.groups.len() as f64).to_bits());
        }
        self.metrics.get(index - usize::from(Self::HAS_GROUPS)).map(|value| value.get())
    }

    fn state_version(&self) -> u32 {
        self.own_format.as_ref().map_or(0, |format| format.version)
    }

    fn snapshot(&mut self) {
        // Given up, so that the memory need not hold two snapshots.
        self.answer = Buffer::new();
        self.last = Last::Answer;
        let (Some(plugin), Some(format)) = (&self.plugin, &self.own_format) else { return };
        let silences = plugin.silence().map(|_| self.state.silence.encode());
        match (format.snapshot)(plugin, &self.state.groups) {
            Ok(state) => self.answer = snapshot_response(state, silences.as_deref()),
            // A SnapshotResponse can't hold an error; the host reports the message of the trap.
            Err(e) => panic!("{e}"),
        }
    }

    fn restore(&mut self, length: usize) {
        let Self { plugin, own_format, state, input, .. } = self;
        let result = match (plugin, own_format) {
            (Some(plugin), Some(format)) => {
                let request = Fields(&input[..length]);
                let snapshot = request.clone().with_number(1).map_or(&[][..], |field| field.bytes);
                let version = request.with_number(STATE_VERSION).map_or(0, |field| field.varint() as u32);
                state.groups.clear();
                state.silence.clear();
                let (silence, snapshot) = split_silence(snapshot);
                if plugin.silence().is_some() {
                    state.silence.decode(silence);
                }
                (format.restore)(plugin, version, snapshot, &mut state.groups)
            }
            _ => Err(Error::new("the plugin has no snapshot format of its own")),
        };
        self.answer_with(result);
    }

    fn result(&self) -> &[u8] {
        match self.last {
            Last::Answer => &self.answer,
            Last::Frames => self.out.frames(&self.input),
        }
    }
}

/// Checks that groups whose states are given up when they are idle can fall silent before that.
///
/// # Errors
///
/// A failure if they can't.
fn check_silence(silence: Option<Duration>, idle: Duration, has_state: bool) -> Result<()> {
    match silence {
        Some(silence) if has_state && silence >= idle => Err(Error::new(format!(
            "no group can be silent for {silence:?}, because the plugin gives up groups after {idle:?}: choose less"
        ))),
        _ => Ok(()),
    }
}

/// How a snapshot begins that holds silences beside the bytes of the plugin.
const WITH_SILENCE: &[u8] = b"\0kapacitor-guest: silences\0";

/// The SnapshotResponse with a plugin's own bytes, and with the silences that the SDK finds. The bytes may be most of the
/// memory, so the rest is put in front of them.
fn snapshot_response(state: Vec<u8>, silences: Option<&[u8]>) -> Buffer {
    let mut snapshot = Buffer::from(state);
    let mut head = Buffer::new();
    if let Some(silences) = silences {
        head.append(WITH_SILENCE);
        wire::put_bytes(1, silences, &mut head);
        wire::put_head(2, snapshot.len(), &mut head);
    }
    let mut response = Buffer::new();
    wire::put_head(1, head.len() + snapshot.len(), &mut response);
    response.append(&head);
    snapshot.put_in_front(&response);
    snapshot
}

/// Silences, and the plugin's own bytes. A version of the plugin that reports no silences writes only the latter.
fn split_silence(snapshot: &[u8]) -> (&[u8], &[u8]) {
    let Some(rest) = snapshot.strip_prefix(WITH_SILENCE) else { return (&[], snapshot) };
    let part = |number| Fields(rest).with_number(number).map_or(&[][..], |field| field.bytes);
    (part(1), part(2))
}
