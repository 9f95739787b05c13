//! Decides which of two states is the newer one: Kapacitor's snapshot or the host's own checkpoint.

use crate::state::SnapshotHeader;

/// Where a state comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A snapshot that Kapacitor gave back.
    Kapacitor,
    /// A checkpoint of the host.
    Checkpoint,
}

impl Source {
    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kapacitor => "snapshot",
            Self::Checkpoint => "checkpoint",
        }
    }
}

/// Chooses between two states that fit, and says why.
pub fn newer_of(kapacitor: &SnapshotHeader, checkpoint: &SnapshotHeader) -> (Source, String) {
    let points = format!(
        "the snapshot has seen {} points and the checkpoint {}",
        kapacitor.points_seen, checkpoint.points_seen
    );
    if kapacitor.replay && !checkpoint.replay {
        return (Source::Checkpoint, "the snapshot was taken of a replay".to_owned());
    }
    if kapacitor.started_at == checkpoint.started_at {
        if kapacitor.points_seen == checkpoint.points_seen {
            return (Source::Checkpoint, "it is the same state as the snapshot".to_owned());
        }
        let later = kapacitor.points_seen > checkpoint.points_seen;
        return (if later { Source::Kapacitor } else { Source::Checkpoint }, points);
    }
    if kapacitor.started_at > checkpoint.started_at {
        (Source::Kapacitor, "the snapshot's state began later".to_owned())
    } else {
        (Source::Checkpoint, "the checkpoint's state began later".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_points_or_the_later_start_or_the_task_itself() {
        let header = |started_at, points_seen, replay| SnapshotHeader {
            started_at,
            points_seen,
            replay,
            ..SnapshotHeader::default()
        };
        let check = |kapacitor: SnapshotHeader, checkpoint: SnapshotHeader, expected| {
            assert_eq!(newer_of(&kapacitor, &checkpoint).0, expected, "{kapacitor:?} {checkpoint:?}");
        };
        check(header(1, 10, false), header(1, 11, false), Source::Checkpoint);
        check(header(1, 10, false), header(1, 10, false), Source::Checkpoint);
        check(header(1, 11, false), header(1, 10, false), Source::Kapacitor);
        check(header(1, 99, false), header(2, 1, false), Source::Checkpoint);
        check(header(2, 1, false), header(1, 99, false), Source::Kapacitor);
        // Snapshots of hosts that did not store when a state began.
        check(header(0, 9, false), header(0, 1, false), Source::Kapacitor);
        check(header(0, 9, false), header(1, 1, false), Source::Checkpoint);
        check(header(1, 99, true), header(1, 10, false), Source::Checkpoint);
        check(header(2, 99, true), header(2, 10, true), Source::Kapacitor);
    }
}
