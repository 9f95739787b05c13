//! Where the smoothing begins: level, trend and season of the numbers of the warm-up.

use super::{Model, Smoothing};

impl Model {
    /// The model of the numbers of the warm-up, all of which it has smoothed; `None` if they have no such model.
    ///
    /// With a season, there are two of them. The trend is the difference of their means, the level that of the line
    /// through the mean of all, one step before the first number, and the season the mean of both without the line.
    /// Without a season, level and trend are the line of the least squares.
    pub fn start(values: &[f64], smoothing: &Smoothing) -> Option<Self> {
        let (level, trend) = if smoothing.season == 0 { line(values) } else { line_of_seasons(values) };
        let season = match smoothing.season {
            0 => vec![if smoothing.multiplicative { 1.0 } else { 0.0 }],
            length => season(values, length, level, trend, smoothing.multiplicative),
        };
        let mut model = Self {
            multiplicative: smoothing.multiplicative,
            level,
            trend,
            season,
            place: 0,
            variance: 0.0,
            count: 0,
            strange: 0,
        };
        // Factors must be above 0, and the line that they are of.
        if smoothing.multiplicative && model.season.iter().any(|factor| factor.is_nan() || *factor <= 0.0) {
            return None;
        }
        let is_sound = model.replay(values, smoothing);
        is_sound.then_some(model)
    }

    /// Smooths the numbers that the model was made of.
    fn replay(&mut self, values: &[f64], smoothing: &Smoothing) -> bool {
        let plain = Smoothing { clip: f64::INFINITY, delta: f64::MIN_POSITIVE, ..*smoothing };
        let is_sound = values.iter().all(|value| self.learn(*value, &plain));
        if smoothing.season > 0 {
            // Each value of the season is the mean of two numbers, from which their mean square is a third of that of a
            // new number.
            self.variance *= 3.0;
        }
        is_sound && self.variance.is_finite()
    }
}

/// The line of the least squares through numbers at the steps 1, 2, 3...: its level at 0, and its trend.
fn line(values: &[f64]) -> (f64, f64) {
    let (count, mean) = (values.len() as f64, mean(values));
    let middle = (count + 1.0) / 2.0;
    let products = (1..).zip(values).map(|(step, value)| (f64::from(step) - middle) * (value - mean));
    let trend = products.sum::<f64>() / (count * (count * count - 1.0) / 12.0);
    (mean - trend * middle, trend)
}

/// The line through the means of two seasons: its level one step before the first number, and its trend.
fn line_of_seasons(values: &[f64]) -> (f64, f64) {
    let (first, second) = values.split_at(values.len() / 2);
    let trend = (mean(second) - mean(first)) / first.len() as f64;
    (mean(values) - trend * (values.len() + 1) as f64 / 2.0, trend)
}

/// The mean of two seasons without a line. A place where the line is 0 or less has no factor, which is NaN.
fn season(values: &[f64], length: usize, level: f64, trend: f64, multiplicative: bool) -> Vec<f64> {
    let without_line = |step: usize| {
        let line = level + trend * (step + 1) as f64;
        match multiplicative {
            true if line > 0.0 => values[step] / line,
            true => f64::NAN,
            false => values[step] - line,
        }
    };
    (0..length).map(|step| (without_line(step) + without_line(step + length)) / 2.0).collect()
}

/// The mean, as far from an overflow as its numbers are.
fn mean(values: &[f64]) -> f64 {
    let first = values[0];
    first + values.iter().map(|value| value - first).sum::<f64>() / values.len() as f64
}
