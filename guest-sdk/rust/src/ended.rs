//! A complete batch, as its points are read.

use std::ops::Range;
use std::rc::Rc;

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
