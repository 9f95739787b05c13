//! The warnings about groups that were too many.

use crate::aging::Crowded;
use crate::log;

/// Logs the 1st, 10th, 100th... sweep of groups that were too many.
#[derive(Debug, Default)]
pub struct Crowding {
    /// Number of decimal digits of the number of sweeps, when it was last looked at.
    digits: u32,
}

impl Crowding {
    /// Logs what was given up so far, if it is time to.
    #[inline]
    pub(crate) fn tell(&mut self, crowded: Crowded) {
        if self.is_told(crowded.sweeps) {
            let Crowded { most, groups, .. } = crowded;
            log::warn(format_args!(
                "more than {most} groups: those that were silent longest have lost their state, {groups} so far"
            ));
        }
    }

    fn is_told(&mut self, sweeps: u64) -> bool {
        let digits = sweeps.checked_ilog10().map_or(0, |log| log + 1);
        let before = std::mem::replace(&mut self.digits, digits);
        digits > before
    }
}

#[cfg(test)]
mod tests {
    use super::Crowding;

    #[test]
    fn few_sweeps_are_told() {
        let mut crowding = Crowding::default();
        let told: Vec<u64> = (0..2000).filter(|sweeps| crowding.is_told(*sweeps)).collect();
        assert_eq!(told, [1, 10, 100, 1000]);
        // Several sweeps in one run.
        let mut crowding = Crowding::default();
        let told: Vec<u64> = (0..2000).step_by(7).filter(|sweeps| crowding.is_told(*sweeps)).collect();
        assert_eq!(told, [7, 14, 105, 1001]);
    }
}
