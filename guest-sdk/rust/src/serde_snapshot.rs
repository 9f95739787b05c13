//! Snapshots in a format that serde makes: feature `serde`.

use std::any::type_name;
use std::fmt::Display;
use std::ops::RangeInclusive;

use postcard::ser_flavors::Size;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::buffer::{Buffer, reserve};
use crate::error::{Error, Result};
use crate::groups::Groups;
use crate::udf::Snapshot;
use crate::wire::{self, Fields};

/// Field of the shared state in a snapshot.
const SHARED: u32 = 1;
/// Field of a group in a snapshot, and in it those of its id and its state.
const GROUP: u32 = 2;
const ID: u32 = 1;
const STATE: u32 = 2;

/// Room behind a snapshot for what the runtime puts in front of it.
const ROOM: usize = 64;

/// A [`Snapshot`] without code: the states of groups are written by serde, in the compact format of the crate
/// [`postcard`](https://docs.rs/postcard). It needs the feature `serde`.
///
/// The plugin is registered with `register!(Plugin, snapshot)`. All numbers come back as they were, also NaN and
/// infinities.
///
/// ```
/// use kapacitor_guest::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// /// Numbers the points of each group.
/// #[derive(Options)]
/// struct Count {}
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Counts {
///     points: u64,
///     newest: i64,
/// }
///
/// impl Stream for Count {
///     type Group = Counts;
///
///     fn point(&self, counts: &mut Counts, point: Point<'_>, out: &mut Output) -> Result<()> {
///         counts.points += 1;
///         counts.newest = counts.newest.max(point.time());
///         out.send(point.with("number", counts.points))
///     }
/// }
///
/// impl SerdeSnapshot<Counts> for Count {
///     /// Version 1 had only the number of points.
///     const VERSION: u32 = 2;
///     const READS: std::ops::RangeInclusive<u32> = 1..=2;
///
///     fn migrate(&self, _: u32, state: &mut StateReader<'_>) -> Result<Counts> {
///         Ok(Counts { points: state.read()?, newest: 0 })
///     }
/// }
///
/// register!(Count, snapshot);
/// ```
///
/// # Versions
///
/// The format has no names: fields are written one behind the other. So raise `VERSION` whenever a type in the state
/// changes, be it the order or the type of its fields, and read the old ones in [`SerdeSnapshot::migrate`]. The types of
/// [`statistics`](crate::statistics) keep their form within a minor version of the SDK.
pub trait SerdeSnapshot<Group> {
    /// The version of the format.
    const VERSION: u32 = 1;

    /// The versions that are read: this one, and those that [`SerdeSnapshot::migrate`] reads.
    const READS: RangeInclusive<u32> =
        <Self as SerdeSnapshot<Group>>::VERSION..=<Self as SerdeSnapshot<Group>>::VERSION;

    /// The state of a group from a snapshot of another version, which is one of [`SerdeSnapshot::READS`].
    ///
    /// # Errors
    ///
    /// The task starts without the state, and the host logs the error.
    fn migrate(&self, version: u32, state: &mut StateReader<'_>) -> Result<Group> {
        let _ = state;
        Err(Error::new(format!("the plugin has no `migrate` for version {version}")))
    }

    /// Writes the state that all groups share, see [`Shared`](crate::Shared).
    ///
    /// # Errors
    ///
    /// The task ends.
    fn save_shared(&self, state: &mut StateWriter) -> Result<()> {
        let _ = state;
        Ok(())
    }

    /// Reads what [`SerdeSnapshot::save_shared`] has written in the version `version` of the format.
    ///
    /// # Errors
    ///
    /// The task starts without the state, and the host logs the error.
    fn restore_shared(&self, version: u32, state: &mut StateReader<'_>) -> Result<()> {
        let _ = (version, state);
        Ok(())
    }
}

impl<T, G> Snapshot<G> for T
where
    T: SerdeSnapshot<G>,
    G: Serialize + DeserializeOwned,
{
    const VERSION: u32 = <T as SerdeSnapshot<G>>::VERSION;

    fn snapshot(&self, groups: &Groups<G>) -> Result<Vec<u8>> {
        let mut shared = StateWriter(Vec::new());
        self.save_shared(&mut shared)?;
        // Everything is measured first, and then written to its place: nothing grows, and nothing is copied.
        let mut length = wire::field_len(shared.0.len());
        let mut parts = Vec::with_capacity(groups.len());
        for (id, state) in groups.iter() {
            let state_length = length_of(state).map_err(|e| e.context(format_args!("group `{id}`")))?;
            let group_length = wire::field_len(id.len()) + wire::field_len(state_length);
            length += wire::field_len(group_length);
            parts.push((id, state, state_length, group_length));
        }
        let mut snapshot = Buffer::with_room(length + ROOM);
        wire::put_bytes(SHARED, &shared.0, &mut snapshot);
        for (id, state, state_length, group_length) in parts {
            wire::put_head(GROUP, group_length, &mut snapshot);
            wire::put_bytes(ID, id.as_bytes(), &mut snapshot);
            wire::put_head(STATE, state_length, &mut snapshot);
            write_into(snapshot.more(state_length), state)
                .map_err(|e| e.context(format_args!("group `{id}`")))?;
        }
        Ok(snapshot.into_vec())
    }

    fn restore(&self, version: u32, snapshot: &[u8], groups: &mut Groups<G>) -> Result<()> {
        let (reads, current) = (T::READS, <T as SerdeSnapshot<G>>::VERSION);
        if !reads.contains(&version) {
            let (least, most) = (reads.start(), reads.end());
            let read = if least == most { format!("{least}") } else { format!("{least} to {most}") };
            return Err(Error::new(format!(
                "the state has version {version} of the plugin's format, and the plugin reads version {read}"
            )));
        }
        for field in Fields(snapshot) {
            if field.number == SHARED {
                let mut reader = StateReader(field.bytes);
                let result = self.restore_shared(version, &mut reader).and_then(|()| reader.end());
                result.map_err(|e| e.context("the shared state"))?;
                continue;
            }
            let part = |number| Fields(field.bytes).with_number(number).map_or(&[][..], |field| field.bytes);
            let (id, mut reader) = (wire::text(part(ID)), StateReader(part(STATE)));
            let state = if version == current { reader.read() } else { self.migrate(version, &mut reader) };
            let state = state.and_then(|state| reader.end().map(|()| state));
            groups.insert(id, state.map_err(|e| e.context(format_args!("group `{id}`")))?);
        }
        Ok(())
    }
}

/// Writes a part of a snapshot.
#[derive(Debug)]
pub struct StateWriter(Vec<u8>);

impl StateWriter {
    /// Appends a value.
    ///
    /// # Errors
    ///
    /// A failure if serde can't write the value in this format, such as a sequence of unknown length.
    pub fn write<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let (start, length) = (self.0.len(), length_of(value)?);
        reserve(&mut self.0, length);
        self.0.resize(start + length, 0);
        write_into(&mut self.0[start..], value)
    }
}

