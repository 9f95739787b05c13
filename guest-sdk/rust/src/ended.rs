//! A complete batch, as its points are read.

use std::ops::Range;
use std::rc::Rc;

use crate::wire;

/// A batch that has ended.
pub struct Ended {
    /// Where its frames lie: the input of the run, or memory of their own.
    pub source: Rc<Vec<u8>>,
    /// Whether they lie in memory of their own.
    pub is_copied: bool,
    /// The place of all frames.
    pub frames: Range<usize>,
    /// Length of the frame of the Begin, and of the message in it.
    pub begin: (usize, usize),
    /// Number of points.
    pub count: usize,
    /// Length of the frame of the End, and of the message in it.
    pub end: (usize, usize),
}

impl Ended {
    /// A batch without points, from the frames of its Begin and its End; `None` if these are something else.
    pub fn empty(bounds: Vec<u8>) -> Option<Self> {
        let length_of = |frame: &[u8], message: &[u8]| {
            let (_, contents) = wire::only_field(message)?;
            Some((frame.len(), contents.len()))
        };
        let (frame, message, rest) = wire::split_frame(&bounds)?;
        let begin = length_of(frame, message)?;
        let (frame, message, _) = wire::split_frame(rest)?;
        let end = length_of(frame, message)?;
        let frames = 0..bounds.len();
        Some(Self { source: Rc::new(bounds), is_copied: true, frames, begin, count: 0, end })
    }
}
