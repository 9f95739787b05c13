//! The matrix profile of a series: for each part of it, how far away the part is that is most like it.
//!
//! Parts are compared by their shape: both are shifted and scaled so that their mean is 0 and their standard deviation 1.
//! The distance is the Euclidean one: 0 for the same shape, and up to 2 √m for parts of m numbers.
//!
//! Source: C.-C. M. Yeh et al., *Matrix profile I: all pairs similarity joins for time series*, IEEE ICDM, 2016; by
//! diagonals, with the recurrence of covariances of Z. Zimmerman et al., *Matrix profile XIV: scaling time series motif
//! discovery with GPUs to break a quintillion pairwise comparisons a day and beyond*, ACM Symposium on Cloud
//! Computing, 2019.

use std::num::NonZeroUsize;

use algorithms::centered;
use kapacitor_guest::statistics::{Extent, Moments, Sliding};

/// The covariances of a diagonal are computed anew where parts have become smaller than before by this factor, since
/// the rounding errors of the large ones would be large for them.
const SMALLER: f64 = 1e-3;

/// The parts of a series, of the same length each.
pub struct Parts {
    /// The series, shifted and scaled, so that it has numbers around 0 and below 2. That changes no shape.
    series: Vec<f64>,
    length: usize,
    means: Vec<f64>,
    /// The root of the sum of the squared distances from the mean; 0 if all numbers are the same.
    norms: Vec<f64>,
}

impl Parts {
    /// All parts of `length` finite numbers, at least 2; `None` if there are none.
    pub fn of(series: &[f64], length: usize) -> Option<Self> {
        let count = (series.len() + 1).checked_sub(length).filter(|count| *count > 0)?;
        let (series, mut window) = (centered(series), Sliding::<Moments>::default());
        let extent = Extent::last(NonZeroUsize::new(length)?);
        let (mut means, mut norms) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for (number, value) in series.iter().enumerate() {
            window.push(0, *value, extent);
            let moments = window.aggregate().filter(|_| number + 1 >= length);
            if let Some((mean, variance)) = moments.and_then(|m| Some((m.mean()?, m.population_variance()?)))
            {
                means.push(mean);
                norms.push((variance * length as f64).sqrt());
            }
        }
        Some(Self { series, length, means, norms })
    }

    /// The number of parts that are next to one on each side, and too much like it to be compared with it.
    pub fn zone(&self) -> usize {
        self.length.div_ceil(4)
    }

    /// The distance of each part from the one that is most like it, of those that are not within [`Parts::zone`];
    /// `None` if there are none.
    pub fn profile(&self) -> Option<Vec<f64>> {
        let count = self.means.len();
        let first = self.zone() + 1;
        if count <= first {
            return None;
        }
        let mut nearest = Nearest::new(self);
        for offset in first..count {
            nearest.diagonal(offset);
        }
        let constants: Vec<usize> = (0..count).filter(|part| self.norms[*part] == 0.0).collect();
        let far_from = |part: usize, other: Option<&usize>| other.is_some_and(|o| o.abs_diff(part) >= first);
        let profile = (0..count).map(|part| {
            // The correlations have rounding errors; the distance has hardly any.
            let others = nearest.of(part).map(|other| self.distance(part, other));
            let constant =
                [constants.first(), constants.last()].into_iter().find(|c| far_from(part, *c)).flatten();
            let constant = constant.map(|other| self.distance(part, *other));
            others.into_iter().chain(constant).fold(f64::INFINITY, f64::min)
        });
        // A part in the middle of a short series may have no other one that is far enough.
        Some(profile.map(|distance| if distance.is_finite() { distance } else { 0.0 }).collect())
    }

    fn part(&self, start: usize) -> &[f64] {
        &self.series[start..start + self.length]
    }

    /// The distance of two parts. A part in which all numbers are the same has no shape: it is √m from any other part,
    /// and 0 from another one without a shape.
    fn distance(&self, a: usize, b: usize) -> f64 {
        match (self.norms[a] == 0.0, self.norms[b] == 0.0) {
            (true, true) => 0.0,
            (false, false) => {
                let scale = |part: usize| (self.means[part], 1.0 / self.norms[part]);
                let ((mean_a, scale_a), (mean_b, scale_b)) = (scale(a), scale(b));
                let differences = self.part(a).iter().zip(self.part(b)).map(|(x, y)| {
                    let difference = (x - mean_a) * scale_a - (y - mean_b) * scale_b;
                    difference * difference
                });
                (differences.sum::<f64>() * self.length as f64).sqrt()
            }
            _ => (self.length as f64).sqrt(),
        }
    }

    fn covariance(&self, a: usize, b: usize) -> f64 {
        let (mean_a, mean_b) = (self.means[a], self.means[b]);
        self.part(a).iter().zip(self.part(b)).map(|(x, y)| (x - mean_a) * (y - mean_b)).sum()
    }
}

