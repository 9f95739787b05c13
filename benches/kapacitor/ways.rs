//! The ways to run a UDF, and what they have cost.

use comfy_table::{Table, presets};

use crate::report::{Goal, Report, Unit, median};

/// The host, whose sockets kapacitord connects to.
pub const SOCKET: &str = "kapacitor-wasm, socket";
/// The host as a child of kapacitord.
pub const STDIO: &str = "kapacitor-wasm, stdio";
/// Kapacitor's agent in Go with a socket as stdin and stdout.
pub const GO_SOCKET: &str = "Go agent, socket";
/// Kapacitor's agent in Go as a child of kapacitord.
pub const GO_STDIO: &str = "Go agent, stdio";
/// Kapacitor's agent in Python as a child of kapacitord.
pub const PYTHON_STDIO: &str = "Python agent, stdio";
/// The same pipeline without a UDF.
pub const NONE: &str = "none";

/// What one run has cost.
#[derive(Clone, Copy)]
pub struct Figures {
    /// Points of all tasks.
    pub points_per_second: f64,
    /// CPU seconds of kapacitord for each point of each task.
    pub kapacitord: f64,
    /// CPU seconds of the UDF for each point of each task.
    pub udf: f64,
}

impl Figures {
    /// CPU seconds of both.
    pub fn both(&self) -> f64 {
        self.kapacitord + self.udf
    }

    fn rate(&self) -> f64 {
        self.points_per_second
    }
}

/// One way to run a UDF.
pub struct Way {
    /// What the rows call it.
    pub name: &'static str,
    /// The beginning of the names of its functions.
    pub functions: &'static str,
    /// The process behind the socket, `None` for children of kapacitord; or why it is not there.
    pub server: Result<Option<u32>, String>,
    /// What was measured, round by round.
    pub figures: Vec<Figures>,
}

impl Way {
    /// Nothing is measured yet.
    pub fn new(name: &'static str, functions: &'static str, server: Result<Option<u32>, String>) -> Self {
        Self { name, functions, server, figures: Vec::new() }
    }

    fn of(&self, figure: fn(&Figures) -> f64) -> Vec<f64> {
        self.figures.iter().map(figure).collect()
    }
}

/// All ways that were compared.
pub struct Ways(pub Vec<Way>);

impl Ways {
    /// What was measured of one way, round by round, or why it is not there.
    pub fn of(&self, name: &str, figure: fn(&Figures) -> f64) -> Result<Vec<f64>, String> {
        let way = self.0.iter().find(|way| way.name == name).ok_or("not measured")?;
        way.server.clone().map(|_| way.of(figure))
    }

    /// The better agent of each round, by `better` of two figures.
    fn best(&self, figure: fn(&Figures) -> f64, better: fn(f64, f64) -> f64) -> Result<Vec<f64>, String> {
        let (go, python) = (self.of(GO_STDIO, figure), self.of(PYTHON_STDIO, figure));
        match (go, python) {
            (Ok(go), Ok(python)) => Ok(go.into_iter().zip(python).map(|(a, b)| better(a, b)).collect()),
            (one, other) => one.or(other),
        }
    }

    /// Rows that compare the host with the better one of Kapacitor's agents.
    pub fn beside_best_agent(&self, report: &mut Report) {
        for name in [SOCKET, STDIO] {
            let mut row = |what: &str, unit, figure, better, goal| {
                let what = format!("through kapacitord, {name}: {what}");
                let theirs = self.best(figure, better);
                let theirs = theirs.as_deref().map_err(String::as_str);
                let ours = self.of(name, figure).unwrap_or_default();
                report.compare_with(&what, unit, &ours, "best agent, stdio", theirs, goal);
            };
            row("points/s", Unit::PointsPerSecond, Figures::rate, f64::max, Goal::AtLeast(1.5));
            // An agent that takes much itself lets kapacitord take less.
            row("CPU of kapacitord", Unit::Time, |f| f.kapacitord, f64::max, Goal::AtMost(1.0));
            row("CPU of both", Unit::Time, Figures::both, f64::min, Goal::AtMost(0.65));
            let what = format!("through kapacitord, {name}: CPU of the host for each point");
            let ours = self.of(name, |f| f.udf).unwrap_or_default();
            report.figure(&what, Unit::Time, &ours, Goal::AtMost(1e-6));
        }
    }

    /// Bars of the chart.
    pub fn draw(&self, report: &mut Report) {
        for way in &self.0 {
            if way.server.is_ok() {
                report.bar("through kapacitord", way.name, &way.of(Figures::rate));
            }
        }
    }

    /// All ways with the medians of their figures.
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["UDF", "points/s", "CPU of kapacitord", "CPU of the UDF", "CPU of both"]);
        for way in &self.0 {
            let of = |unit: Unit, figure: fn(&Figures) -> f64| unit.show(median(&way.of(figure)));
            match &way.server {
                Err(reason) => table.add_row([way.name, &format!("not there: {reason}"), "", "", ""]),
                Ok(_) => table.add_row([
                    way.name,
                    &of(Unit::PointsPerSecond, Figures::rate),
                    &of(Unit::Time, |f| f.kapacitord),
                    &of(Unit::Time, |f| f.udf),
                    &of(Unit::Time, Figures::both),
                ]),
            };
        }
        table
    }
}
