//! The table: one row for each comparison.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use comfy_table::{Table, presets};

use crate::chart::{self, Bar};

/// What is wanted of a ratio or a figure.
#[derive(Clone, Copy)]
pub enum Goal {
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
    /// It is there to be seen.
    None,
}

/// How a figure is written.
#[derive(Clone, Copy)]
pub enum Unit {
    /// Points for each second.
    PointsPerSecond,
    /// A time, in seconds.
    Time,
    /// Bytes.
    Bytes,
    /// CPU seconds for each second.
    Cores,
}

impl Unit {
    /// A figure with its unit.
    pub fn show(self, figure: f64) -> String {
        match self {
            Self::PointsPerSecond if figure >= 1e6 => format!("{:.2} M/s", figure / 1e6),
            Self::PointsPerSecond => format!("{:.1} k/s", figure / 1e3),
            Self::Time if figure < 1e-6 => format!("{:.0} ns", figure * 1e9),
            Self::Time if figure < 1e-3 => format!("{:.1} us", figure * 1e6),
            Self::Time => format!("{:.2} ms", figure * 1e3),
            Self::Bytes => format!("{:.1} KiB", figure / 1024.0),
            Self::Cores => format!("{figure:.3} cores"),
        }
    }
}

/// All rows so far.
pub struct Report {
    only: Option<String>,
    table: Table,
    tables: Vec<String>,
    bars: Vec<Bar>,
}

impl Report {
    /// No rows; those whose name does not contain `only` are left out.
    pub fn new(only: Option<String>) -> Self {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["", "kapacitor-wasm", "beside", "", "ratio", "goal", ""]);
        Self { only, table, tables: Vec::new(), bars: Vec::new() }
    }

    /// Whether any row of this name is wanted.
    pub fn wants(&self, name: &str) -> bool {
        let wanted = self.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
        if wanted {
            eprintln!("==> {name}");
        }
        wanted
    }

    /// A figure beside that of a peer, round by round.
    pub fn compare(&mut self, what: &str, unit: Unit, ours: &[f64], peer: &str, theirs: &[f64], goal: Goal) {
        let ratio = median(&ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect::<Vec<_>>());
        let (wanted, met) = goal.judge(ratio, ratio_text);
        self.table.add_row([
            what.to_owned(),
            unit.show(median(ours)),
            peer.to_owned(),
            unit.show(median(theirs)),
            ratio_text(ratio),
            wanted,
            met,
        ]);
    }

    /// A figure with a goal of its own.
    pub fn figure(&mut self, what: &str, unit: Unit, figures: &[f64], goal: Goal) {
        let figure = median(figures);
        let (wanted, met) = goal.judge(figure, |goal| unit.show(goal));
        self.table.add_row([what, &unit.show(figure), "", "", "", &wanted, &met]);
    }

    /// The same with a peer that may not be there, which the row then says, with the reason.
    pub fn compare_with(
        &mut self,
        what: &str,
        unit: Unit,
        ours: &[f64],
        peer: &str,
        theirs: Result<&[f64], &str>,
        goal: Goal,
    ) {
        match theirs {
            Ok(theirs) => self.compare(what, unit, ours, peer, theirs, goal),
            Err(reason) => self.absent(what, peer, reason),
        }
    }

    /// A table of its own, which is printed before the large one.
    pub fn table(&mut self, title: &str, table: &Table) {
        self.tables.push(format!("{title}:\n\n{table}\n"));
    }

    /// A row of something that can't be measured here, with the reason.
    pub fn absent(&mut self, what: &str, peer: &str, reason: &str) {
        self.table.add_row([what, "", peer, &format!("not there: {reason}"), "", "", ""]);
    }

    /// A bar of the chart: what did how many points for each second.
    pub fn bar(&mut self, group: &str, name: &str, points_per_second: &[f64]) {
        let points_per_second = median(points_per_second);
        self.bars.push(Bar { group: group.to_owned(), name: name.to_owned(), points_per_second });
    }

    /// Prints the table, and what it was taken on.
    pub fn print(&self) {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        println!("\n{} cores, {}\n", cores, processor().unwrap_or_default());
        for table in &self.tables {
            println!("{table}");
        }
        println!("{}", self.table);
    }

    /// Writes the chart.
    pub fn draw(&self, path: &Path) -> Result<()> {
        if self.bars.is_empty() {
            return Ok(());
        }
        std::fs::write(path, chart::svg(&self.bars)).with_context(|| path.display().to_string())?;
        println!("\n{}", path.display());
        Ok(())
    }
}

impl Goal {
    fn judge(self, figure: f64, show: impl Fn(f64) -> String) -> (String, String) {
        let (sign, goal, met) = match self {
            Self::AtLeast(goal) => ("≥", goal, figure >= goal),
            Self::AtMost(goal) => ("≤", goal, figure <= goal),
            Self::None => return (String::new(), String::new()),
        };
        (format!("{sign} {}", show(goal)), if met { "met" } else { "missed" }.to_owned())
    }
}

/// Of less than a tenth the inverse tells more.
fn ratio_text(ratio: f64) -> String {
    match ratio {
        0.1.. => format!("{ratio:.2}"),
        _ => format!("1/{:.1}", 1.0 / ratio),
    }
}

/// The middle one.
pub fn median(figures: &[f64]) -> f64 {
    quantile(figures, 0.5)
}

/// The figure that this share of all is not above.
pub fn quantile(figures: &[f64], share: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

/// Times in seconds.
pub fn seconds(times: &[Duration]) -> Vec<f64> {
    times.iter().map(Duration::as_secs_f64).collect()
}

fn processor() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    line.split(':').nth(1).map(|name| name.trim().to_owned())
}
