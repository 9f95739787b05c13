//! Cases: what a plugin is to make of an input, and two proofs that come with each.

mod case;
mod compare;
mod outcome;
mod play;
mod proofs;
mod run;

pub use self::case::{Case, CaseError, find_cases, write_expected};
pub use self::outcome::{CaseOutcome, Proof};
pub use self::run::run_case;
