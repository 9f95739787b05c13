//! The interface through which the runtime calls `Stream` and `Batch` plugins.

use std::time::Duration;

use crate::aging::MAX_GROUPS;
use crate::batching::Batching;
use crate::crowding::Crowding;
use crate::ended::Ended;
use crate::error::{Error, Result};
use crate::groups::Groups;
use crate::message::Message;
use crate::numbers::{BEGIN, POINT};
use crate::options::Options;
use crate::output::{Edge, Mark, Output};
use crate::point::Point;
use crate::points::Points;
use crate::silence::Silence;
use crate::skips::Skips;
use crate::udf::{Batch, Stream};

/// A plugin of either kind. `Kind` is [`OfPoints`] or [`OfBatches`]; it keeps the two implementations
/// below apart, so that one `register!` serves both.
pub trait Plugin<Kind>: Options + 'static {
    /// See [`Stream::Group`] and [`Batch::Group`].
    type Group: Default + 'static;
    /// The kind of data that the plugin takes.
    const WANTS: Edge;
    /// The kind of data that the plugin provides.
    const PROVIDES: Edge;
    /// See [`Stream::IDLE`] and [`Batch::IDLE`].
    const IDLE: Duration;
    /// See [`Stream::max_groups`] and [`Batch::max_groups`].
    fn max_groups(&self) -> usize;
    /// See [`Stream::silence`] and [`Batch::silence`].
    fn silence(&self) -> Option<Duration>;
    /// See [`Stream::check`] and [`Batch::check`].
    ///
    /// # Errors
    ///
    /// Those of the plugin.
    fn check_options(&self) -> Result<()>;
    /// Hands a message to the plugin's `point` or `batch` function.
    ///
    /// # Errors
    ///
    /// Those of that function, with the group added; a failure if the message is out of place.
    fn dispatch(&self, message: Message<'_>, state: &mut State<Self::Group>, out: &mut Output) -> Result<()>;
    /// See [`Stream::finish`] and [`Batch::finish`].
    ///
    /// # Errors
    ///
    /// Those of the plugin.
    fn finish_all(&self, groups: &mut Groups<Self::Group>, out: &mut Output) -> Result<()>;
}

/// The kind of [`Stream`] plugins.
#[derive(Debug)]
pub struct OfPoints;

/// The kind of [`Batch`] plugins.
#[derive(Debug)]
pub struct OfBatches;

/// The state of a task: the plugin's own, in `groups`, and the runtime's.
#[derive(Debug)]
pub struct State<G> {
    pub(crate) groups: Groups<G>,
    pub(crate) batching: Batching,
    pub(crate) skips: Skips,
    pub(crate) silence: Silence,
    crowding: Crowding,
}

impl<G> State<G> {
    /// The state of a task whose groups may be idle for this long: [`Plugin::IDLE`].
    pub(crate) fn new(idle: Duration) -> Self {
        Self {
            groups: Groups::new(idle, MAX_GROUPS),
            batching: Batching::default(),
            skips: Skips::default(),
            silence: Silence::new(MAX_GROUPS),
            crowding: Crowding::default(),
        }
    }

    /// Sets what options may change, before the first group: [`Plugin::silence`] and [`Plugin::max_groups`].
    pub(crate) fn start(&mut self, silence: Option<Duration>, max_groups: usize) {
        self.groups.set_most(max_groups);
        self.silence.start(silence, max_groups);
    }

    /// Ends a run with this input.
    pub(crate) fn end_run(&mut self, input: &[u8]) {
        self.batching.end_run(input);
        self.skips.tell();
        self.crowding.tell(self.groups.crowded());
    }
}

impl<T: Stream> Plugin<OfPoints> for T {
    type Group = T::Group;
    const WANTS: Edge = Edge::Stream;
    const PROVIDES: Edge = <T as Stream>::PROVIDES;
    const IDLE: Duration = <T as Stream>::IDLE;

    fn max_groups(&self) -> usize {
        Stream::max_groups(self)
    }

    #[inline(always)]
    fn silence(&self) -> Option<Duration> {
        Stream::silence(self)
    }

    fn check_options(&self) -> Result<()> {
        self.check()
    }

    #[inline]
    fn dispatch(&self, message: Message<'_>, state: &mut State<T::Group>, out: &mut Output) -> Result<()> {
        if message.number != POINT {
            return Err(Error::new("Kapacitor sent a batch to a plugin that wants a stream"));
        }
        // Decided at compile time: without state, the group is not searched for.
        let (point, id) = if size_of::<T::Group>() == 0 {
            (Point::new(message.bytes, message.frame), &[][..])
        } else {
            let point = Point::with_group(message.bytes, message.frame);
            (point, point.group_bytes())
        };
        // Decided at compile time for the plugins that have no such method.
        if Stream::silence(self).is_some() {
            return point_with_silences(self, point, state, out);
        }
        let State { groups, skips, .. } = state;
        groups.age(move || point.time());
        self.point(groups.of(id), point, out).map_err(|e| skips.in_group(e, point.group_bytes()))
    }

