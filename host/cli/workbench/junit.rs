//! The results of cases in the `JUnit` format, which systems for continuous integration read.

use anyhow::Result;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::workbench::CaseOutcome;

/// The results of the cases of `plugin`.
///
/// # Errors
///
/// When they can't be expressed.
pub fn write(plugin: &str, outcomes: &[CaseOutcome]) -> Result<String> {
    let mut report = Report::new("kapacitor-wasm test");
    let mut suite = TestSuite::new(plugin);
    for outcome in outcomes {
        let mut status = TestCaseStatus::success();
        if !outcome.passed() {
            status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let problems = outcome.all_problems();
            status.set_message(problems.first().cloned().unwrap_or_default());
            status.set_description(problems.join("\n"));
        }
        let mut case = TestCase::new(outcome.name.as_str(), status);
        case.set_time(outcome.took).set_classname(plugin);
        if !outcome.log.is_empty() {
            case.set_system_out(outcome.log.join("\n"));
        }
        suite.add_test_case(case);
    }
    report.add_test_suite(suite);
    Ok(report.to_string()?)
}
