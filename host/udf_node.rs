//! Which UDF node of Kapacitor something belongs to.

/// One UDF node of one task, as Kapacitor and an operator name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UdfNode {
    /// Kapacitor's task id.
    pub task: String,
    /// Kapacitor's node id.
    pub node: String,
    /// The Kapacitor function.
    pub function: String,
}
