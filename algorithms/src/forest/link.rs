//! What is made of the sums of the trees.

use serde::Deserialize;

/// How a prediction is computed from sums. `factor` is a number of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// The sums are the prediction.
    Identity,
    /// `1 / (1 + exp(-factor * sum))`, for each output by itself.
    Sigmoid,
    /// `exp(sum)` divided by the sum of that over all outputs.
    Softmax,
    /// `exp(sum)`, for what is never negative.
    Exponential,
    /// `2^(-sum / factor)`: the score of an isolation forest, by Liu, Ting and Zhou, *Isolation Forest*, 2008. The sum is
    /// the mean length of the way to a leaf, and `factor` the one that is expected.
    PathLength,
}

impl Link {
    /// Makes predictions of the sums of a row.
    pub fn apply(self, factor: f64, sums: &[f64], predictions: &mut Vec<f64>) {
        predictions.clear();
        match self {
            Self::Identity => predictions.extend_from_slice(sums),
            Self::Sigmoid => predictions.extend(sums.iter().map(|sum| 1.0 / (1.0 + (-factor * sum).exp()))),
            Self::Exponential => predictions.extend(sums.iter().map(|sum| sum.exp())),
            Self::PathLength => predictions.extend(sums.iter().map(|sum| (-sum / factor).exp2())),
            Self::Softmax => {
                // The largest becomes 1, so that no sum is infinite.
                let largest = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                predictions.extend(sums.iter().map(|sum| (sum - largest).exp()));
                let all: f64 = predictions.iter().sum();
                predictions.iter_mut().for_each(|value| *value /= all);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(link: Link, factor: f64, sums: &[f64]) -> Vec<f64> {
        let mut predictions = vec![9.0];
        link.apply(factor, sums, &mut predictions);
        predictions
    }

    #[test]
    fn values_are_those_of_the_formulas() {
        assert_eq!(applied(Link::Identity, 1.0, &[-3.5]), [-3.5]);
        assert_eq!(applied(Link::Sigmoid, 2.0, &[0.0, 1e6, -1e6]), [0.5, 1.0, 0.0]);
        assert!((applied(Link::Sigmoid, 2.0, &[0.5])[0] - 0.731_058_578_630_004_9).abs() < 1e-15);
        assert!((applied(Link::Exponential, 1.0, &[1.0])[0] - std::f64::consts::E).abs() < 1e-15);
        assert_eq!(applied(Link::PathLength, 4.0, &[8.0]), [0.25]);
        assert_eq!(applied(Link::Softmax, 1.0, &[1e300, 1e300, 0.0]), [0.5, 0.5, 0.0]);
        let thirds = applied(Link::Softmax, 1.0, &[0.0, 2_f64.ln()]);
        assert!((thirds[0] - 1.0 / 3.0).abs() < 1e-15 && (thirds[1] - 2.0 / 3.0).abs() < 1e-15);
    }
}
