//! The begin of a batch: its measurement and its group.

use crate::buffer::Buffer;
use crate::numbers::{begin_batch, point};
use crate::wire::{self, Fields, text};

/// Kapacitor's BeginBatch. Points of a batch refer to it, because their own messages lack the
/// measurement, the dimensions and byName.
#[derive(Clone, Copy)]
pub struct BatchHead<'a> {
    pub message: &'a [u8],
}

impl<'a> BatchHead<'a> {
    pub fn name(&self) -> &'a str {
        self.find(begin_batch::NAME).map_or("", text)
    }

    pub fn group_bytes(&self) -> &'a [u8] {
        self.find(begin_batch::GROUP).unwrap_or(b"")
    }

    pub fn tags(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        Fields(self.message).filter(|field| field.number == begin_batch::TAGS).map(|field| {
            let (key, value) = wire::entry(field.bytes);
            (text(key), text(value))
        })
    }

    pub fn by_name(&self) -> bool {
        self.find(begin_batch::BY_NAME).and_then(wire::varint).is_some_and(|(value, _)| value != 0)
    }

    /// The keys of the group's tags, sorted: Kapacitor sorts dimensions, too.
    pub fn dimensions(&self) -> impl Iterator<Item = &'a str> {
        let mut dimensions: Vec<&str> = self.tags().map(|(key, _)| key).collect();
        dimensions.sort_unstable();
        dimensions.into_iter()
    }

    /// Appends the fields that a point, beside its measurement, needs outside of its batch, so that Kapacitor
    /// puts it into the batch's group: the dimensions, and byName.
    pub fn put_group(&self, out: &mut Buffer) {
        for dimension in self.dimensions() {
            wire::put_bytes(point::DIMENSIONS, dimension.as_bytes(), out);
        }
        wire::put_int(point::BY_NAME, i64::from(self.by_name()), out);
    }

    fn find(&self, number: u32) -> Option<&'a [u8]> {
        Fields(self.message).with_number(number).map(|field| field.bytes)
    }
}
