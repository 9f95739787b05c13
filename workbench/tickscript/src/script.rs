//! What is read from a script: its UDF calls, and what reaches each of them.

use crate::call::Call;

/// A TICKscript, as far as UDFs are concerned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// The calls of UDFs in the order of the script; none if it has none.
    pub calls: Vec<PipelineCall>,
}

/// A call of a UDF, and the data that reaches it.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineCall {
    /// The function and its options.
    pub call: Call,
    /// Line of the call in the script, counted from 1.
    pub line: usize,
    /// What the node before the call provides. A UDF before the call counts as if it provided what it gets.
    pub edge: Edge,
    /// Database of the points, from `.database`, the query's `FROM` or a `dbrp` statement; none for all.
    pub database: Option<String>,
    /// Retention policy of the points, from the same; none for all.
    pub retention_policy: Option<String>,
    /// Measurement of the points, from `.measurement` or the query's `FROM`; none for all.
    pub measurement: Option<String>,
    /// How the points are grouped.
    pub group_by: GroupBy,
    /// The `window` whose batches reach the call. Nodes between the two are left out.
    pub window: Option<Window>,
    /// What comes before the call and is not in the fields above, in the order of the data.
    pub left_out: Vec<LeftOut>,
}

/// Whether single points or batches of points go from one node to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Points.
    Stream,
    /// Batches.
    Batch,
}

/// How points are grouped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupBy {
    /// Names of the tags, sorted, as Kapacitor sorts them. Empty with `all_tags`.
    pub tags: Vec<String>,
    /// Whether each set of tags is a group: `.groupBy(*)`.
    pub all_tags: bool,
    /// Whether points of different measurements are in different groups: `.groupByMeasurement()`.
    pub by_measurement: bool,
}

/// A `window` node, which cuts a stream into batches: by time if `period` is not 0, else by the count of points.
/// No value is negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Length of a batch in nanoseconds; 0 if `period_count` has it in points. One of the two is not 0.
    pub period: i64,
    /// Time from one batch to the next in nanoseconds; 0 sends a batch at each point.
    pub every: i64,
    /// Whether batches end at multiples of `every`.
    pub align: bool,
    /// Whether the first batch is sent only once it covers a whole period.
    pub fill_period: bool,
    /// Length of a batch in points, or 0.
    pub period_count: i64,
    /// Points from one batch to the next; not 0 if `period_count` is not.
    pub every_count: i64,
}

/// A part of the script before a call that has no place in a [`PipelineCall`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its line in the script, counted from 1.
    pub line: usize,
    /// Its text on one line, cut after 80 characters.
    pub text: String,
    /// What this means for the data.
    pub why: String,
}
