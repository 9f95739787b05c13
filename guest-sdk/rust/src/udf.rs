//! The traits that a plugin implements: [`Stream`] or [`Batch`], and maybe [`Snapshot`].

use std::time::Duration;

use crate::aging;
use crate::error::Result;
use crate::groups::Groups;
use crate::options::Options;
use crate::output::{Edge, Output};
use crate::point::Point;
use crate::points::Points;

/// A plugin that takes points one by one.
///
/// ```
/// use kapacitor_guest::prelude::*;
///
/// /// Passes on the points whose field is above a threshold.
/// #[derive(Options)]
/// struct Above {
///     field: String,
///     threshold: f64,
/// }
///
/// impl Stream for Above {
///     type Group = ();
///
///     fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
///         if point.number(&self.field)? > self.threshold {
///             out.send(point)?;
///         }
///         Ok(())
///     }
/// }
///
/// register!(Above);
/// ```
pub trait Stream: Options + 'static {
    /// The state of one group, created with the group's first point. Kapacitor never reports that a
    /// group has ended: the state lives until the group is idle, see [`Stream::IDLE`], or there are too many, see
    /// [`Stream::max_groups`].
    type Group: Default + 'static;

    /// The kind of data that the plugin provides.
    const PROVIDES: Edge = Edge::Stream;

    /// The time after which a group may be given up, by the time of the data: a group without a point for this long
    /// loses its state. 24 hours by default; [`Duration::MAX`] means never.
    ///
    /// A group that comes back begins anew, with [`Default`]. No clock is read: the time is that of the
    /// newest point, every 17th is looked at, and it never goes backwards. A time that is more than `IDLE`
    /// ahead is believed when eight in a row are, and however far the time leaps, that counts as an eighth
    /// of `IDLE`. So one wrong clock among others has no effect, and idle groups stay for longer after a
    /// gap in the data.
    const IDLE: Duration = aging::IDLE;

    /// The most groups whose states are kept, if no option changes it: see [`Stream::max_groups`]. 100,000 by default.
    ///
    /// If one more comes, the eighth of them that has been silent longest is given up, by the order in which
    /// points arrived. A group that comes back begins anew, with [`Default`]. The log has a warning.
    ///
    /// For each group, calculate with three times the size of the state and 24 bytes, and what the state and the
    /// group's id hold on the heap; in a plugin with a snapshot format of its own also with twice the size of the group
    /// in a snapshot. With a large state, choose a smaller number, so that the sum stays below `limits.memory` (64 MiB by
    /// default).
    const MAX_GROUPS: usize = aging::MAX_GROUPS;

    /// The most groups whose states are kept: [`Stream::MAX_GROUPS`], unless the plugin computes it from its options, where
    /// these decide how large a state is, or are the number itself. Called once, behind [`Stream::check`] and before the first
    /// point. Zero counts as one.
    ///
    /// ```
    /// # use kapacitor_guest::prelude::*;
    /// /// Keeps the last numbers of each group.
    /// #[derive(Options)]
    /// struct Last {
    ///     #[option(default = 100)]
    ///     size: usize,
    ///     max_groups: Option<usize>,
    /// }
    ///
    /// impl Stream for Last {
    ///     type Group = std::collections::VecDeque<f64>;
    ///
    ///     /// As many as fit into 60 MiB, with up to 16 bytes for each number and some 200 more.
    ///     fn max_groups(&self) -> usize {
    ///         let bytes = self.size.saturating_mul(16).saturating_add(200);
    ///         self.max_groups.unwrap_or_else(|| Self::MAX_GROUPS.min(60 * 1024 * 1024 / bytes))
    ///     }
    /// #   fn point(&self, _: &mut Self::Group, _: Point<'_>, _: &mut Output) -> Result<()> { Ok(()) }
    /// }
    /// ```
    fn max_groups(&self) -> usize {
        Self::MAX_GROUPS
    }

    /// Checks rules that concern several options, or that their types don't express. Called once, before
    /// the first point.
    ///
    /// # Errors
    ///
    /// The task does not start, and Kapacitor shows the error.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Processes one point. The points of a group arrive in Kapacitor's order, which is not always the
    /// order of their times.
    ///
    /// # Errors
    ///
    /// [`Error::skip`](crate::Error::skip), which a missing field also returns, drops the point and
    /// everything that was sent for it. Any other [`Error`](crate::Error) is a failure: by default the
    /// host skips the point and restores the state from before it.
    fn point(&self, group: &mut Self::Group, point: Point<'_>, out: &mut Output) -> Result<()>;

    /// The time without a point after which a group has fallen silent, and [`Stream::silent`] is called. `None` by
    /// default: never.
    ///
    /// No clock is read: the time that passes is that of the points of all groups together. So nothing is called while
    /// nothing comes at all, and a gap in all data counts as nothing, because no group could send. The time goes on with
    /// each point that is up to half of it ahead of it; one that is further ahead, or more than all of it behind,
    /// is believed when eight in a row are. So one wrong clock among others has no effect, clocks that differ by less make
    /// a silence begin earlier or later by that, and data that comes more rarely than each half of it makes it begin
    /// late.
    ///
    /// It must be the same each time, such as an option. If groups have a state, it must be shorter than
    /// [`Stream::IDLE`], or the task does not start.
    fn silence(&self) -> Option<Duration> {
        None
    }

    /// Called when a group has fallen silent, see [`Stream::silence`]: once, until the group's next point, and before the
    /// point of another group that shows it. `last` is the group's last point
    /// without its fields. `now` is the time of the data, in nanoseconds since 1970.
    ///
    /// A point that is skipped ends a silence, and so does the one that comes too late. A group whose state was given up,
    /// see [`Stream::IDLE`] and [`Stream::max_groups`], is not reported.
    ///
    /// ```
    /// use std::time::Duration;
    /// use kapacitor_guest::prelude::*;
    ///
    /// /// Reports groups that have sent nothing for some time.
    /// #[derive(Options)]
    /// struct Deadman {
    ///     period: Duration,
    /// }
    ///
    /// impl Stream for Deadman {
    ///     type Group = ();
    ///
    ///     fn point(&self, _: &mut (), _: Point<'_>, _: &mut Output) -> Result<()> {
    ///         Ok(())
    ///     }
    ///
    ///     fn silence(&self) -> Option<Duration> {
    ///         Some(self.period)
    ///     }
    ///
    ///     fn silent(&self, _: &mut (), last: Point<'_>, now: i64, out: &mut Output) -> Result<()> {
    ///         let seconds = (now - last.time()) / 1_000_000_000;
    ///         out.send(NewPoint::like(last).at(now).field("silent_for", seconds))
    ///     }
    /// }
    ///
    /// register!(Deadman);
    /// ```
    ///
    /// # Errors
    ///
    /// A skip drops what was sent here. Any other error is a failure of the point that showed the silence.
    fn silent(&self, group: &mut Self::Group, last: Point<'_>, now: i64, out: &mut Output) -> Result<()> {
        let _ = (group, last, now, out);
        Ok(())
    }

    /// Called once, when the input has ended. Kapacitor often closes the connection without waiting for
    /// results that are sent here.
    ///
    /// # Errors
    ///
    /// Kapacitor shows the error as the task's.
    fn finish(&self, groups: &mut Groups<Self::Group>, out: &mut Output) -> Result<()> {
        let _ = (groups, out);
        Ok(())
    }
}