/// The number of bytes that a value takes.
fn length_of<T: Serialize + ?Sized>(value: &T) -> Result<usize> {
    postcard::serialize_with_flavor(value, Size::default()).map_err(cant_be_saved::<T>)
}

/// Writes a value into `room`, which has the length that [`length_of`] has found.
fn write_into<T: Serialize + ?Sized>(room: &mut [u8], value: &T) -> Result<()> {
    let expected = room.len();
    match postcard::to_slice(value, room) {
        Ok(written) if written.len() == expected => Ok(()),
        Ok(_) | Err(postcard::Error::SerializeBufferFull) => {
            Err(cant_be_saved::<T>("it is not written twice in the same way"))
        }
        Err(e) => Err(cant_be_saved::<T>(e)),
    }
}

fn cant_be_saved<T: ?Sized>(reason: impl Display) -> Error {
    Error::new(format!("a {} can't be saved, because {reason}", type_name::<T>()))
}

/// Reads a part of a snapshot.
#[derive(Debug)]
pub struct StateReader<'a>(&'a [u8]);

impl StateReader<'_> {
    /// Reads a value of the type that was written at this place.
    ///
    /// # Errors
    ///
    /// A failure if the bytes are no such value.
    pub fn read<T: DeserializeOwned>(&mut self) -> Result<T> {
        let (value, rest) = postcard::take_from_bytes(self.0)
            .map_err(|e| Error::new(format!("it holds no {}, because {e}", type_name::<T>())))?;
        self.0 = rest;
        Ok(value)
    }

    fn end(&self) -> Result<()> {
        match self.0.len() {
            0 => Ok(()),
            left => Err(Error::new(format!(
                "{left} bytes of it were not read: its types have changed, so it needs another version"
            ))),
        }
    }
}
