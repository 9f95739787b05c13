//! What a line has of a task.

use kapacitor_wasm_status::{Sort, Task, TaskState};

use crate::units::{bytes, number, percent, span};

/// A column of the list of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    Task,
    Node,
    Plugin,
    State,
    In,
    Out,
    Cpu,
    Memory,
    Queue,
    Skipped,
    Failures,
}

impl Column {
    /// All of them, from left to right.
    pub const ALL: [Self; 11] = [
        Self::Task,
        Self::Node,
        Self::Plugin,
        Self::State,
        Self::In,
        Self::Out,
        Self::Cpu,
        Self::Memory,
        Self::Queue,
        Self::Skipped,
        Self::Failures,
    ];

    /// All but the name of the task; where there is no room for all, the last ones are left out first.
    const BY_IMPORTANCE: [Self; 10] = [
        Self::Cpu,
        Self::In,
        Self::State,
        Self::Memory,
        Self::Out,
        Self::Failures,
        Self::Skipped,
        Self::Queue,
        Self::Node,
        Self::Plugin,
    ];

    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Node => "node",
            Self::Plugin => "plugin",
            Self::State => "state",
            Self::In => "in/s",
            Self::Out => "out/s",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Queue => "waits",
            Self::Skipped => "skipped",
            Self::Failures => "failed",
        }
    }

    /// Width in columns; that of the name of the task is the least that it may have.
    pub fn width(self) -> usize {
        match self {
            Self::Task | Self::Node | Self::Plugin | Self::State => 16,
            Self::In | Self::Out | Self::Cpu | Self::Queue | Self::Failures => 6,
            Self::Skipped => 7,
            Self::Memory => 9,
        }
    }

    /// Whether it has numbers, which are at the right edge.
    pub fn is_number(self) -> bool {
        !matches!(self, Self::Task | Self::Node | Self::Plugin | Self::State)
    }

    /// The order in which the column is sorted.
    pub fn is_sorted_by(self, sort: Sort) -> bool {
        match sort {
            Sort::Task => self == Self::Task,
            Sort::Plugin => self == Self::Plugin,
            Sort::State => self == Self::State,
            Sort::In => self == Self::In,
            Sort::Out => self == Self::Out,
            Sort::Cpu => self == Self::Cpu,
            Sort::Memory => self == Self::Memory,
            Sort::Queue => self == Self::Queue,
            Sort::Skipped => self == Self::Skipped,
            Sort::Failures => self == Self::Failures,
            Sort::Function | Sort::Error => false,
        }
    }

    /// What `task` has in it, as it came from outside.
    pub fn cell(self, task: &Task) -> String {
        let rate = |of: fn(&kapacitor_wasm_status::Rates) -> f32| task.rates.as_ref().map(of).map(f64::from);
        let unknown = || "-".to_owned();
        match self {
            Self::Task => task.task.clone(),
            Self::Node => task.node.clone(),
            Self::Plugin => task.plugin.name.clone(),
            Self::State => state(task.state).to_owned(),
            Self::In => rate(|rates| rates.points_in_per_second).map_or_else(unknown, number),
            Self::Out => rate(|rates| rates.points_out_per_second).map_or_else(unknown, number),
            Self::Cpu => rate(|rates| rates.guest_cpu_seconds_per_second).map_or_else(unknown, percent),
            Self::Memory => bytes(task.sandbox_memory_bytes),
            Self::Queue => span(task.queue_age_seconds),
            Self::Skipped => number(task.points_skipped.sum() as f64),
            Self::Failures => number(task.failures as f64),
        }
    }
}

/// What a task does, in words.
pub fn state(state: TaskState) -> &'static str {
    match state {
        TaskState::PassesThrough => "passes through",
        TaskState::WaitsForPlugin => "waits: plugin",
        TaskState::WaitsForKapacitor => "waits: Kapacitor",
        TaskState::Runs => "runs",
        TaskState::Ended => "ended",
    }
}

/// The columns that fit into `width`, each with its own. The name of the task gets what is left.
pub fn fitting(width: usize) -> Vec<(Column, usize)> {
    let mut left = width.saturating_sub(Column::Task.width());
    let mut chosen = vec![Column::Task];
    for column in Column::BY_IMPORTANCE {
        let Some(rest) = left.checked_sub(column.width() + 1) else { break };
        left = rest;
        chosen.push(column);
    }
    let of = |column: Column| match column {
        Column::Task => (Column::Task.width() + left).min(width),
        other => other.width(),
    };
    Column::ALL
        .into_iter()
        .filter(|column| chosen.contains(column))
        .map(|column| (column, of(column)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fill_any_width_and_never_more() {
        for width in 0..250 {
            let columns = fitting(width);
            let sum: usize = columns.iter().map(|(_, width)| width + 1).sum::<usize>() - 1;
            assert_eq!(sum, width, "{columns:?}");
        }
        let titles = |width| fitting(width).iter().map(|(column, _)| column.title()).collect::<Vec<_>>();
        assert_eq!(titles(40), ["task", "in/s", "cpu"]);
        assert_eq!(titles(80), ["task", "state", "in/s", "out/s", "cpu", "memory", "skipped", "failed"]);
        assert_eq!(titles(130).len(), Column::ALL.len());
    }

    #[test]
    fn states_fit_into_their_column() {
        for each in TaskState::ALL {
            assert!(state(each).len() <= Column::State.width(), "{}", state(each));
        }
    }
}
