//! What has become of the points of a task.

use crate::state::PointCounts;

/// Numbers of points, and of recoveries.
///
/// Each point that Kapacitor sent was processed, skipped or passed through, or is not finished: see
/// [`Counts::unfinished`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Points that Kapacitor sent.
    pub points_in: u64,
    /// Points of the input that the plugin has processed.
    pub processed: u64,
    /// Points among those that the plugin says it has skipped.
    pub declined: u64,
    /// Points of the input that went on unchanged, since the plugin has failed.
    pub passed_through: u64,
    /// Points that Kapacitor gets.
    pub points_out: u64,
    /// Points of the input that were skipped because the plugin has failed.
    pub skipped: u64,
    /// Points of the output that were left out, since InfluxDB can't store them.
    pub dropped: u64,
    /// Points of the output that have lost fields which InfluxDB can't store.
    pub reduced: u64,
    /// Calls at which the plugin has failed.
    pub failures: u64,
    /// How often the plugin was brought back.
    pub recoveries: u64,
}

impl Counts {
    /// How many counts there are.
    pub const PARTS: usize = 10;

    /// All of them, in one order: the only list of them, for what treats them alike.
    pub fn parts(&mut self) -> [&mut u64; Self::PARTS] {
        let Self {
            points_in,
            processed,
            declined,
            passed_through,
            points_out,
            skipped,
            dropped,
            reduced,
            failures,
            recoveries,
        } = self;
        [
            points_in,
            processed,
            declined,
            passed_through,
            points_out,
            skipped,
            dropped,
            reduced,
            failures,
            recoveries,
        ]
    }

    /// Adds the counts of the task that this one has taken over from.
    pub fn add(&mut self, before: &Self) {
        let mut before = *before;
        self.parts().into_iter().zip(before.parts()).for_each(|(sum, count)| *sum += *count);
    }

    /// Counts points of a call that has not failed, of which the plugin says it has `declined` some.
    pub fn process(&mut self, points: u64, declined: u64) {
        self.processed += points;
        // A plugin can say anything.
        self.declined += declined.min(self.processed - self.declined);
    }

    /// Counts points of a batch that were processed, and are lost with the batch.
    pub fn lose(&mut self, points: u64) {
        self.processed -= points;
        self.skipped += points;
        self.declined = self.declined.min(self.processed);
    }

    /// Points of the input that the plugin has taken in.
    pub fn taken_in(&self) -> u64 {
        self.processed - self.declined
    }

    /// The counts of this session and of those `before` it, as a snapshot holds them. Of the points that were
    /// processed, this number is in a batch that is `open`, which the snapshot knows nothing of.
    pub fn stored(&self, before: &PointCounts, open: u64) -> PointCounts {
        let processed = self.processed.saturating_sub(open);
        let declined = self.declined.min(processed);
        // The numbers of a snapshot may be any.
        let sum = u64::saturating_add;
        PointCounts {
            points_in: sum(before.points_in, self.points_in),
            taken_in: sum(before.taken_in, processed - declined),
            skipped: sum(before.skipped, self.skipped),
            skipped_by_plugin: sum(before.skipped_by_plugin, declined),
            passed_through: sum(before.passed_through, self.passed_through),
            points_out: sum(before.points_out, self.points_out),
            dropped: sum(before.dropped, self.dropped),
            reduced: sum(before.reduced, self.reduced),
            recoveries: sum(before.recoveries, self.recoveries),
        }
    }

    /// Points of the input that nothing has become of, since the connection or the task has ended before.
    pub fn unfinished(&self) -> u64 {
        self.points_in.saturating_sub(self.finished())
    }

    /// Points of the input that were processed, skipped or passed through.
    pub fn finished(&self) -> u64 {
        self.processed + self.skipped + self.passed_through
    }
}
