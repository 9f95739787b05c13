//! A series: the numbers of the warm-up and then a model, and the steps between its points.

use std::time::Duration;

use algorithms::Expected;
use serde::{Deserialize, Serialize};

use crate::model::{Model, Smoothing};

/// Points in a row that are before the newest one until they are believed, since a wrong time in the future came before.
const BELIEVED: u8 = 8;

/// What is known of a series. The default knows nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Series {
    /// The time of the newest point that was learnt, in nanoseconds since 1970.
    newest: Option<i64>,
    /// Points in a row that were late.
    late: u8,
    /// The numbers of the warm-up.
    first: Vec<f64>,
    model: Option<Model>,
}

/// How many steps a point is after the newest one.
enum Steps {
    /// This many, at least one.
    On(u64),
    /// It is of the same step, or late.
    None,
}

impl Series {
    /// Takes a finite number with its time, in nanoseconds since 1970. Returns what was expected; `None` in the warm-up,
    /// and for a point that is late or the second one of a step of the length `every`.
    ///
    /// If the season has another length than before, all begins anew.
    pub fn push(
        &mut self,
        time: i64,
        value: f64,
        smoothing: &Smoothing,
        every: Option<Duration>,
    ) -> Option<Expected> {
        let is_other = self.model.as_ref().is_some_and(|model| !model.is_of(smoothing));
        if is_other || self.first.len() > smoothing.warmup() {
            *self = Self::default();
        }
        let steps = match every {
            Some(every) => self.steps(time, every),
            None => Steps::On(1),
        };
        let Steps::On(steps) = steps else { return None };
        self.newest = Some(time);
        if let Some(model) = &mut self.model
            && model.pass(steps - 1, smoothing)
        {
            let expected = model.expected(smoothing);
            if !model.learn(value, smoothing) {
                self.model = None;
            }
            return Some(expected);
        }
        self.model = None;
        self.warm_up(steps - 1, value, smoothing);
        None
    }

    /// The steps from the newest point to this one, to the nearest whole number.
    fn steps(&mut self, time: i64, every: Duration) -> Steps {
        let Some(newest) = self.newest else { return Steps::On(1) };
        let every = every.as_nanos() as i128;
        let steps = (i128::from(time) - i128::from(newest) + every / 2).div_euclid(every);
        if steps >= 0 {
            self.late = 0;
            return if steps == 0 { Steps::None } else { Steps::On(steps as u64) };
        }
        self.late += 1;
        if self.late < BELIEVED {
            return Steps::None;
        }
        // As if the newest point had been a step before this one.
        self.late = 0;
        match &mut self.model {
            Some(model) => model.turn(steps - 1),
            None => self.first.clear(),
        }
        Steps::On(1)
    }

    /// Takes a number of the warm-up, before which numbers are missing.
    fn warm_up(&mut self, missing: u64, value: f64, smoothing: &Smoothing) {
        let warmup = smoothing.warmup();
        match self.first.last().copied() {
            // Too many to say what they were.
            Some(_) if missing > warmup as u64 / 4 => self.first.clear(),
            Some(last) => {
                let step = (value - last) / (missing + 1) as f64;
                self.first.extend((1..=missing).map(|number| last + number as f64 * step));
            }
            None => {}
        }
        // Once, and no more than are needed.
        self.first.reserve_exact(warmup.saturating_sub(self.first.len()));
        self.first.push(value);
        if self.first.len() < warmup {
            return;
        }
        // A gap may have brought more than are needed.
        self.first.drain(..self.first.len() - warmup);
        self.model = Model::start(&self.first, smoothing);
        match self.model {
            Some(_) => self.first = Vec::new(),
            // The second season may be the first one of two with a model.
            None => drop(self.first.drain(..warmup / 2)),
        }
    }
}
