//! By what tasks are sorted.

use std::cmp::Ordering;

use crate::task::{Rates, Task};

/// By what tasks are sorted. Those that are alike are sorted by task, node and function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// `task`
    #[default]
    Task,
    /// `function`
    Function,
    /// `plugin`
    Plugin,
    /// `state`: what needs a look comes first.
    State,
    /// `in`: points that come in each second.
    In,
    /// `out`: points that go out each second.
    Out,
    /// `cpu`: time for which the plugin computes.
    Cpu,
    /// `memory`: of the plugin.
    Memory,
    /// `queue`: how long input waits.
    Queue,
    /// `skipped`: points of the input that nothing came of.
    Skipped,
    /// `failures`: calls at which the plugin failed.
    Failures,
    /// `error`: when the last error was.
    Error,
}

impl Sort {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Task,
        Self::Function,
        Self::Plugin,
        Self::State,
        Self::In,
        Self::Out,
        Self::Cpu,
        Self::Memory,
        Self::Queue,
        Self::Skipped,
        Self::Failures,
        Self::Error,
    ];

    /// Its name in a query.
    pub fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Function => "function",
            Self::Plugin => "plugin",
            Self::State => "state",
            Self::In => "in",
            Self::Out => "out",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Queue => "queue",
            Self::Skipped => "skipped",
            Self::Failures => "failures",
            Self::Error => "error",
        }
    }

    /// Whether the largest comes first, as long as the request does not say otherwise.
    pub fn is_descending(self) -> bool {
        !matches!(self, Self::Task | Self::Function | Self::Plugin | Self::State)
    }

    /// How `a` and `b` are ordered, the smaller one first.
    pub(crate) fn compare(self, a: &Task, b: &Task) -> Ordering {
        let rate = |of: fn(&Rates) -> f32| {
            let of = |task: &Task| task.rates.as_ref().map_or(-1.0, of);
            of(a).total_cmp(&of(b))
        };
        match self {
            Self::Task => Ordering::Equal,
            Self::Function => a.function.cmp(&b.function),
            Self::Plugin => a.plugin.name.cmp(&b.plugin.name),
            Self::State => a.state.cmp(&b.state),
            Self::In => rate(|rates| rates.points_in_per_second),
            Self::Out => rate(|rates| rates.points_out_per_second),
            Self::Cpu => rate(|rates| rates.guest_cpu_seconds_per_second),
            Self::Memory => a.sandbox_memory_bytes.cmp(&b.sandbox_memory_bytes),
            Self::Queue => a.queue_age_seconds.total_cmp(&b.queue_age_seconds),
            Self::Skipped => a.points_skipped.sum().cmp(&b.points_skipped.sum()),
            Self::Failures => a.failures.cmp(&b.failures),
            Self::Error => {
                let at = |task: &Task| task.last_error.as_ref().map_or(-1.0, |error| error.timestamp_seconds);
                at(a).total_cmp(&at(b))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LastError, PluginVersion, PointsSkipped, Query, TaskState};

    #[test]
    fn tasks_are_sorted_by_each_column() {
        // The larger one has more of everything, and the smaller one needs a look.
        let small = Task { task: "small".to_owned(), state: TaskState::PassesThrough, ..Task::default() };
        let large = Task {
            function: "f".to_owned(),
            task: "zlarge".to_owned(),
            state: TaskState::Runs,
            plugin: PluginVersion { name: "p".to_owned(), sha256: String::new() },
            rates: Some(Rates::default()),
            sandbox_memory_bytes: 1,
            queue_age_seconds: 0.1,
            points_skipped: PointsSkipped { unfinished: 1, ..PointsSkipped::default() },
            failures: 1,
            last_error: Some(LastError::default()),
            ..Task::default()
        };
        for sort in Sort::ALL {
            for reversed in [false, true] {
                let query = Query { sort, reversed, ..Query::default() };
                let (_, sorted) = query.select(vec![large.clone(), small.clone()], 9);
                let first = if query.is_descending() { "zlarge" } else { "small" };
                assert_eq!(sorted[0].task, first, "{sort:?} {reversed}");
            }
        }
    }
}