    fn finish_all(&self, groups: &mut Groups<T::Group>, out: &mut Output) -> Result<()> {
        self.finish(groups, out)
    }
}

impl<T: Batch> Plugin<OfBatches> for T {
    type Group = T::Group;
    const WANTS: Edge = Edge::Batch;
    const PROVIDES: Edge = <T as Batch>::PROVIDES;
    const IDLE: Duration = <T as Batch>::IDLE;

    fn max_groups(&self) -> usize {
        Batch::max_groups(self)
    }

    #[inline(always)]
    fn silence(&self) -> Option<Duration> {
        Batch::silence(self)
    }

    fn check_options(&self) -> Result<()> {
        self.check()
    }

    fn dispatch(&self, message: Message<'_>, state: &mut State<T::Group>, out: &mut Output) -> Result<()> {
        match message.number {
            BEGIN => {
                out.read_from_run();
                state.batching.begin(message, out);
                Ok(())
            }
            POINT => state.batching.push(message, out),
            _ => {
                let batch = state.batching.end(message, out)?;
                if Batch::silence(self).is_some() {
                    report_silent_batches(self, &Points::new(&batch), state, out)?;
                }
                let State { groups, skips, .. } = state;
                if batch.is_copied {
                    out.read_from(&batch.source);
                }
                let points = Points::new(&batch);
                groups.age(move || points.tmax());
                let (group, mark) = (points.group_bytes(), out.mark());
                let result = self.batch(groups.of(group), &points, out);
                if result.is_err() {
                    // The caller goes further back, to where the output was read from the run.
                    out.rewind(mark);
                    out.read_from_run();
                }
                let result = result.map_err(|e| skips.in_group(e, group));
                match result {
                    // What was sent for silent groups stays.
                    Err(e) if Batch::silence(self).is_some() && e.is_skip() => {
                        skips.add(&e, batch.count as u64);
                        Ok(())
                    }
                    result => result,
                }
            }
        }
    }

    fn finish_all(&self, groups: &mut Groups<T::Group>, out: &mut Output) -> Result<()> {
        self.finish(groups, out)
    }
}

/// Notes the call of the group, calls [`Stream::silent`] for groups that have fallen silent, and then [`Stream::point`].
#[inline(never)]
fn point_with_silences<T: Stream>(
    plugin: &T,
    point: Point<'_>,
    state: &mut State<T::Group>,
    out: &mut Output,
) -> Result<()> {
    let (id, time) = (point.group_bytes(), point.time());
    let State { groups, skips, silence, .. } = state;
    silence.note(id, time, |kept| point.put_without_fields(kept));
    let now = silence.now();
    while let Some(silent) = silence.next_silent() {
        if let Some(group) = groups.existing(&silent.id) {
            let mark = out.mark();
            let result = plugin.silent(group, Point::new(&silent.kept, None), now, out);
            take_result_of_silent(result, &silent.id, mark, skips, out)?;
        }
    }
    groups.age(move || time);
    let mark = out.mark();
    let result = plugin.point(groups.of(id), point, out).map_err(|e| skips.in_group(e, id));
    match result {
        // What was sent for silent groups stays.
        Err(e) if e.is_skip() => {
            out.rewind(mark);
            skips.add(&e, 1);
            Ok(())
        }
        result => result,
    }
}

/// Notes the call of the group, and calls [`Batch::silent`] for groups that have fallen silent.
#[inline(never)]
fn report_silent_batches<T: Batch>(
    plugin: &T,
    points: &Points<'_>,
    state: &mut State<T::Group>,
    out: &mut Output,
) -> Result<()> {
    let State { groups, skips, silence, .. } = state;
    silence.note(points.group_bytes(), points.tmax(), |kept| {
        let (begin, end) = points.bounds();
        kept.extend_from_slice(begin);
        kept.extend_from_slice(end);
    });
    let now = silence.now();
    while let Some(silent) = silence.next_silent() {
        if let (Some(group), Some(last)) = (groups.existing(&silent.id), Ended::empty(silent.kept)) {
            let mark = out.mark();
            let result = plugin.silent(group, &Points::new(&last), now, out);
            take_result_of_silent(result, &silent.id, mark, skips, out)?;
        }
    }
    Ok(())
}

/// Takes back what was sent for a silent group if that failed. A skip concerns nothing else.
fn take_result_of_silent(
    result: Result<()>,
    id: &[u8],
    mark: Mark,
    skips: &mut Skips,
    out: &mut Output,
) -> Result<()> {
    let Err(e) = result else { return Ok(()) };
    out.rewind(mark);
    let e = skips.in_group(e, id);
    if !e.is_skip() {
        return Err(e);
    }
    skips.add(&e, 0);
    Ok(())
}
