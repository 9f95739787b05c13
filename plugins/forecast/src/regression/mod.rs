//! The sums of a window, without errors of what has left it.
//!
//! The window is a queue of two stacks: K. Tangwongsan, M. Hirzel and S. Schneider, *Low-latency sliding-window aggregation
//! in worst-case constant time*, ACM DEBS, 2017, where it is called Two-Stacks. The sums of the younger points are one
//! [`Sums`]. Of the older ones, the sums of each point and all after it would take more memory than the points
//! themselves. So they are kept for each 16th point, and for the points before the first of these.

use kapacitor_guest::statistics::{Extent, Window};

use crate::line::Sums;

/// Points from one kept sum to the next.
const STRIDE: usize = 16;

/// The last points of a series, and the sums of them.
#[derive(Debug, Default)]
pub struct Regression {
    /// The points with their own times: that of the window is the newest one for a late point.
    window: Window<(i64, f64)>,
    /// The number of older points.
    older: usize,
    /// The sums of the last 16, 32, 48... older points.
    coarse: Vec<Sums>,
    /// The sums of all older points, at the end, and before it of all but the first, but the first two... down to those of
    /// which `coarse` has the sums.
    fine: Vec<Sums>,
    /// The sums of the younger points.
    younger: Option<Sums>,
}

impl Regression {
    /// Adds a point with its time in nanoseconds since 1970, and removes those that `extent` does not reach. Returns
    /// whether the point was taken.
    pub fn push(&mut self, time: i64, value: f64, extent: Extent) -> bool {
        let before = self.window.len();
        if !self.window.push(time, (time, value), extent) {
            return false;
        }
        let left = before + 1 - self.window.len();
        if left > self.older {
            self.turn_over();
            return true;
        }
        let one = Sums::one(time, value);
        self.younger = Some(self.younger.as_ref().map_or(one, |younger| younger.merge(&one)));
        self.older -= left;
        self.renew_fine();
        true
    }

    /// Makes all points older ones.
    fn turn_over(&mut self) {
        self.coarse.clear();
        self.fine.clear();
        let mut later: Option<Sums> = None;
        for (number, (_, (time, value))) in (1..).zip(self.window.iter().rev()) {
            let one = Sums::one(*time, *value);
            let sums = later.as_ref().map_or(one, |later| one.merge(later));
            if number % STRIDE == 0 {
                self.coarse.push(sums);
            }
            later = Some(sums);
        }
        self.older = self.window.len();
        self.younger = None;
        self.renew_fine();
    }

    /// Removes the sums of points that have left, and makes those of the points before the first kept sum.
    fn renew_fine(&mut self) {
        let (strides, rest) = (self.older / STRIDE, self.older % STRIDE);
        if self.coarse.len() == strides && self.fine.len() >= rest {
            self.fine.truncate(rest);
            return;
        }
        self.coarse.truncate(strides);
        self.fine.clear();
        let mut first = [(0, 0.0); STRIDE];
        for (copy, (_, point)) in first[..rest].iter_mut().zip(self.window.iter()) {
            *copy = *point;
        }
        let mut later = self.coarse.last().copied();
        for (time, value) in first[..rest].iter().rev() {
            let one = Sums::one(*time, *value);
            let sums = later.as_ref().map_or(one, |later| one.merge(later));
            self.fine.push(sums);
            later = Some(sums);
        }
    }

    /// The number of points.
    pub fn len(&self) -> usize {
        self.window.len()
    }

    /// The time of the oldest point.
    pub fn oldest(&self) -> Option<i64> {
        self.window.oldest().map(|(_, (time, _))| *time)
    }

    /// The sums of all points; `None` without any.
    pub fn sums(&self) -> Option<Sums> {
        match (self.fine.last().or(self.coarse.last()), &self.younger) {
            (Some(older), Some(younger)) => Some(older.merge(younger)),
            (older, younger) => older.or(younger.as_ref()).copied(),
        }
    }
}

#[cfg(test)]
mod tests;
