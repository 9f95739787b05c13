//! The detector that tests the scoring: its published result is known.

use std::collections::VecDeque;

/// NAB's windowed Gaussian detector: how far a value is in the tail of a normal distribution.
///
/// The mean and the standard deviation are those of a window of up to [`WindowedGaussian::WINDOW`] values. They follow
/// each value until the window is full, and then every [`WindowedGaussian::STEP`] values. Published are 39.6 for the
/// standard profile, 20.9 and 47.4: the results of scores with 12 digits. (With all digits they are 40.1, 23.9 and 47.7,
/// since values far in the tail are told apart.)
#[derive(Clone, Debug)]
pub struct WindowedGaussian {
    window: VecDeque<f64>,
    /// Values that came since the window was full; they enter it together.
    waiting: Vec<f64>,
    mean: f64,
    deviation: f64,
}

impl WindowedGaussian {
    /// The number of values of a full window.
    pub const WINDOW: usize = 6400;
    /// The number of values by which a full window moves.
    pub const STEP: usize = 100;

    /// A detector that has seen nothing.
    pub fn new() -> Self {
        Self { window: VecDeque::new(), waiting: Vec::new(), mean: 0.0, deviation: 1.0 }
    }

    /// 1 less the probability of a value that is at least as far from the mean on the same side, rounded to 12 digits: 0.5
    /// to 1. The first value has 0.
    pub fn score(&mut self, value: f64) -> f64 {
        let score =
            if self.window.is_empty() { 0.0 } else { ((1.0 - self.tail(value)) * 1e12).round() / 1e12 };
        if self.window.len() < Self::WINDOW {
            self.window.push_back(value);
            self.measure();
            return score;
        }
        self.waiting.push(value);
        if self.waiting.len() == Self::STEP {
            self.window.drain(..Self::STEP);
            self.window.extend(self.waiting.drain(..));
            self.measure();
        }
        score
    }

    fn tail(&self, value: f64) -> f64 {
        0.5 * libm::erfc((value - self.mean).abs() / self.deviation / std::f64::consts::SQRT_2)
    }

    fn measure(&mut self) {
        let count = self.window.len() as f64;
        self.mean = self.window.iter().sum::<f64>() / count;
        let squares: f64 = self.window.iter().map(|value| (value - self.mean).powi(2)).sum();
        self.deviation = (squares / count).sqrt();
        if self.deviation == 0.0 {
            self.deviation = 1e-6;
        }
    }
}

impl Default for WindowedGaussian {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn score_is_the_tail_of_the_window() {
        let mut detector = WindowedGaussian::new();
        assert_eq!(detector.score(1.0), 0.0);
        assert_eq!(detector.score(1.0), 0.5);
        detector.score(3.0);
        detector.score(3.0);
        // Mean 2, deviation 1: 1.96 deviations leave 2.5 % on one side.
        for value in [2.0 + 1.959_963_984_540_054, 2.0 - 1.959_963_984_540_054] {
            assert!((detector.clone().score(value) - 0.975).abs() < 1e-12);
        }
    }

    #[test]
    fn a_full_window_moves_by_steps() {
        let mut detector = WindowedGaussian::new();
        (0..WindowedGaussian::WINDOW).for_each(|number| _ = detector.score((number % 2) as f64));
        let before = detector.mean;
        (1..WindowedGaussian::STEP).for_each(|_| _ = detector.score(9.0));
        assert_eq!(detector.mean, before);
        detector.score(9.0);
        assert_eq!(detector.mean, (6300.0 * 0.5 + 900.0) / 6400.0);
    }
}
