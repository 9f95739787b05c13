//! What has become of the points of a task.

/// Numbers of points, and of recoveries.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Points that Kapacitor sent.
    pub points_in: u64,
    /// Points of the input that the plugin has processed.
    pub processed: u64,
    /// Points that Kapacitor gets.
    pub points_out: u64,
    /// Points of the input that were skipped.
    pub skipped: u64,
    /// Points of the output that were left out: no fields, or none that is finite.
    pub dropped: u64,
    /// Points of the output that have lost fields that are not finite.
    pub reduced: u64,
    /// How often the plugin was brought back.
    pub recoveries: u64,
}

impl Counts {
    /// Adds the counts of the task that this one has taken over from.
    pub fn add(&mut self, before: &Self) {
        let Self { points_in, processed, points_out, skipped, dropped, reduced, recoveries } = *before;
        self.points_in += points_in;
        self.processed += processed;
        self.points_out += points_out;
        self.skipped += skipped;
        self.dropped += dropped;
        self.reduced += reduced;
        self.recoveries += recoveries;
    }
}
