//! Rules for the numbers of options, and the sentences that say them.

use kapacitor_guest::prelude::*;

/// Checks that the number of an option is at least 0 and finite.
///
/// ```
/// assert!(algorithms::at_least_zero("scale", 0.0).is_ok());
/// let error = algorithms::at_least_zero("scale", f64::NAN).unwrap_err();
/// assert_eq!(error.to_string(), "option `scale`: must be a number of at least 0");
/// ```
///
/// # Errors
///
/// The sentence that the task ends with.
pub fn at_least_zero(option: &str, value: f64) -> Result<()> {
    rule(option, value.is_finite() && value >= 0.0, "must be a number of at least 0")
}

/// Checks that the number of an option is above 0 and finite.
///
/// ```
/// assert!(algorithms::above_zero("sigma", 1e-300).is_ok());
/// let error = algorithms::above_zero("sigma", 0.0).unwrap_err();
/// assert_eq!(error.to_string(), "option `sigma`: must be a number above 0");
/// ```
///
/// # Errors
///
/// The sentence that the task ends with.
pub fn above_zero(option: &str, value: f64) -> Result<()> {
    rule(option, value.is_finite() && value > 0.0, "must be a number above 0")
}

/// Checks that the number of an option is above 0 and at most 1, as a share or a weight is.
///
/// ```
/// assert!(algorithms::share("alpha", 1.0).is_ok());
/// let error = algorithms::share("alpha", 1.5).unwrap_err();
/// assert_eq!(error.to_string(), "option `alpha`: must be a number above 0 and at most 1");
/// ```
///
/// # Errors
///
/// The sentence that the task ends with.
pub fn share(option: &str, value: f64) -> Result<()> {
    rule(option, value > 0.0 && value <= 1.0, "must be a number above 0 and at most 1")
}

/// Checks a rule for an option, which begins with "must be".
///
/// ```
/// let error = algorithms::rule("warmup", 40 < 30, "must be less than `size`").unwrap_err();
/// assert_eq!(error.to_string(), "option `warmup`: must be less than `size`");
/// ```
///
/// # Errors
///
/// The rule, with the name of the option in front of it.
pub fn rule(option: &str, holds: bool, rule: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::new(format!("option `{option}`: {rule}"))) }
}
