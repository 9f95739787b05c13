//! The skips of a task.

use crate::error::Error;
use crate::log;

/// Counts skips, and logs the 1st, 10th, 100th... of them: a misspelt field name shows in the log and
/// does not fill it. The host is told how many points were skipped.
#[derive(Debug, Default)]
pub struct Skips {
    /// Number of skips.
    skips: u64,
    /// Number of points that were skipped, and that the host was not told of.
    untold: u64,
}

impl Skips {
    /// Counts a skip of this number of points.
    #[cold]
    pub(crate) fn add(&mut self, error: &Error, points: u64) {
        let logged = self.next_is_logged();
        self.skips += 1;
        self.untold += points;
        #[cfg(not(target_family = "wasm"))]
        crate::log_native::skipped_because(error);
        if logged {
            log::warn(format_args!("{} skipped so far, now because: {error}", self.skips));
        }
    }

    /// Tells the host how many points the call has skipped.
    pub(crate) fn tell(&mut self) {
        if self.untold > 0 {
            log::skipped(std::mem::take(&mut self.untold));
        }
    }

    /// Whether the next skip will be logged.
    fn next_is_logged(&self) -> bool {
        let next = self.skips + 1;
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
            skips.add(&error, 1);
        }
        assert_eq!(named, [1, 10, 100, 1000]);
    }
}
