//! The levels of log lines.

/// How much a line matters. The operator's `log-level` in `udf.toml` hides the lower levels, [`Level::Debug`] by
/// default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// For developers.
    Debug = 0,
    /// For operators.
    Info = 1,
    /// Something unusual.
    Warn = 2,
    /// Something failed.
    Error = 3,
}
