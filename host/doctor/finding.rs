//! What the checks find.

use serde::Serialize;

/// What a check says of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is as it should be.
    Ok,
    /// The check could not be made; the text says why.
    Skipped,
    /// It works, and may surprise or fail later.
    Warning,
    /// Something does not work.
    Problem,
}

impl Verdict {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Name of the check. It stays the same in later versions.
    pub check: &'static str,
    /// What it says.
    pub verdict: Verdict,
    /// What was found.
    pub text: String,
    /// What to do. `None` if there is nothing to do, or the text says it.
    pub advice: Option<String>,
}

/// What one check finds.
pub(super) struct Findings {
    check: &'static str,
    list: Vec<Finding>,
}

impl Findings {
    /// Of the check with this name.
    pub fn of(check: &'static str) -> Self {
        Self { check, list: Vec::new() }
    }

    fn add(&mut self, verdict: Verdict, text: impl Into<String>, advice: Option<String>) {
        self.list.push(Finding { check: self.check, verdict, text: text.into(), advice });
    }

    /// Something is as it should be.
    pub fn ok(&mut self, text: impl Into<String>) {
        self.add(Verdict::Ok, text, None);
    }

    /// Something can't be looked at.
    pub fn skip(&mut self, text: impl Into<String>) {
        self.add(Verdict::Skipped, text, None);
    }

    /// Something may surprise or fail later.
    pub fn warn(&mut self, text: impl Into<String>, advice: impl Into<String>) {
        self.add(Verdict::Warning, text, Some(advice.into()));
    }

    /// Something may surprise or fail later, and the text says what to do.
    pub fn plain_warning(&mut self, text: impl Into<String>) {
        self.add(Verdict::Warning, text, None);
    }

    /// Something does not work.
    pub fn problem(&mut self, text: impl Into<String>, advice: impl Into<String>) {
        self.add(Verdict::Problem, text, Some(advice.into()));
    }

    /// Something does not work, and the text says what to do.
    pub fn plain_problem(&mut self, text: impl Into<String>) {
        self.add(Verdict::Problem, text, None);
    }

    /// Says that all is well, unless there is a warning or a problem.
    pub fn ok_if_none(&mut self, text: impl Into<String>) {
        if !self.list.iter().any(|finding| finding.verdict >= Verdict::Warning) {
            self.ok(text);
        }
    }

    /// All of them.
    pub fn list(self) -> Vec<Finding> {
        self.list
    }
}
