//! The report of a replay.

/// What the report says besides its points.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Heading, such as `moving_avg on recording.lp`.
    pub title: String,
    /// How the plugin was called, as in a TICKscript. It is left out if empty.
    pub call: String,
    /// Rows of the summary: what, and how many.
    pub summary: Vec<(String, String)>,
}
