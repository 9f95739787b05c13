//! Rules for the names of results.

use kapacitor_guest::prelude::*;

/// Checks that no two results of a plugin have the same name: the second one would take the place of the first.
///
/// ```
/// assert!(algorithms::different_names(&["score", "anomaly"]).is_ok());
/// let error = algorithms::different_names(&["d", "p", "p"]).unwrap_err();
/// assert_eq!(error.to_string(), "two results have the name `p`: choose another");
/// ```
///
/// # Errors
///
/// The sentence that the task ends with.
pub fn different_names(names: &[&str]) -> Result<()> {
    let mut names = names.to_vec();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::new(format!("two results have the name `{}`: choose another", pair[0]))),
        None => Ok(()),
    }
}
