//! Numbers of the fields in Kapacitor's messages, as `proto/udf.proto` of the repository has them.

/// The error in a Response.
pub const ERROR: u32 = 6;
/// The begin of a batch in a Request or Response.
pub const BEGIN: u32 = 16;
/// A point in a Request or Response.
pub const POINT: u32 = 17;
/// The end of a batch in a Request or Response.
pub const END: u32 = 18;

/// The version of the plugin's own format in a RestoreRequest. The host adds this field; it is not
/// one of Kapacitor's.
pub const STATE_VERSION: u32 = 100;

/// The fields of a Point.
pub mod point {
    pub const TIME: u32 = 1;
    pub const NAME: u32 = 2;
    pub const DATABASE: u32 = 3;
    pub const RETENTION_POLICY: u32 = 4;
    pub const GROUP: u32 = 5;
    pub const DIMENSIONS: u32 = 6;
    pub const TAGS: u32 = 7;
    pub const DOUBLES: u32 = 8;
    pub const INTS: u32 = 9;
    pub const STRINGS: u32 = 10;
    pub const BY_NAME: u32 = 11;
    pub const BOOLS: u32 = 12;
}

/// The fields of a BeginBatch.
pub mod begin_batch {
    pub const NAME: u32 = 1;
    pub const GROUP: u32 = 2;
    pub const TAGS: u32 = 3;
    pub const BY_NAME: u32 = 5;
}

/// The fields of an EndBatch.
pub mod end_batch {
    pub const NAME: u32 = 1;
    pub const TMAX: u32 = 3;
    pub const TAGS: u32 = 4;
}
