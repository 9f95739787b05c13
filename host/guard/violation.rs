//! Why a response must not go to Kapacitor.

use thiserror::Error;

use crate::units::Bytes;

/// Maximum number of tags and fields of one point, Begin or End. Kapacitor keeps them in maps, which take many times the bytes
/// of the message.
pub(super) const MAX_ENTRIES: usize = 65_536;

/// What a guest returned that Kapacitor must not see.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("response {response} of the call: {kind}")]
pub struct Violation {
    /// Which response of the call, counted from 1.
    pub response: usize,
    /// What is wrong with it.
    pub kind: ViolationKind,
}

impl Violation {
    /// Whether a batch as a whole is too large, rather than the response that was checked last.
    pub fn is_of_batch(&self) -> bool {
        matches!(self.kind, ViolationKind::BatchTooLarge(_) | ViolationKind::TooManyPoints(_))
    }
}

/// What can be wrong with a response.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ViolationKind {
    #[error("the frame is cut off or its length is wrong")]
    Frame,
    #[error("it has no message set")]
    Empty,
    #[error("a plugin may not send `{0}`: only point, begin, end and error")]
    Forbidden(&'static str),
    #[error("field {0} is not a response that Kapacitor knows")]
    Unknown(u32),
    #[error("it has more than one message, or bytes behind it")]
    Trailing,
    #[error("`{0}` is malformed")]
    Malformed(&'static str),
    #[error("`{0}` is not valid UTF-8")]
    Utf8(&'static str),
    #[error("a {0} of more than {MAX_ENTRIES} tags and fields")]
    TooManyEntries(&'static str),
    #[error("field `{0}` has values of more than one type")]
    TwoTypes(String),
    #[error("`{0}` on a stream edge: the plugin declares that it provides a stream")]
    BatchOnStream(&'static str),
    #[error("a point outside of a batch: the plugin declares that it provides batches")]
    PointOutsideBatch,
    #[error("begin before the end of the batch before")]
    BeginInBatch,
    #[error("end without begin")]
    EndWithoutBegin,
    #[error("a response after error, which must be the last one")]
    AfterError,
    #[error("a batch of more than limits.output = {0}")]
    BatchTooLarge(Bytes),
    #[error("more points in one call or batch than limits.output-points = {0}")]
    TooManyPoints(u64),
    #[error("field `{0}` is not a finite number, and policy.not-finite is \"fail\"")]
    NotFinite(String),
    #[error("a point without fields, and policy.no-fields is \"fail\"")]
    NoFields,
    #[error("{0}: InfluxDB can't store it, and policy.unwritable is \"fail\"")]
    Unwritable(String),
}