/// A plugin that takes batches.
///
/// ```
/// use kapacitor_guest::prelude::*;
///
/// /// Passes on the largest point of each batch.
/// #[derive(Options)]
/// struct Largest {
///     field: String,
/// }
///
/// impl Batch for Largest {
///     type Group = ();
///
///     fn batch(&self, _: &mut (), points: &Points<'_>, out: &mut Output) -> Result<()> {
///         let mut largest = None;
///         for point in points {
///             let number = point.number(&self.field)?;
///             if largest.is_none_or(|(most, _)| number > most) {
///                 largest = Some((number, point));
///             }
///         }
///         let mut batch = out.batch(points)?;
///         if let Some((_, point)) = largest {
///             batch.send(point);
///         }
///         Ok(())
///     }
/// }
///
/// register!(Largest);
/// ```
pub trait Batch: Options + 'static {
    /// The state of one group, kept from one batch to the next until the group is idle, see [`Batch::IDLE`], or there
    /// are too many, see [`Batch::max_groups`].
    type Group: Default + 'static;

    /// The kind of data that the plugin provides.
    const PROVIDES: Edge = Edge::Batch;

    /// The time after which a group may be given up, by the time of the data: a group without a batch for this long
    /// loses its state. 24 hours by default; [`Duration::MAX`] means never.
    ///
    /// A group that comes back begins anew, with [`Default`]. No clock is read: the time is the newest
    /// [`Points::tmax`], every 17th is looked at, and it never goes backwards. A time that is more than
    /// `IDLE` ahead is believed when eight in a row are, and however far the time leaps, that counts as an
    /// eighth of `IDLE`. So one wrong clock among others has no effect, and idle groups stay for longer
    /// after a gap in the data.
    const IDLE: Duration = aging::IDLE;

    /// The most groups whose states are kept, if no option changes it: see [`Batch::max_groups`]. 100,000 by default.
    ///
    /// If one more comes, the eighth of them that has been silent longest is given up, by the order in which
    /// batches arrived. A group that comes back begins anew, with [`Default`]. The log has a warning.
    ///
    /// For each group, calculate with three times the size of the state and 24 bytes, and what the state and the
    /// group's id hold on the heap; in a plugin with a snapshot format of its own also with twice the size of the group
    /// in a snapshot. With a large state, choose a smaller number, so that the sum stays below `limits.memory` (64 MiB by
    /// default).
    const MAX_GROUPS: usize = aging::MAX_GROUPS;

    /// The most groups whose states are kept: [`Batch::MAX_GROUPS`], unless the plugin computes it from its options, where
    /// these decide how large a state is, or are the number itself. Called once, behind [`Batch::check`] and before the first
    /// batch. Zero counts as one.
    ///
    /// ```
    /// # use kapacitor_guest::prelude::*;
    /// /// Keeps the last numbers of each group.
    /// #[derive(Options)]
    /// struct Last {
    ///     #[option(default = 100)]
    ///     size: usize,
    ///     max_groups: Option<usize>,
    /// }
    ///
    /// impl Batch for Last {
    ///     type Group = std::collections::VecDeque<f64>;
    ///
    ///     /// As many as fit into 60 MiB, with up to 16 bytes for each number and some 200 more.
    ///     fn max_groups(&self) -> usize {
    ///         let bytes = self.size.saturating_mul(16).saturating_add(200);
    ///         self.max_groups.unwrap_or_else(|| Self::MAX_GROUPS.min(60 * 1024 * 1024 / bytes))
    ///     }
    /// #   fn batch(&self, _: &mut Self::Group, _: &Points<'_>, _: &mut Output) -> Result<()> { Ok(()) }
    /// }
    /// ```
    fn max_groups(&self) -> usize {
        Self::MAX_GROUPS
    }

    /// Checks rules that concern several options, or that their types don't express. Called once, before
    /// the first batch.
    ///
    /// # Errors
    ///
    /// The task does not start, and Kapacitor shows the error.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Processes one complete batch.
    ///
    /// # Errors
    ///
    /// [`Error::skip`](crate::Error::skip), which a missing field also returns, drops the batch and
    /// everything that was sent for it. Any other [`Error`](crate::Error) is a failure: by default the
    /// host skips the batch and restores the state from before it.
    fn batch(&self, group: &mut Self::Group, points: &Points<'_>, out: &mut Output) -> Result<()>;

    /// The time without a batch after which a group has fallen silent, and [`Batch::silent`] is called. `None` by
    /// default: never.
    ///
    /// No clock is read: the time that passes is that of the batches of all groups together. So nothing is called while
    /// nothing comes at all, and a gap in all data counts as nothing, because no group could send. The time goes on with
    /// each batch that is up to half of it ahead of it; one that is further ahead, or more than all of it behind,
    /// is believed when eight in a row are. So one wrong clock among others has no effect, clocks that differ by less make
    /// a silence begin earlier or later by that, and data that comes more rarely than each half of it makes it begin
    /// late.
    ///
    /// It must be the same each time, such as an option. If groups have a state, it must be shorter than
    /// [`Batch::IDLE`], or the task does not start.
    fn silence(&self) -> Option<Duration> {
        None
    }

    /// Called when a group has fallen silent, see [`Batch::silence`]: once, until the group's next batch, and before the
    /// batch of another group that shows it. `last` is the group's last
    /// batch without its points. `now` is the time of the data, in nanoseconds since 1970.
    ///
    /// A batch that is skipped ends a silence, and so does the one that comes too late. A group whose state was given up,
    /// see [`Batch::IDLE`] and [`Batch::max_groups`], is not reported.
    ///
    /// See [`Stream::silent`] for an example.
    ///
    /// # Errors
    ///
    /// A skip drops what was sent here. Any other error is a failure of the batch that showed the silence.
    fn silent(&self, group: &mut Self::Group, last: &Points<'_>, now: i64, out: &mut Output) -> Result<()> {
        let _ = (group, last, now, out);
        Ok(())
    }

    /// Called once, when the input has ended. Kapacitor often closes the connection without waiting for
    /// results that are sent here.
    ///
    /// # Errors
    ///
    /// Kapacitor shows the error as the task's.
    fn finish(&self, groups: &mut Groups<Self::Group>, out: &mut Output) -> Result<()> {
        let _ = (groups, out);
        Ok(())
    }
}

