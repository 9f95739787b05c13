//! Says which features of a model never occur in the data.

/// How many points are watched before something is said.
const POINTS: u32 = 100;

/// Which features the first points of a task had.
#[derive(Debug, Default)]
pub(super) struct Watch {
    points: u32,
    seen: Vec<bool>,
}

impl Watch {
    /// Whether there is something to watch for, still.
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.points < POINTS
    }

    /// Takes a point: which of its features are numbers. Behind the last point that is watched, returns the places of those
    /// that were in none.
    pub(super) fn point(&mut self, has: impl Iterator<Item = bool>) -> Vec<usize> {
        for (place, has) in has.enumerate() {
            match self.seen.get_mut(place) {
                Some(seen) => *seen |= has,
                None => self.seen.push(has),
            }
        }
        self.points += 1;
        if self.is_on() {
            return Vec::new();
        }
        let seen = std::mem::take(&mut self.seen);
        seen.into_iter().enumerate().filter(|(_, seen)| !seen).map(|(place, _)| place).collect()
    }

    /// The number of points that are watched.
    pub(super) fn points() -> u32 {
        POINTS
    }
}
