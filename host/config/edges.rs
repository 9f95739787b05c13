//! The edges of a function or a plugin.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

use crate::protocol::EdgeType;

/// The edges of a function, written `"stream -> batch"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edges {
    /// The edge that comes in.
    pub wants: EdgeType,
    /// The edge that goes out.
    pub provides: EdgeType,
}

impl fmt::Display for Edges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", edge_name(self.wants), edge_name(self.provides))
    }
}

/// `stream` or `batch`.
pub fn edge_name(edge: EdgeType) -> &'static str {
    match edge {
        EdgeType::Stream => "stream",
        EdgeType::Batch => "batch",
    }
}

impl FromStr for Edges {
    type Err = ParseEdgesError;

    fn from_str(text: &str) -> Result<Self, ParseEdgesError> {
        let edge = |word: &str| match word.trim() {
            "stream" => Some(EdgeType::Stream),
            "batch" => Some(EdgeType::Batch),
            _ => None,
        };
        text.split_once("->")
            .and_then(|(wants, provides)| Some(Self { wants: edge(wants)?, provides: edge(provides)? }))
            .ok_or_else(|| ParseEdgesError(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Edges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Edges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that is not a pair of edges.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a pair of edges: write \"stream -> stream\", with `batch` in place of either `stream`")]
pub struct ParseEdgesError(String);