/// A plugin with a snapshot format of its own, which stays readable when the plugin's code changes.
/// It is registered with `register!(Plugin, snapshot)`.
///
/// With the feature `serde`, `SerdeSnapshot` implements it without code.
///
/// Without this trait a snapshot is the plugin's memory. That needs no code, but such a snapshot can be
/// restored only by the same `.wasm` file with the same options.
///
/// ```
/// use kapacitor_guest::prelude::*;
///
/// /// Numbers the points of each group.
/// #[derive(Options)]
/// struct Count {}
///
/// impl Stream for Count {
///     type Group = u64;
///
///     fn point(&self, count: &mut u64, point: Point<'_>, out: &mut Output) -> Result<()> {
///         *count += 1;
///         out.send(point.with("number", *count as i64))
///     }
/// }
///
/// impl Snapshot<u64> for Count {
///     fn snapshot(&self, groups: &Groups<u64>) -> Result<Vec<u8>> {
///         let lines: Vec<String> = groups.iter().map(|(id, count)| format!("{count} {id}")).collect();
///         Ok(lines.join("\n").into_bytes())
///     }
///
///     fn restore(&self, _version: u32, snapshot: &[u8], groups: &mut Groups<u64>) -> Result<()> {
///         for line in String::from_utf8_lossy(snapshot).lines() {
///             let (count, id) = line.split_once(' ').ok_or("a line has no space")?;
///             groups.insert(id, count.parse().map_err(|_| Error::new("a count is not a number"))?);
///         }
///         Ok(())
///     }
/// }
///
/// register!(Count, snapshot);
/// ```
pub trait Snapshot<Group> {
    /// The version of the format. Raise it when bytes of the old format mean something else in the new
    /// one. [`Snapshot::restore`] receives snapshots of other versions as well, and refuses those that it
    /// does not read: the host sets them aside.
    const VERSION: u32 = 1;

    /// The state of all groups, as bytes.
    ///
    /// The SDK does not copy them if the `Vec` has room for 32 more, or can grow where it is. What was written for the
    /// last snapshot is given up before.
    ///
    /// # Errors
    ///
    /// The task ends.
    fn snapshot(&self, groups: &Groups<Group>) -> Result<Vec<u8>>;

    /// Fills `groups`, which is empty, from the result of [`Snapshot::snapshot`] in a plugin whose
    /// [`Snapshot::VERSION`] was `version`.
    ///
    /// # Errors
    ///
    /// The task starts without the state, and the host logs the error.
    fn restore(&self, version: u32, snapshot: &[u8], groups: &mut Groups<Group>) -> Result<()>;
}
