//! The interface through which the runtime calls `Stream` and `Batch` plugins.

use std::time::Duration;

use crate::batching::Batching;
use crate::crowding::Crowding;
use crate::error::{Error, Result};
use crate::groups::Groups;
use crate::message::Message;
use crate::numbers::{BEGIN, POINT};
use crate::options::Options;
use crate::output::{Edge, Output};
use crate::point::Point;
use crate::points::Points;
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
    /// See [`Stream::MAX_GROUPS`] and [`Batch::MAX_GROUPS`].
    const MAX_GROUPS: usize;
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
    crowding: Crowding,
}

impl<G> State<G> {
    /// The state of a task whose groups have these limits: [`Plugin::IDLE`] and [`Plugin::MAX_GROUPS`].
    pub(crate) fn new(idle: Duration, max_groups: usize) -> Self {
        Self {
            groups: Groups::new(idle, max_groups),
            batching: Batching::default(),
            skips: Skips::default(),
            crowding: Crowding::default(),
        }
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
    const MAX_GROUPS: usize = <T as Stream>::MAX_GROUPS;

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
    const MAX_GROUPS: usize = <T as Batch>::MAX_GROUPS;

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
                let State { groups, batching, skips, .. } = state;
                let batch = batching.end(message, out)?;
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
                result.map_err(|e| skips.in_group(e, group))
            }
        }
    }

    fn finish_all(&self, groups: &mut Groups<T::Group>, out: &mut Output) -> Result<()> {
        self.finish(groups, out)
    }
}