/// The most alike parts that were found so far.
struct Nearest<'a> {
    parts: &'a Parts,
    /// What the covariance of two parts changes by, when both go on by one number, is
    /// `steps[i] * turns[j] + steps[j] * turns[i]`.
    steps: Vec<f64>,
    turns: Vec<f64>,
    /// 1 divided by the norm, and 0 for parts without a shape.
    scales: Vec<f64>,
    /// The parts at which covariances are computed anew.
    anew: Vec<usize>,
    /// The largest correlation with a part behind, and that part's number.
    behind: Best,
    /// The same for parts before.
    before: Best,
}

/// How much longer than all steps of a diagonal its covariances that are computed anew may take.
const MOST_ANEW: usize = 4;

/// The parts at which covariances are computed anew, which takes as long as `length` steps. If there are so many that this
/// would take longer than [`MOST_ANEW`] times all steps, the parts must be smaller still: a part may then have a neighbour
/// that is not the nearest.
fn anew(norms: &[f64], length: usize) -> Vec<usize> {
    let mut smaller = SMALLER;
    loop {
        let (mut anew, mut largest) = (Vec::new(), 0.0);
        for (part, norm) in norms.iter().enumerate() {
            largest = f64::max(largest, *norm);
            if *norm < smaller * largest {
                anew.push(part);
                largest = *norm;
            }
        }
        if anew.len() * length <= MOST_ANEW * (norms.len() + length) {
            return anew;
        }
        smaller *= SMALLER;
    }
}

struct Best {
    correlations: Vec<f64>,
    parts: Vec<u32>,
}

impl Best {
    fn new(count: usize) -> Self {
        Self { correlations: vec![f64::NEG_INFINITY; count], parts: vec![0; count] }
    }
}

impl<'a> Nearest<'a> {
    fn new(parts: &'a Parts) -> Self {
        let Parts { series, length, means, norms } = parts;
        let count = means.len();
        let (mut steps, mut turns) = (vec![0.0; count], vec![0.0; count]);
        for part in 1..count {
            let (old, new) = (series[part - 1], series[part + length - 1]);
            steps[part] = (new - old) / 2.0;
            turns[part] = (new - means[part]) + (old - means[part - 1]);
        }
        let scales = norms.iter().map(|norm| if *norm > 0.0 { 1.0 / norm } else { 0.0 }).collect();
        let (behind, before) = (Best::new(count), Best::new(count));
        Self { parts, steps, turns, scales, anew: anew(norms, *length), behind, before }
    }

    /// The part that is most like this one; `None` if it was compared with none.
    fn of(&self, part: usize) -> Option<usize> {
        let (behind, before) = (self.behind.correlations[part], self.before.correlations[part]);
        let best = if behind >= before { &self.behind } else { &self.before };
        (behind.max(before) > f64::NEG_INFINITY).then(|| best.parts[part] as usize)
    }

    /// Compares all pairs of parts in which the second one is `offset` behind the first.
    fn diagonal(&mut self, offset: usize) {
        let end = self.scales.len() - offset;
        let mut starts: Vec<usize> = vec![0];
        starts.extend(self.anew.iter().filter(|part| **part < end));
        starts.extend(self.anew.iter().filter_map(|part| part.checked_sub(offset)));
        starts.sort_unstable();
        starts.dedup();
        for (number, start) in starts.iter().enumerate() {
            self.stretch(*start, starts.get(number + 1).map_or(end, |next| *next), offset);
        }
    }

    /// Compares the pairs of a diagonal whose first parts are from `start` to before `end`.
    fn stretch(&mut self, start: usize, end: usize, offset: usize) {
        let (one, other) = (start..end, start + offset..end + offset);
        let count = one.len();
        let (steps, turns, scales) =
            (&self.steps[one.clone()], &self.turns[one.clone()], &self.scales[one.clone()]);
        let other_steps = &self.steps[other.clone()][..count];
        let other_turns = &self.turns[other.clone()][..count];
        let other_scales = &self.scales[other.clone()][..count];
        let behind = &mut self.behind.correlations[one.clone()][..count];
        let behind_parts = &mut self.behind.parts[one][..count];
        let before = &mut self.before.correlations[other.clone()][..count];
        let before_parts = &mut self.before.parts[other][..count];
        let mut covariance = self.parts.covariance(start, start + offset);
        for at in 0..count {
            if at > 0 {
                covariance += steps[at] * other_turns[at] + other_steps[at] * turns[at];
            }
            let correlation = covariance * scales[at] * other_scales[at];
            if correlation > behind[at] {
                behind[at] = correlation;
                behind_parts[at] = (start + offset + at) as u32;
            }
            if correlation > before[at] {
                before[at] = correlation;
                before_parts[at] = (start + at) as u32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covariances_are_seldom_computed_anew() {
        for (cycle, length) in [(50, 25), (50, 49), (7, 3), (1000, 20)] {
            // Each number is far smaller than the one before it.
            let series: Vec<f64> = (0..1000).map(|n| 1e-4_f64.powi(n % cycle)).collect();
            let parts = Parts::of(&series, length).unwrap();
            let anew = Nearest::new(&parts).anew.len();
            assert!(anew * length <= MOST_ANEW * 1000, "{cycle} {length}: {anew}");
        }
    }
}
