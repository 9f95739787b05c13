//! The values of the last batches.

use std::collections::VecDeque;

/// The newest values of a field, those of a number of batches at most.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// In the order in which they came.
    values: VecDeque<f64>,
    /// How many of them each batch has, in the same order.
    lengths: VecDeque<usize>,
}

impl History {
    /// The values, in no particular order.
    pub fn values(&self) -> Vec<f64> {
        self.values.iter().copied().collect()
    }

    /// Adds the values of a batch, of which there must be some. Keeps those of the newest `batches`, and of these the
    /// newest `most` values.
    pub fn push(&mut self, values: &[f64], batches: usize, most: usize) {
        let newest = &values[values.len().saturating_sub(most)..];
        let mut leaving = (self.values.len() + newest.len()).saturating_sub(most);
        let length = |lengths: &VecDeque<usize>| lengths.front().copied().unwrap_or(0);
        // The batches that leave as a whole.
        while self.lengths.len() >= batches || (leaving > 0 && length(&self.lengths) <= leaving) {
            let first = self.lengths.pop_front().unwrap_or(0);
            self.values.drain(..first);
            leaving = leaving.saturating_sub(first);
        }
        // The part of the oldest one that leaves.
        self.values.drain(..leaving);
        if let Some(oldest) = self.lengths.front_mut() {
            *oldest -= leaving;
        }
        // A capacity that doubles would take up to twice the memory.
        self.values.reserve_exact(newest.len());
        self.values.extend(newest);
        self.lengths.push_back(newest.len());
    }
}
