//! Counts what happens again and again, and is not to fill the log.

/// A count that is told the 1st, 10th, 100th time, and so on.
#[derive(Debug)]
pub struct Tally {
    count: u64,
    /// The count that is told next.
    next: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self { count: 0, next: 1 }
    }
}

impl Tally {
    /// Counts up to `count`. Returns it if it is to be told.
    pub fn reach(&mut self, count: u64) -> Option<u64> {
        self.count = self.count.max(count);
        if self.count < self.next {
            return None;
        }
        while self.next <= self.count {
            self.next = self.next.saturating_mul(10);
            if self.next == u64::MAX {
                break;
            }
        }
        Some(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_power_of_ten_is_told_once() {
        let mut tally = Tally::default();
        let told: Vec<u64> = (0..=1_000).filter_map(|count| tally.reach(count)).collect();
        assert_eq!(told, [1, 10, 100, 1_000]);
        assert_eq!((tally.reach(54_321), tally.reach(60_000)), (Some(54_321), None));
        assert_eq!((tally.reach(u64::MAX), tally.reach(5)), (Some(u64::MAX), None));
    }
}
