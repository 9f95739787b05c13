//! Which UDF node of Kapacitor something belongs to.

/// Whose state it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Kapacitor's task id.
    pub task: String,
    /// Kapacitor's node id.
    pub node: String,
    /// The Kapacitor function.
    pub function: String,
}
