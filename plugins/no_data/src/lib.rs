//! Reports groups that fall silent while others go on, and groups that come back.

use std::num::NonZeroUsize;
use std::time::Duration;

use algorithms::{rule, seconds_between};
use kapacitor_guest::prelude::*;

#[cfg(test)]
mod tests;

/// The options.
#[derive(Options)]
pub struct NoData {
    period: Duration,
    #[option(default = "silent")]
    r#as: FieldName,
    #[option(default = "silent_for")]
    silent_for: FieldName,
    all: Flag,
    max_groups: Option<NonZeroUsize>,
    /// Groups that were reported as silent.
    silences: Counter,
    /// Groups that came back and were reported.
    returns: Counter,
}

/// The state of a group.
#[derive(Debug, Default)]
pub struct Group {
    /// Whether it was reported as silent.
    is_silent: bool,
    /// The time of its last point, in nanoseconds since 1970.
    last: i64,
}

impl Stream for NoData {
    type Group = Group;

    /// For how long a group may be silent, and its coming back is still reported.
    const IDLE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    /// All groups but one may fall silent with the same point, and the reports have to fit into the memory beside the
    /// groups: 1.1 KB together for ids of 100 bytes.
    const MAX_GROUPS: usize = 25_000;

    fn max_groups(&self) -> usize {
        self.max_groups.map_or(Self::MAX_GROUPS, NonZeroUsize::get)
    }

    fn check(&self) -> Result<()> {
        rule("period", !self.period.is_zero(), "must be above 0")?;
        rule("silent_for", self.r#as != self.silent_for, "must be another name than `as`")
    }

    fn point(&self, group: &mut Group, point: Point<'_>, out: &mut Output) -> Result<()> {
        let time = point.time();
        let before = std::mem::replace(group, Group { is_silent: false, last: time });
        if before.is_silent {
            self.returns.inc();
        }
        let silent_for = before.is_silent.then(|| seconds_between(before.last, time));
        match (silent_for, self.all.is_set()) {
            (None, false) => Ok(()),
            (None, true) => out.send(point.with(&self.r#as, false)),
            (Some(seconds), false) => {
                let back = NewPoint::like(point).field(&self.r#as, false);
                out.send(back.field(&self.silent_for, seconds))
            }
            (Some(seconds), true) => out.send(point.with(&self.r#as, false).with(&self.silent_for, seconds)),
        }
    }

    fn silence(&self) -> Option<Duration> {
        Some(self.period)
    }

    fn silent(&self, group: &mut Group, last: Point<'_>, now: i64, out: &mut Output) -> Result<()> {
        group.is_silent = true;
        self.silences.inc();
        let silent = NewPoint::like(last).at(now).field(&self.r#as, true);
        out.send(silent.field(&self.silent_for, seconds_between(group.last, now)))
    }
}

register!(NoData);
