//! Makes a module show the state that a snapshot needs.

use std::borrow::Cow;

use super::admission_error::one_line;
use crate::sandbox::NotCapturable;

/// The valid module `bytes` with its hidden globals exported. A module for which that is not enough stays as it is,
/// without snapshots.
pub(super) fn instrumented(bytes: &[u8]) -> (Cow<'_, [u8]>, Result<(), NotCapturable>) {
    match wasmtime_wizer::Wizer::new().instrument(bytes) {
        Ok((_, instrumented)) => (instrumented.into(), Ok(())),
        Err(e) => (bytes.into(), Err(NotCapturable(one_line(&e)))),
    }
}
