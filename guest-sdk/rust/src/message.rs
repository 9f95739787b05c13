//! The messages of a run: the frames that the host passes on in one call.

use crate::error::{Error, Result};
use crate::numbers::{BEGIN, END};
use crate::wire::{self, Field, Fields};

/// One message of a run: a Begin, a Point or an End.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The number of its field in a Request.
    pub(crate) number: u32,
    pub(crate) bytes: &'a [u8],
    /// Its frame, if there is nothing else in it.
    pub(crate) frame: Option<&'a [u8]>,
}

/// Calls `take` with each Begin, Point and End of a run, in order, until it fails.
///
/// # Errors
///
/// The error of `take`, or a failure if the last frame is incomplete.
#[inline(always)]
pub(crate) fn for_each_message(
    mut run: &[u8],
    mut take: impl FnMut(Message<'_>) -> Result<()>,
) -> Result<()> {
    while !run.is_empty() {
        let (frame, request, after) =
            wire::split_frame(run).ok_or_else(|| Error::new("a frame is cut off"))?;
        run = after;
        match wire::only_field(request) {
            Some((number @ BEGIN..=END, bytes)) => take(Message { number, bytes, frame: Some(frame) })?,
            _ => {
                for Field { number, bytes, .. } in Fields(request) {
                    if matches!(number, BEGIN..=END) {
                        take(Message { number, bytes, frame: None })?;
                    }
                }
            }
        }
    }
    Ok(())
}
