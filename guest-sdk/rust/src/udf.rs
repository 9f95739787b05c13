//! What a plugin implements: [`Stream`] or [`Batch`].

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
    /// The state of one group, made on the group's first point. Kapacitor never says that a group
    /// is gone, so it lives as long as the task.
    type Group: Default + 'static;

    /// What the plugin gives.
    const PROVIDES: Edge = Edge::Stream;

    /// Checks options that can be wrong only together. Called once, before the first point.
    ///
    /// # Errors
    ///
    /// The task does not start, with this error.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Takes one point. Points of a group come in their order, not always sorted by time.
    ///
    /// # Errors
    ///
    /// [`Error::skip`](crate::Error::skip), as a missing field gives, drops the point and what was
    /// sent for it; any other error ends the task.
    fn point(&self, group: &mut Self::Group, point: Point<'_>, out: &mut Output) -> Result<()>;

    /// The input has ended. Kapacitor often does not wait for what is sent now.
    ///
    /// # Errors
    ///
    /// Shown as the task's error.
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
    /// The state of one group, kept from batch to batch.
    type Group: Default + 'static;

    /// What the plugin gives.
    const PROVIDES: Edge = Edge::Batch;

    /// Checks options that can be wrong only together. Called once, before the first batch.
    ///
    /// # Errors
    ///
    /// The task does not start, with this error.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Takes one batch, whole.
    ///
    /// # Errors
    ///
    /// [`Error::skip`](crate::Error::skip), as a missing field gives, drops the batch and what was
    /// sent for it; any other error ends the task.
    fn batch(&self, group: &mut Self::Group, points: &Points<'_>, out: &mut Output) -> Result<()>;

    /// The input has ended. Kapacitor often does not wait for what is sent now.
    ///
    /// # Errors
    ///
    /// Shown as the task's error.
    fn finish(&self, groups: &mut Groups<Self::Group>, out: &mut Output) -> Result<()> {
        let _ = (groups, out);
        Ok(())
    }
}

/// A plugin whose snapshots are in a format of its own, which can outlive a change of its code.
/// Registered with `register!(Plugin, snapshot)`.
///
/// Without it a snapshot is the plugin's memory as it is, which fits the same `.wasm` file with the
/// same options only, and needs no code.
pub trait Snapshot<Group> {
    /// Version of the format. Raise it when older bytes mean something else; the operator decides with
    /// `on-mismatch` whether a state in an older version is given to [`Snapshot::restore`] or set aside.
    const VERSION: u32 = 1;

    /// The state of all groups, as bytes.
    ///
    /// # Errors
    ///
    /// Ends the task.
    fn snapshot(&self, groups: &Groups<Group>) -> Result<Vec<u8>>;

    /// Fills `groups`, which is empty, from what [`Snapshot::snapshot`] returned in a plugin whose
    /// [`Snapshot::VERSION`] was `version`.
    ///
    /// # Errors
    ///
    /// The task starts without the state, and the log says why.
    fn restore(&self, version: u32, snapshot: &[u8], groups: &mut Groups<Group>) -> Result<()>;
}
