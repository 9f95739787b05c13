//! The sections at work.
//!
//! Each one is a state variable filter whose integrators are trapezoids. It computes exactly what the bilinear transform of
//! the section is, but in differences from its state rather than with coefficients near 1 and 2, of which little is left
//! where the cutoff is far below the rate: V. Zavalishin, *The art of VA filter design*, 2018, chapters 3 and 4; A. Simper,
//! *Linear trapezoidal integrated state variable filter*, Cytomic, 2013.

use crate::design::Section;

/// The states of the integrators of each section; none before the first number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    states: Vec<[f64; 2]>,
}

impl Filter {
    /// Takes a finite number, and returns what is left of it. `None` if that is beyond `f64`: the filter then begins anew.
    ///
    /// It begins as if the first number had been there for ever.
    pub fn push(&mut self, value: f64, sections: &[Section]) -> Option<f64> {
        if self.states.len() != sections.len() {
            self.settle(value, sections);
        }
        let filtered = self
            .states
            .iter_mut()
            .zip(sections)
            .fold(value, |value, (state, section)| section.step(state, value));
        let is_finite = filtered.is_finite() && self.states.iter().flatten().all(|state| state.is_finite());
        if !is_finite {
            self.clear();
        }
        is_finite.then_some(filtered)
    }

    /// Makes the states those that a number leads to which is there for ever.
    fn settle(&mut self, value: f64, sections: &[Section]) {
        self.states = Vec::with_capacity(sections.len());
        let mut value = value;
        for section in sections {
            let (state, low) = match section {
                Section::First { low, .. } => ([value, 0.0], low),
                Section::Second { low, .. } => ([0.0, value], low),
            };
            self.states.push(state);
            value *= low;
        }
    }

    /// Forgets all numbers.
    pub fn clear(&mut self) {
        self.states = Vec::new();
    }
}

impl Section {
    #[inline]
    fn step(&self, state: &mut [f64; 2], value: f64) -> f64 {
        match *self {
            Self::First { g, high, low } => {
                let step = (value - state[0]) * (g / (1.0 + g));
                let slow = state[0] + step;
                state[0] = slow + step;
                high * (value - slow) + low * slow
            }
            Self::Second { g, k, high, band, low } => {
                let [first, second] = *state;
                let share = 1.0 / (1.0 + g * (g + k));
                let difference = value - second;
                let middle = share * (first + g * difference);
                let slow = second + g * middle;
                *state = [2.0 * middle - first, 2.0 * slow - second];
                let fast = value - k * middle - slow;
                high * fast + band * middle + low * slow
            }
        }
    }
}

#[cfg(test)]
mod tests;
