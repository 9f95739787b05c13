//! Log lines about a count that grows: few, however fast it grows.

/// Says when a count that only grows has a line in the log: when it is no longer zero, and then each time that it has
/// grown to ten times what the last line said.
#[derive(Debug, Default)]
pub(crate) struct Tenfold {
    /// The count at which there is the next line.
    next: u64,
}

impl Tenfold {
    /// Whether there is a line for `count`, of which the log has been told then.
    pub(crate) fn is_due(&mut self, count: u64) -> bool {
        let due = count > 0 && count >= self.next;
        if due {
            self.next = count.saturating_mul(10);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_tenth_and_hundredth_have_a_line() {
        let mut tenfold = Tenfold::default();
        let due: Vec<u64> = (0..=1000).filter(|count| tenfold.is_due(*count)).collect();
        assert_eq!(due, [1, 10, 100, 1000]);
        // A count may leap.
        assert!(tenfold.is_due(25_000) && !tenfold.is_due(25_000) && !tenfold.is_due(249_999));
        assert!(tenfold.is_due(250_000));
    }
}
