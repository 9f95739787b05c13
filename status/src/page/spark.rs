//! Small charts.

use std::fmt::Write as _;

use maud::{Markup, html};

/// Width and height of a sparkline, in units of the drawing.
const WIDTH: f32 = 118.0;
const HEIGHT: f32 = 22.0;

/// A line of `values`, the oldest first, of which at most `most` fit. The newest is at the right edge. `large` is for
/// the page of one task; there may be hundreds of others on a page.
pub fn line(values: &[f32], most: usize, label: &str, large: bool) -> Markup {
    let values = &values[values.len().saturating_sub(most)..];
    let top = values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f32::max);
    let step = WIDTH / (most.max(2) - 1) as f32;
    let start = WIDTH - step * values.len().saturating_sub(1) as f32;
    let mut points = String::with_capacity(values.len() * 11);
    for (i, value) in values.iter().enumerate() {
        let share = if top > 0.0 && value.is_finite() { value / top } else { 0.0 };
        let (x, y) = (start + step * i as f32, HEIGHT - 1.0 - share * (HEIGHT - 2.0));
        let digits = usize::from(large);
        let _ = write!(points, "{}{x:.digits$},{y:.digits$}", if i == 0 { "" } else { " " });
    }
    let class = if large { "spark large" } else { "spark" };
    html! {
        svg class=(class) viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(label) {
            @if large && values.len() > 1 {
                polygon class="area" points={ (points) " " (WIDTH) "," (HEIGHT) " " (format!("{start:.0}")) "," (HEIGHT) } {}
            }
            @if values.len() > 1 {
                polyline points=(points) {}
            }
        }
    }
}

/// A bar that is filled to `share`, from 0 to 1. The text beside it says the same.
pub fn bar(share: f64) -> Markup {
    let class = if share >= 0.9 { "fill full" } else { "fill" };
    html! {
        svg.bar viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" {
            rect.track width="100" height="6" rx="1" {}
            rect class=(class) width=(format!("{:.1}", share.clamp(0.0, 1.0) * 100.0)) height="6" rx="1" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_value_is_at_the_right_edge_and_the_largest_at_the_top() {
        let svg = line(&[0.0, 5.0, 10.0], 60, "points \"in\"", false).into_string();
        assert!(svg.contains("points=\"114,21 116,11 118,1\""), "{svg}");
        assert!(svg.contains("aria-label=\"points &quot;in&quot;\""), "{svg}");
    }

    #[test]
    fn odd_values_are_drawn_at_the_bottom() {
        let svg = line(&[f32::NAN, f32::INFINITY, 0.0], 60, "", false).into_string();
        assert!(svg.contains(",21") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(!line(&[], 60, "", false).into_string().contains("points"));
    }
}
