//! The saliency of the points of a series: how much each one stands out from what the spectrum says of the series.
//!
//! Source: H. Ren et al., *Time-series anomaly detection service at Microsoft*, ACM KDD, 2019, section 3.1; the spectral
//! residual is from X. Hou and L. Zhang, *Saliency detection: a spectral residual approach*, IEEE CVPR, 2007.

use algorithms::centered;
use std::sync::Arc;

use rustfft::algorithm::{BluesteinsAlgorithm, Radix4};
use rustfft::num_complex::Complex;
use rustfft::{Fft, FftDirection};

/// The number of points whose slopes say how the series goes on: `m` of the paper.
const LOOK_BACK: usize = 5;

/// Frequencies whose amplitude is less than this share of the largest are nothing but rounding errors.
const NOTHING: f64 = 1e-10;

/// The saliency of each point of a series of finite numbers; shift and scale of the series have no effect.
///
/// `width` frequencies, an odd number, are averaged for what is usual in the spectrum. The series is continued by
/// `estimated` points, so that its last points are not at the end of what is transformed.
pub fn saliency(series: &[f64], width: usize, estimated: usize) -> Vec<f64> {
    if series.len() < LOOK_BACK + 2 {
        return vec![0.0; series.len()];
    }
    let mut values = centered(series);
    values.extend(vec![next(&values); estimated]);
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let mut spectrum: Vec<Complex<f64>> =
        values.iter().map(|value| Complex::new(value - mean, 0.0)).collect();
    transform(&mut spectrum, FftDirection::Forward);
    residual(&mut spectrum, width);
    transform(&mut spectrum, FftDirection::Inverse);
    spectrum.iter().take(series.len()).map(|value| value.norm() / values.len() as f64).collect()
}

/// The Fourier transform, in O(n log n) for any number of values. The planner of the crate chooses faster ways for some
/// numbers, with twice as much code.
fn transform(values: &mut [Complex<f64>], direction: FftDirection) {
    let inner = Radix4::new((2 * values.len()).next_power_of_two(), direction);
    BluesteinsAlgorithm::new(values.len(), Arc::new(inner)).process(values);
}

/// The point that would come next: with the mean of the slopes from the points before to the last one but one.
///
/// The paper takes the very last one. If that is far away from the others, the points that follow it are as well, and it
/// does not stand out from them.
fn next(values: &[f64]) -> f64 {
    let last = values.len() - 2;
    let slopes = (1..=LOOK_BACK).map(|back| (values[last] - values[last - back]) / back as f64);
    let slope = slopes.sum::<f64>() / LOOK_BACK as f64;
    values[last + 1 - LOOK_BACK] + slope * LOOK_BACK as f64
}

/// Makes of a spectrum its residual: the logarithm of each amplitude, less the mean of those of `width` frequencies
/// around it. Phases stay.
///
/// Frequencies that the series does not have, and the mean of the series, stay out of it: they have no logarithm, are not
/// averaged, and have no residual.
fn residual(spectrum: &mut [Complex<f64>], width: usize) {
    let count = spectrum.len();
    spectrum[0] = Complex::ZERO;
    let largest = spectrum.iter().map(|value| value.norm()).fold(0.0, f64::max);
    let logarithms: Vec<Option<f64>> = spectrum
        .iter()
        .map(|value| Some(value.norm()).filter(|amplitude| *amplitude > NOTHING * largest).map(f64::ln))
        .collect();
    for (frequency, value) in spectrum.iter_mut().enumerate() {
        if logarithms[frequency].is_none() {
            *value = Complex::ZERO;
            continue;
        }
        // The spectrum is a circle.
        let first = frequency + count * width - width / 2;
        let around = (first..first + width).filter_map(|near| logarithms[near % count]);
        let (sum, number) = around.fold((0.0, 0), |(sum, number), near| (sum + near, number + 1));
        // The amplitude becomes the exponential function of the residual.
        *value *= (-sum / f64::from(number)).exp();
    }
}
