//! What a case has led to.

use std::time::Duration;

use kapacitor_wasm_data::Point;

use super::compare::Differences;

/// The outcome of one proof.
#[derive(Debug)]
pub enum Proof {
    /// It holds; how it was tried, in words.
    Holds(String),
    /// It does not hold: a line for each reason.
    Fails(Vec<String>),
    /// It was not tried, for this reason.
    Skipped(String),
}

/// The outcome of a case.
#[derive(Debug)]
pub struct CaseOutcome {
    /// Name of the case.
    pub name: String,
    /// How the points differ from those that are expected: a line each.
    pub differences: Vec<String>,
    /// What else is not as expected: a line each.
    pub problems: Vec<String>,
    /// The points that came out.
    pub points: Vec<Point>,
    /// The proofs by name.
    pub proofs: Vec<(&'static str, Proof)>,
    /// What the plugin has logged, for who looks for the reason.
    pub log: Vec<String>,
    /// How long all of it took.
    pub took: Duration,
}

impl CaseOutcome {
    /// Whether all is as expected.
    pub fn passed(&self) -> bool {
        self.all_problems().is_empty()
    }

    /// All that is not as expected: a line each.
    pub fn all_problems(&self) -> Vec<String> {
        let mut problems = [&self.problems[..], &self.differences].concat();
        for (name, proof) in &self.proofs {
            if let Proof::Fails(reasons) = proof {
                problems.extend(reasons.iter().map(|reason| format!("{name}: {reason}")));
            }
        }
        problems
    }

    /// The same when the points that came out are those that are expected from now on.
    #[must_use]
    pub fn without_differences(self) -> Self {
        Self { differences: Vec::new(), ..self }
    }
}

/// The lines of some differences, with the number of those that are not told.
pub fn lines(differences: Differences) -> Vec<String> {
    let more = differences.count - differences.told.len() as u64;
    let mut lines = differences.told;
    if more > 0 {
        lines.push(format!("{more} more differences"));
    }
    lines
}
