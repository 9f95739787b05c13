//! Butterworth filters as sections of the first and second order.
//!
//! The low pass of the order N with the cutoff 1 has its poles on the left half of the unit circle, as far from each other
//! as they can be: S. Butterworth, *On the theory of filter amplifiers*, Experimental Wireless 7, 1930. Each pair of them is
//! a section 1 / (s² + k s + 1), and an odd N has a section 1 / (s + 1) besides. The other filters come from it by replacing
//! s, as in A. V. Oppenheim and R. W. Schafer, *Discrete-time signal processing*, 3rd edition, 2010, chapter 7 and appendix B:
//!
//! ```text
//! low pass   s / g
//! high pass  g / s
//! band pass  (s² + g₁ g₂) / ((g₂ - g₁) s)
//! band stop  (g₂ - g₁) s / (s² + g₁ g₂)
//! ```
//!
//! The bilinear transform makes a filter of samples of it: s = (z - 1) / (z + 1). Each cutoff f is g = tan(π f / rate), so
//! that it stays where it is ("prewarping").

use std::f64::consts::PI;

/// What a filter lets pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Band {
    /// What is slower than a cutoff.
    Low(f64),
    /// What is faster than a cutoff.
    High(f64),
    /// What is between two, the lower one first.
    Pass(f64, f64),
    /// What is not between two, the lower one first.
    Stop(f64, f64),
}

/// A part of a filter, with its poles, and what it takes of its high, band and low pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Section {
    /// (high s + low g) / (s + g)
    First { g: f64, high: f64, low: f64 },
    /// (high s² + band g s + low g²) / (s² + k g s + g²)
    Second { g: f64, k: f64, high: f64, band: f64, low: f64 },
}

/// The sections of a Butterworth filter. The cutoffs are shares of the rate, above 0 and below 0.5, at which the filter lets
/// half of the power pass.
pub fn butterworth(order: u32, band: Band) -> Vec<Section> {
    let warped = |cutoff: f64| (PI * cutoff).tan();
    match band {
        Band::Low(cutoff) => one_sided(order, warped(cutoff), 0.0, 1.0),
        Band::High(cutoff) => one_sided(order, warped(cutoff), 1.0, 0.0),
        Band::Pass(from, to) => {
            let width = warped(to) - warped(from);
            two_sided(order, warped(from), warped(to), |g, k| Section::Second {
                g,
                k,
                high: 0.0,
                band: width / g,
                low: 0.0,
            })
        }
        Band::Stop(from, to) => {
            let center = warped(from) * warped(to);
            two_sided(order, warped(from), warped(to), |g, k| Section::Second {
                g,
                k,
                high: 1.0,
                band: 0.0,
                low: center / (g * g),
            })
        }
    }
}

/// The damping k of each pair of poles, the largest first: sections that ring come last, as what they add to is smaller then.
fn dampings(order: u32) -> impl Iterator<Item = f64> {
    (0..order / 2).rev().map(move |pair| 2.0 * (PI * f64::from(2 * pair + 1) / f64::from(2 * order)).sin())
}

fn one_sided(order: u32, g: f64, high: f64, low: f64) -> Vec<Section> {
    let first = (order % 2 == 1).then_some(Section::First { g, high, low });
    let pairs = dampings(order).map(|k| Section::Second { g, k, high, band: 0.0, low });
    first.into_iter().chain(pairs).collect()
}

/// Each pole p of the low pass becomes two, the solutions of s² - p w s + c = 0 with w = g₂ - g₁ and c = g₁ g₂. (For the band
/// stop it is w / p, which is the conjugate of p times w: the same poles.)
fn two_sided(order: u32, from: f64, to: f64, section: impl Fn(f64, f64) -> Section) -> Vec<Section> {
    let (width, center) = (to - from, from * to);
    let mut sections = Vec::new();
    if order % 2 == 1 {
        // p is -1: one section, whatever its poles are.
        sections.push(section(center.sqrt(), width / center.sqrt()));
    }
    for k in dampings(order) {
        // With p = -a + b i, half of p w, and the root of its square less c.
        let (a, b) = (k / 2.0, (1.0 - k * k / 4.0).max(0.0).sqrt());
        let (re, im) = (-a * width / 2.0, b * width / 2.0);
        let (root_re, root_im) = complex_sqrt(re * re - im * im - center, 2.0 * re * im);
        // The sum of parts with the same sign loses nothing; the product of both solutions is c.
        let sign = if re * root_re + im * root_im < 0.0 { -1.0 } else { 1.0 };
        let (re, im) = (re + sign * root_re, im + sign * root_im);
        let size = re.hypot(im);
        let damping = -2.0 * re / size;
        sections.push(section(size, damping));
        sections.push(section(center / size, damping));
    }
    sections
}

/// The square root with a real part of at least 0.
fn complex_sqrt(re: f64, im: f64) -> (f64, f64) {
    let size = re.hypot(im);
    if size == 0.0 {
        return (0.0, 0.0);
    }
    // The larger part first, and the other one by what their product is.
    let large = ((size + re.abs()) / 2.0).sqrt();
    let small = im.abs() / (2.0 * large);
    let sign = if im < 0.0 { -1.0 } else { 1.0 };
    if re >= 0.0 { (large, sign * small) } else { (small, sign * large) }
}

#[cfg(test)]
mod tests;
