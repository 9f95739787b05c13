//! What a session gives to a tap.

use std::sync::Mutex;

use crate::udf_node::UdfNode;

/// Which way points go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From Kapacitor to the plugin.
    In,
    /// From the plugin to Kapacitor.
    Out,
}

impl Direction {
    /// As it is shown: `in` or `out`.
    pub fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// A session that is tapped.
#[derive(Debug, Default)]
pub struct Source {
    /// Its UDF node.
    pub udf: UdfNode,
    /// Its number, counted from 1: two sessions may run the same node, as when Kapacitor replays.
    pub session: u64,
    /// The name of the open batch of each direction, which its points do not have. It is of who reads the tap, and is
    /// here so that it goes away with the session.
    pub batch_names: Mutex<[Option<String>; 2]>,
}

/// Something of one session, in the order in which it has happened there.
#[derive(Debug)]
pub struct Piece {
    /// Which session.
    pub source: std::sync::Arc<Source>,
    /// What has happened.
    pub what: What,
}

/// What has happened in a session.
#[derive(Debug)]
pub enum What {
    /// Points have gone by.
    Frames {
        /// Which way.
        direction: Direction,
        /// Number of points that are missing before these, since the buffer of the tap was full.
        left_out: u64,
        /// Whole data frames.
        frames: Vec<u8>,
    },
    /// Something else, in one line.
    Note(String),
}

impl What {
    /// Number of bytes that count in the buffer of a tap.
    pub fn len(&self) -> usize {
        match self {
            Self::Frames { frames, .. } => frames.len(),
            Self::Note(text) => text.len(),
        }
    }
}
