//! Numbers of the fields of Kapacitor's messages, by message.
//!
//! Source: `proto/udf.proto`.

/// Fields of a Request, of which one is set.
pub mod request {
    /// What are the edges and options?
    pub const INFO: u32 = 1;
    /// A task starts.
    pub const INIT: u32 = 2;
    /// Is the UDF alive?
    pub const KEEPALIVE: u32 = 3;
    /// What is the state?
    pub const SNAPSHOT: u32 = 4;
    /// A state is given back.
    pub const RESTORE: u32 = 5;
    /// Begin of a batch.
    pub const BEGIN: u32 = 16;
    /// A point.
    pub const POINT: u32 = 17;
    /// End of a batch.
    pub const END: u32 = 18;
    /// How far has the UDF come?
    pub const FENCE: u32 = 1000;
}

/// Fields of a Response, of which one is set.
pub mod response {
    /// Answer to an Info request.
    pub const INFO: u32 = 1;
    /// Answer to an Init request.
    pub const INIT: u32 = 2;
    /// Answer to a keepalive, or a sign of life.
    pub const KEEPALIVE: u32 = 3;
    /// Answer to a Snapshot request.
    pub const SNAPSHOT: u32 = 4;
    /// Answer to a Restore request.
    pub const RESTORE: u32 = 5;
    /// An error, which ends the task.
    pub const ERROR: u32 = 6;
    /// Begin of a batch.
    pub const BEGIN: u32 = 16;
    /// A point.
    pub const POINT: u32 = 17;
    /// End of a batch.
    pub const END: u32 = 18;
    /// Answer to a Fence request.
    pub const FENCE: u32 = 1000;
}

/// Fields of an ErrorResponse.
pub mod error {
    /// The text.
    pub const ERROR: u32 = 1;
}

/// Fields of a BeginBatch.
pub mod begin {
    /// Name of the measurement.
    pub const NAME: u32 = 1;
    /// The group.
    pub const GROUP: u32 = 2;
    /// The tags of the group, a map.
    pub const TAGS: u32 = 3;
    /// Number of points in the batch.
    pub const SIZE: u32 = 4;
    /// Whether the group is by measurement, too.
    pub const BY_NAME: u32 = 5;
}

/// Fields of an EndBatch.
pub mod end {
    /// Name of the measurement.
    pub const NAME: u32 = 1;
    /// The group.
    pub const GROUP: u32 = 2;
    /// The time of the batch, in nanoseconds since 1970.
    pub const TMAX: u32 = 3;
    /// The tags of the group, a map.
    pub const TAGS: u32 = 4;
    /// Whether the group is by measurement, too.
    pub const BY_NAME: u32 = 5;
}

/// Fields of a Point.
pub mod point {
    /// The time, in nanoseconds since 1970.
    pub const TIME: u32 = 1;
    /// Name of the measurement.
    pub const NAME: u32 = 2;
    /// The database.
    pub const DATABASE: u32 = 3;
    /// The retention policy.
    pub const RETENTION_POLICY: u32 = 4;
    /// The group.
    pub const GROUP: u32 = 5;
    /// The tags by which points are grouped.
    pub const DIMENSIONS: u32 = 6;
    /// The tags, a map.
    pub const TAGS: u32 = 7;
    /// The fields that are doubles, a map.
    pub const FIELDS_DOUBLE: u32 = 8;
    /// The fields that are ints, a map.
    pub const FIELDS_INT: u32 = 9;
    /// The fields that are strings, a map.
    pub const FIELDS_STRING: u32 = 10;
    /// Whether the group is by measurement, too.
    pub const BY_NAME: u32 = 11;
    /// The fields that are bools, a map.
    pub const FIELDS_BOOL: u32 = 12;
}

/// Fields of an entry of a map.
pub mod entry {
    /// The key.
    pub const KEY: u32 = 1;
    /// The value.
    pub const VALUE: u32 = 2;
}
