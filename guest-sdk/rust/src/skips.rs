//! The skips of a task.

use crate::error::Error;
use crate::log;

/// Counts skips, and logs the 1st, 10th, 100th... of them: a misspelt field name shows in the log and
/// does not fill it.
#[derive(Debug, Default)]
pub struct Skips(u64);

impl Skips {
    /// Counts a skip.
    #[cold]
    pub(crate) fn add(&mut self, error: &Error) {
        let logged = self.next_is_logged();
        self.0 += 1;
        if logged {
            log::warn(format_args!("{} skipped so far, now because: {error}", self.0));
        }
    }

    /// Whether the next skip will be logged.
    fn next_is_logged(&self) -> bool {
        let next = self.0 + 1;
        next == 10u64.pow(next.ilog10())
    }

    /// Adds the group to the message of an error, unless the error is a skip that nobody will read.
    #[cold]
    pub(crate) fn in_group(&self, error: Error, group: &[u8]) -> Error {
        if group.is_empty() || error.is_skip() && !self.next_is_logged() {
            error
        } else {
            error.context(format_args!("group `{}`", crate::wire::text(group)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Skips;
    use crate::error::Error;

    #[test]
    fn only_errors_that_are_read_name_their_group() {
        let mut skips = Skips::default();
        let mut named = Vec::new();
        for number in 1..=1000 {
            let error = skips.in_group(Error::skip("small"), b"host=a");
            if error.to_string() == "group `host=a`: small" {
                named.push(number);
            }
            assert_eq!(skips.in_group(Error::new("large"), b"host=a").to_string(), "group `host=a`: large");
            assert_eq!(skips.in_group(Error::skip("small"), b"").to_string(), "small");
            skips.add(&error);
        }
        assert_eq!(named, [1, 10, 100, 1000]);
    }
}
